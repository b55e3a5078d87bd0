"""The curves of a run: loss, and clicks on held-out objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import napari
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QWidget
from scipy import ndimage

from napari_cfr_icl.gui.errand import Errand
from napari_cfr_icl.gui.themed_canvas import BLUE, GREEN, ORANGE, Colours, add_legend, dress
from napari_cfr_icl.gui.training_watch import Curves

_HEIGHT = 320
_DPI = 100
_MOST_POINTS = 1000
_SMOOTH_OVER = 20
_CLICKS = (("noc80", "to 80 %", GREEN), ("noc85", "85 %", BLUE), ("noc90", "90 % overlap", ORANGE))


class TrainingPlot(QWidget):
    """Two plots, one above the other, as a picture.

    Matplotlib takes a tenth of a second for them, and the screen must not wait that long at every
    step: they are drawn beside it.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT)
        self.setMinimumWidth(220)
        self.picture = QImage()
        self._viewer: napari.Viewer | None = viewer
        self._curves = Curves()
        self._shown = (-1, -1)
        self._is_drawing = self._is_stale = False
        self._draughtsman = Errand(self)
        self._draughtsman.done.connect(self._on_drawn)
        self._draughtsman.failed.connect(self._on_failed)
        viewer.events.theme.connect(self._on_theme_changed)

    def show_curves(self, curves: Curves) -> None:
        """Draw these, unless nothing came since the last time."""
        size = len(curves.losses), len(curves.rounds)
        if curves is not self._curves or size != self._shown:
            self._curves, self._shown = curves, size
            self._draw()

    def close_events(self) -> None:
        """Stop following the theme."""
        viewer, self._viewer = self._viewer, None
        self._draughtsman.forget()
        if viewer is not None:
            viewer.events.theme.disconnect(self._on_theme_changed)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Show the newest picture."""
        painter = QPainter(self)
        painter.drawImage(self.rect(), self.picture)
        painter.end()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw for the new width."""
        super().resizeEvent(event)
        self._draw()

    def _draw(self) -> None:
        # One at a time: on a busy machine steps come faster than pictures.
        self._is_stale = self._is_drawing
        if self._is_drawing or self._viewer is None:
            return
        self._is_drawing = True
        curves = Curves(dict(self._curves.losses), dict(self._curves.rounds))
        colours, ratio = Colours.of(self._viewer), self.devicePixelRatioF()
        size = self.width(), self.height()
        self._draughtsman.run(lambda: _picture(curves_figure(curves, colours), size, ratio))

    def _on_drawn(self, picture: QImage) -> None:
        self._is_drawing = False
        self.picture = picture
        self.update()
        if self._is_stale:
            self._draw()

    def _on_failed(self, error: Exception) -> None:
        self._is_drawing = False
        raise error

    def _on_theme_changed(self, event: Any = None) -> None:
        self._draw()


def curves_figure(curves: Curves, colours: Colours) -> Figure:
    """Loss above, clicks on held-out objects below; of no size yet."""
    figure = Figure(layout="constrained", facecolor=colours.background)
    loss, clicks = figure.subplots(2, 1)
    for axes in (loss, clicks):
        dress(axes, colours)
    loss.set(ylabel="loss")
    clicks.set(xlabel="step", ylabel="clicks, held out")
    if curves.losses:
        _draw_loss(loss, curves.losses)
    if curves.rounds:
        _draw_clicks(clicks, curves.rounds)
        add_legend(clicks, colours, loc="lower left", ncols=3)
    return figure


def _draw_loss(axes: Axes, by_step: Mapping[int, float]) -> None:
    steps = np.array(sorted(by_step))
    losses = np.array([by_step[step] for step in steps])
    thin = slice(None, None, max(1, len(steps) // _MOST_POINTS))
    axes.plot(steps[thin], losses[thin], color=BLUE, alpha=0.3, linewidth=0.8)
    width = max(1, len(losses) // _SMOOTH_OVER)
    smooth = ndimage.uniform_filter1d(losses, width, mode="nearest")
    axes.plot(steps[thin], smooth[thin], color=BLUE)


def _draw_clicks(axes: Axes, rounds: Mapping[int, Mapping[str, Any]]) -> None:
    steps = sorted(rounds)
    for name, label, colour in _CLICKS:
        values = [rounds[step][name] for step in steps]
        axes.plot(steps, values, marker=".", color=colour, label=label)
    axes.set_ylim(bottom=0)


def _picture(figure: Figure, size: tuple[int, int], ratio: float) -> QImage:
    """The figure in pixels of the screen, of which `ratio` make one of Qt's."""
    figure.set_dpi(_DPI * ratio)
    figure.set_size_inches(size[0] / _DPI, size[1] / _DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    picture = QImage(pixels, *canvas.get_width_height(), QImage.Format.Format_RGBA8888).copy()
    picture.setDevicePixelRatio(ratio)
    return picture
