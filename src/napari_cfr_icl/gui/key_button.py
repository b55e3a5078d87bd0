"""A button that shows the key which does the same."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSizePolicy


def key_button(text: str, key: str, tip: str) -> QPushButton:
    """A button with its key in the text; it never takes the focus.

    Parameters
    ----------
    text : str
        What it does.
    key : str
        The key, as people write it; empty for none.
    tip : str
        What it does in full.
    """
    button = QPushButton(f"{text}  ({key})" if key else text)
    button.setToolTip(tip)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    # A button with the focus would swallow the keys that are meant for the canvas.
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
