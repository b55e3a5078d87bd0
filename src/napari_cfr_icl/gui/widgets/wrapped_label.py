"""Sentences in a dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent


class WrappedLabel(QLabel):
    """A label that wraps its text, which can be selected and copied."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)


class UnclippedLabel(WrappedLabel):
    """A label whose text stays: it is always as high as the text needs.

    A layout may squeeze a label that wraps down to one line.
    """

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for the height that the text needs at the new width."""
        super().resizeEvent(event)
        self.setMinimumHeight(self.heightForWidth(self.width()))
