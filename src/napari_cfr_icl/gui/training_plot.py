"""The curves of a run: loss, and clicks on held-out objects."""

from __future__ import annotations

import napari
import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage

from napari_cfr_icl.gui.themed_canvas import BLUE, GREEN, ORANGE, ThemedCanvas
from napari_cfr_icl.gui.training_watch import Curves

_MOST_POINTS = 1000
_SMOOTH_OVER = 20
_CLICKS = (("noc80", "to 80 %", GREEN), ("noc85", "85 %", BLUE), ("noc90", "90 % overlap", ORANGE))


class TrainingPlot(ThemedCanvas):
    """Two plots, one above the other."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer, plots=2, height=320)
        self._curves = Curves()
        self._drawn = (-1, -1)
        self.redraw()

    def show_curves(self, curves: Curves) -> None:
        """Draw these, unless nothing came since the last time."""
        size = len(curves.losses), len(curves.rounds)
        if curves is self._curves and size == self._drawn:
            return
        self._curves, self._drawn = curves, size
        self.redraw()

    def draw_on(self) -> None:
        """Draw loss and clicks."""
        loss, clicks = self.all_axes
        loss.set(ylabel="loss")
        clicks.set(xlabel="step", ylabel="clicks, held out")
        if self._curves.losses:
            self._draw_loss(loss)
        rounds = sorted(self._curves.rounds.items())
        if rounds:
            for name, label, colour in _CLICKS:
                values = [facts[name] for _, facts in rounds]
                clicks.plot([s for s, _ in rounds], values, marker=".", color=colour, label=label)
            clicks.set_ylim(bottom=0)
            self.legend(clicks, loc="lower left", ncols=3)

    def _draw_loss(self, axes: Axes) -> None:
        steps = np.array(sorted(self._curves.losses))
        losses = np.array([self._curves.losses[step] for step in steps])
        thin = slice(None, None, max(1, len(steps) // _MOST_POINTS))
        axes.plot(steps[thin], losses[thin], color=BLUE, alpha=0.3, linewidth=0.8)
        width = max(1, len(losses) // _SMOOTH_OVER)
        smooth = ndimage.uniform_filter1d(losses, width, mode="nearest")
        axes.plot(steps[thin], smooth[thin], color=BLUE)
