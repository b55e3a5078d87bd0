"""A button that shows the key which does the same."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget


class KeyButton(QPushButton):
    """A button with its key in the text; it never takes the focus.

    Parameters
    ----------
    text : str
        What it does.
    tip : str
        What it does in full.
    """

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._what = text
        self.setToolTip(tip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # A button with the focus would swallow the keys that are meant for the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_key(self, key: str) -> None:
        """Show a key, as people write it."""
        self.setText(f"{self._what}  ({key})")
