"""Curves of a run: loss, and clicks on held-out objects."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from qtpy.QtWidgets import QWidget
from scipy import ndimage

from napari_cfr_icl.gui.threads.background_task import BackgroundTask
from napari_cfr_icl.gui.training.run_monitor import Curves
from napari_cfr_icl.gui.widgets.themed_canvas import BLUE, GREEN, ORANGE, Colours, add_legend, dress

_HEIGHT = 320
_DPI = 100
_MARGINS = (46, 8, 38, 8)
"""Pixels for the labels of the axes: left, right, below, above."""

_MOST_POINTS = 1000
_SMOOTH_OVER = 20
_CLICKS = (("noc80", "to 80 %", GREEN), ("noc85", "85 %", BLUE), ("noc90", "90 % IoU", ORANGE))


class TrainingPlot(QWidget):
    """Two plots, one above the other, as a picture.

    Matplotlib takes a tenth of a second for them, and the screen must not wait that long at every
    step: they are drawn in a worker thread.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT)
        self.setMinimumWidth(220)
        self.picture = QImage()
        self._viewer: napari.Viewer | None = viewer
        self._curves = Curves()
        self._figure: CurvesFigure | None = None
        self._is_drawing = self._is_stale = False
        self._renderer = BackgroundTask(self)
        self._renderer.done.connect(self._on_drawn)
        self._renderer.failed.connect(self._on_failed)
        viewer.events.theme.connect(self._on_theme_changed)

    def show_curves(self, curves: Curves) -> None:
        """Draw these, unless they are drawn already."""
        if curves is not self._curves:
            self._curves = curves
            self._draw()

    def close_events(self) -> None:
        """Disconnect from the theme."""
        viewer, self._viewer = self._viewer, None
        self._renderer.forget()
        if viewer is not None:
            viewer.events.theme.disconnect(self._on_theme_changed)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Show the newest picture."""
        painter = QPainter(self)
        painter.drawImage(self.rect(), self.picture)
        painter.end()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw the curves that arrived while the plot was hidden."""
        super().showEvent(event)
        self._draw()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw for the new width."""
        super().resizeEvent(event)
        self._draw()

    def _draw(self) -> None:
        if self._viewer is None or not self.isVisible():
            return
        # One at a time: on a busy machine steps come faster than they are drawn.
        self._is_stale = self._is_drawing
        if self._is_drawing:
            return
        self._is_drawing = True
        curves, colours = self._curves, Colours.of(self._viewer)
        ratio = self.devicePixelRatioF()
        size = self.width(), self.height()
        self._renderer.run(lambda: self._picture(curves, colours, size, ratio))

    def _picture(
        self, curves: Curves, colours: Colours, size: tuple[int, int], ratio: float
    ) -> QImage:
        """Called in the worker thread, which alone touches the figure."""
        if self._figure is None or self._figure.colours != colours:
            self._figure = CurvesFigure(colours)
        self._figure.show(curves)
        return self._figure.picture(size, ratio)

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


class CurvesFigure:
    """Loss above, clicks on held-out objects below.

    One figure for all its pictures: new ones would make Python collect garbage every few seconds,
    during which the whole program stands still.

    Parameters
    ----------
    colours : Colours
        Colours of the theme.
    """

    def __init__(self, colours: Colours) -> None:
        self.colours = colours
        figure = Figure(facecolor=colours.background)
        self._canvas = FigureCanvasAgg(figure)
        self.loss, self.clicks = figure.subplots(2, 1)
        for axes in (self.loss, self.clicks):
            dress(axes, colours)
        self.loss.set(ylabel="loss")
        (self._raw,) = self.loss.plot([], [], color=BLUE, alpha=0.3, linewidth=0.8)
        (self._smooth,) = self.loss.plot([], [], color=BLUE)
        self.clicks.set(xlabel="step", ylabel="clicks, held out")
        self._rounds = {
            name: self.clicks.plot([], [], marker=".", color=colour, label=label)[0]
            for name, label, colour in _CLICKS
        }
        tight = {"handlelength": 1, "handletextpad": 0.4, "columnspacing": 0.8}
        self._legend = add_legend(self.clicks, colours, loc="lower left", ncols=3, **tight)

    def show(self, curves: Curves) -> None:
        """Draw other curves."""
        self._show_losses(curves.losses)
        steps = sorted(curves.rounds)
        self._legend.set_visible(bool(steps))
        for name, line in self._rounds.items():
            line.set_data(steps, [curves.rounds[step][name] for step in steps])
        for axes in (self.loss, self.clicks):
            axes.relim()
            axes.autoscale()
        self.clicks.set_ylim(bottom=0)

    def picture(self, size: tuple[int, int], ratio: float) -> QImage:
        """The figure as an image.

        Parameters
        ----------
        size : tuple of int
            Width and height in Qt's pixels.
        ratio : float
            Pixels of the screen to one of Qt's.
        """
        figure = self._canvas.figure
        figure.set_dpi(_DPI * ratio)
        figure.set_size_inches(size[0] / _DPI, size[1] / _DPI)
        # Matplotlib's layout engine would take longer than the drawing.
        left, right, bottom, top = _MARGINS
        figure.subplots_adjust(
            left / size[0], bottom / size[1], 1 - right / size[0], 1 - top / size[1], hspace=0.2
        )
        self._canvas.draw()  # type: ignore[no-untyped-call]
        pixels = bytes(self._canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        width, height = self._canvas.get_width_height()
        picture = QImage(pixels, width, height, QImage.Format.Format_RGBA8888).copy()
        picture.setDevicePixelRatio(ratio)
        return picture

    def _show_losses(self, by_step: dict[int, float]) -> None:
        steps = np.array(sorted(by_step))
        losses = np.array([by_step[step] for step in steps])
        thin = slice(None, None, max(1, len(steps) // _MOST_POINTS))
        width = max(1, len(losses) // _SMOOTH_OVER)
        smooth = ndimage.uniform_filter1d(losses, width, mode="nearest") if by_step else losses
        self._raw.set_data(steps[thin], losses[thin])
        self._smooth.set_data(steps[thin], smooth[thin])
