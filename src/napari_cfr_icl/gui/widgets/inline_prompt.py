"""A question in the dock, instead of a message box: one sentence, and buttons for yes and no."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QWidget

from napari_cfr_icl.gui.widgets.arrange import column, row
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.name_label import NameLabel


class InlinePrompt(QWidget):
    """Shows one question at a time; hidden without one."""

    def __init__(self) -> None:
        super().__init__()
        self._then: Callable[[], None] | None = None
        self.text = NameLabel()
        self.yes = KeyButton("Yes", "Do it.")
        self.no = KeyButton("No", "Leave everything as it is.")
        column(self.text, row(self.yes, self.no), into=self)
        self.yes.clicked.connect(self._on_yes_clicked)
        self.no.clicked.connect(self.take_back)
        self.hide()

    def ask(self, text: str, yes: str, then: Callable[[], None]) -> None:
        """Ask a question, in the place of an earlier one.

        Parameters
        ----------
        text : str
            The question.
        yes : str
            The text of the button.
        then : callable
            Called when it is pressed.
        """
        self.text.setText(text)
        self.yes.setText(yes)
        self._then = then
        self.show()

    def take_back(self) -> None:
        """Withdraw the question."""
        self._then = None
        self.hide()

    def _on_yes_clicked(self) -> None:
        then = self._then
        self.take_back()
        if then is not None:
            then()
