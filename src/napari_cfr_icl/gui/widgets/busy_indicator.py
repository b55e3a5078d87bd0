"""A thin strip that is bright while something runs."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

HEIGHT = 4
BRIGHT = QColor("#00b7ff")


class BusyIndicator(QWidget):
    """Bright or dim, never animated: an animation would take time that the network needs."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = False
        self.setFixedHeight(HEIGHT)
        self.setToolTip("Bright while the network works.")

    @property
    def is_busy(self) -> bool:
        """True while the strip is bright."""
        return self._busy

    def show_busy(self, busy: bool) -> None:
        """Make the strip bright or dim."""
        self._busy = busy
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Fill the strip."""
        colour = QColor(BRIGHT) if self._busy else QColor(self.palette().text().color())
        if not self._busy:
            colour.setAlphaF(0.12)
        painter = QPainter(self)
        painter.fillRect(self.rect(), colour)
        painter.end()
