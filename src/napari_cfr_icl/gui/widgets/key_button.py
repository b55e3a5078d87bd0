"""A button with its keyboard shortcut in the text."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSizePolicy


class KeyButton(QPushButton):
    """A button that shows its key, and never takes the focus.

    Parameters
    ----------
    text : str
        The action.
    tip : str
        The action in full.
    """

    def __init__(self, text: str, tip: str) -> None:
        super().__init__(text)
        self._action = text
        self.setToolTip(tip)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # A button with the focus would swallow the keys that are meant for the canvas.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_key(self, key: str) -> None:
        """Show a key."""
        self.setText(f"{self._action}  ({key})")
