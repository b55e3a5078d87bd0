"""A question in the dock: one sentence and a button for yes. Nothing happens without the button."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.name_label import NameLabel


class InlinePrompt(QWidget):
    """Hidden while there is nothing to ask."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._then: Callable[[], None] | None = None
        self.text = NameLabel()
        self.yes = KeyButton("Yes", "Do it.")
        self.no = KeyButton("No", "Leave everything as it is.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.yes)
        buttons.addWidget(self.no)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.yes.clicked.connect(self._on_yes_clicked)
        self.no.clicked.connect(self.take_back)
        self.hide()

    def ask(self, text: str, yes: str, then: Callable[[], None]) -> None:
        """Ask; a question that was there before is forgotten.

        Parameters
        ----------
        text : str
            The question.
        yes : str
            What the button says.
        then : callable
            Called when it is pressed.
        """
        self.text.setText(text)
        self.yes.setText(yes)
        self._then = then
        self.show()

    def take_back(self) -> None:
        """Ask no more."""
        self._then = None
        self.hide()

    def _on_yes_clicked(self) -> None:
        then = self._then
        self.take_back()
        if then is not None:
            then()
