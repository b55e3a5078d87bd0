"""A name and a button: what was found becomes a preset of that name."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget


class UseRow(QWidget):
    """Emits `requested` with the name that was typed, or with the one that was proposed."""

    requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._default = ""
        self.name = QLineEdit()
        self.name.setToolTip("Name in the menu of presets.")
        self.button = QPushButton("Use this")
        self.button.setToolTip("Segment with this setting, and keep it as a preset of this name.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.name, 1)
        layout.addWidget(self.button)
        self.button.clicked.connect(self._on_clicked)

    def show_default(self, name: str) -> None:
        """Propose a name."""
        self._default = name
        self.name.setPlaceholderText(name)

    def _on_clicked(self) -> None:
        self.requested.emit(self.name.text().strip() or self._default)
