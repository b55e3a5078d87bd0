"""A label for text with names of files or layers."""

from __future__ import annotations

import re

from qtpy.QtWidgets import QLabel

_JOINT = re.compile(r"([-_./\\])(?=.)")
_GAP = "\u200b"
"""A space of no width: Qt begins a new line only at spaces."""


class NameLabel(QLabel):
    """Wraps inside names, too: a name longer than the dock would widen all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def setText(self, text: str | None) -> None:
        """Show a text."""
        super().setText(_JOINT.sub(rf"\1{_GAP}", text or ""))

    def text(self) -> str:
        """The text without the marks for wrapping."""
        return super().text().replace(_GAP, "")
