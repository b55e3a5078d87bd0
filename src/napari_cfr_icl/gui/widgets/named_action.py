"""A name and a button, for something that is done under that name."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QPushButton, QWidget

from napari_cfr_icl.gui.widgets.arrange import column, row


class NamedAction(QWidget):
    """Emits `requested` with the name that was typed, or else with the default.

    Parameters
    ----------
    text : str
        Text of the button.
    name_tip, button_tip : str
        Tool tips.
    """

    requested = Signal(str)

    def __init__(self, text: str, name_tip: str, button_tip: str = "") -> None:
        super().__init__()
        self.name = QLineEdit()
        self.name.setToolTip(name_tip)
        self.button = QPushButton(text)
        self.button.setToolTip(button_tip)
        column(row(self.name, self.button, stretch=0), into=self)
        self.button.clicked.connect(self._on_clicked)

    def show_default(self, name: str) -> None:
        """Show the name that is taken where none is typed."""
        self.name.setPlaceholderText(name)

    def _on_clicked(self) -> None:
        self.requested.emit(self.name.text().strip() or self.name.placeholderText())
