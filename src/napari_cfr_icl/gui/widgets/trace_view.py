"""A chart of the inner loop: the changed pixels of every step, and the threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cfr_icl.session.protocols import StepLike

BAR = QColor("#00b7ff")
SETTLED = QColor("#2ecc40")
LINE = QColor("#ff9f43")
NOTHING_YET = "The refinement steps appear here."
NOT_REFINED = "One pass: the method refines no more here."
MARGIN, TEXT_HEIGHT, WIDEST_BAR = 8, 16, 56


class TraceView(QWidget):
    """Bars for the steps, a dashed line for the threshold; the height is logarithmic."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: tuple[StepLike, ...] = ()
        self._why_none = NOTHING_YET
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Pixels that each refinement step changed. A-CFR stops when a bar stays below the line."
        )

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(240, 84)

    @property
    def steps(self) -> tuple[StepLike, ...]:
        """The steps that are drawn: those after the first pass."""
        return self._steps

    @property
    def text(self) -> str:
        """The sentence in the place of the steps; empty if there are any."""
        return "" if self._steps else self._why_none

    def show_steps(self, trace: Sequence[StepLike]) -> None:
        """Draw these passes, except the first one, which refines nothing."""
        self._steps = tuple(step for step in trace if step.changed_pixels is not None)
        self._why_none = NOT_REFINED if trace else NOTHING_YET
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw bars, numbers and the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._steps:
            self._paint_steps(painter)
        else:
            painter.setPen(_faint(self))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._why_none)
        painter.end()

    def _paint_steps(self, painter: QPainter) -> None:
        area = QRectF(self.rect()).adjusted(MARGIN, TEXT_HEIGHT, -MARGIN, -TEXT_HEIGHT)
        thresholds = [s.threshold_pixels for s in self._steps if s.threshold_pixels is not None]
        top = max([s.changed_pixels or 0 for s in self._steps] + thresholds + [1])
        slot = area.width() / len(self._steps)
        width = min(slot * 0.7, WIDEST_BAR)
        for number, step in enumerate(self._steps):
            centre = area.left() + slot * (number + 0.5)
            self._paint_bar(
                painter, step, QRectF(centre - width / 2, area.top(), width, area.height()), top
            )
        if thresholds:
            level = area.bottom() - area.height() * _height(thresholds[-1], top)
            painter.setPen(QPen(LINE, 1.5, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(area.left(), level), QPointF(area.right(), level))

    def _paint_bar(self, painter: QPainter, step: StepLike, column: QRectF, top: int) -> None:
        changed = step.changed_pixels or 0
        height = column.height() * _height(changed, top)
        bar = QRectF(column.left(), column.bottom() - height, column.width(), height)
        settled = step.threshold_pixels is not None and changed < step.threshold_pixels
        painter.fillRect(bar, SETTLED if settled else BAR)
        painter.setPen(self.palette().text().color())
        self._paint_text(painter, column.center().x(), bar.top() - TEXT_HEIGHT, str(changed))
        painter.setPen(_faint(self))
        self._paint_text(painter, column.center().x(), column.bottom() + 1, str(step.index))

    def _paint_text(self, painter: QPainter, centre: float, top: float, text: str) -> None:
        box = QRectF(centre - 40, top, 80, TEXT_HEIGHT - 1)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _height(pixels: int, top: int) -> float:
    """Height of a bar as a share of the tallest: changes span from millions of pixels to none."""
    return math.log1p(pixels) / math.log1p(top)


def _faint(widget: QWidget) -> QColor:
    colour = QColor(widget.palette().text().color())
    colour.setAlphaF(0.55)
    return colour
