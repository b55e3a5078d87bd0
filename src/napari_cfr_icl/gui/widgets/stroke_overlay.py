"""The outline of a stroke over another widget, while it is being drawn."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

WIDTH = 2
FAINT = 40
"""Opacity of the inside, of 255."""


class StrokeOverlay(QWidget):
    """Shows an outline on top of its parent, which keeps the mouse."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._outline = QPolygonF()
        self._closed = False
        self._colour = QColor()
        self.hide()

    def show_outline(
        self, points: Sequence[tuple[float, float]], colour: str, *, closed: bool
    ) -> None:
        """Show an outline through (x, y) in pixels of the parent; a closed one is filled."""
        self._outline = QPolygonF([QPointF(*point) for point in points])
        self._closed, self._colour = closed, QColor(colour)
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the outline."""
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(self._colour, WIDTH))
            if self._closed:
                inside = QColor(self._colour)
                inside.setAlpha(FAINT)
                painter.setBrush(inside)
                painter.drawPolygon(self._outline)
            else:
                painter.drawPolyline(self._outline)
