"""A matplotlib canvas in the colours of napari's theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import napari
from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy

BLUE, GREEN, ORANGE, RED = "#00b7ff", "#2ecc40", "#ff9f43", "#ff5c57"
"""Colours of lines and marks, which stand out on light and dark backgrounds alike."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours of a theme, as matplotlib takes them.

    Parameters
    ----------
    background, text, faint : str
        Hexadecimal.
    """

    background: str
    text: str
    faint: str

    @classmethod
    def of(cls, viewer: napari.Viewer) -> Colours:
        """The colours of the viewer's current theme."""
        theme = get_theme(viewer.theme)
        return cls(*(_hex(c) for c in (theme.background, theme.text, theme.secondary)))


def dress(axes: Axes, colours: Colours) -> None:
    """Give axes the theme's colours and text that is small enough for a dock."""
    axes.set_facecolor(colours.background)
    axes.tick_params(colors=colours.text, labelsize=7)
    axes.xaxis.label.set(color=colours.text, size=8)
    axes.yaxis.label.set(color=colours.text, size=8)
    axes.spines[:].set_color(colours.faint)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=colours.faint, alpha=0.35, linewidth=0.5)


def add_legend(axes: Axes, colours: Colours, **where: Any) -> Legend:
    """A small legend in the theme's colours."""
    look = {"facecolor": colours.background, "labelcolor": colours.text}
    where.update(look, fontsize=7, framealpha=0.6)
    return axes.legend(**where)


class ThemedCanvas(FigureCanvasQTAgg):
    """A figure in the colours of the viewer's theme; subclasses draw on its axes in `draw_on`.

    Parameters
    ----------
    viewer : napari.Viewer
        Its theme is followed.
    height : int
        In pixels.
    """

    def __init__(self, viewer: napari.Viewer, height: int = 200) -> None:
        super().__init__(Figure(layout="constrained", dpi=100))  # type: ignore[no-untyped-call]
        self.setFixedHeight(height)
        self.setMinimumWidth(220)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._viewer: napari.Viewer | None = viewer
        self.axes: Axes = self.figure.subplots()
        self.colours = Colours.of(viewer)
        viewer.events.theme.connect(self._on_theme_changed)

    def redraw(self) -> None:
        """Clear the axes and draw."""
        if self._viewer is None:
            return
        self.figure.set_facecolor(self.colours.background)
        self.axes.clear()
        dress(self.axes, self.colours)
        self.draw_on()
        self.draw_idle()  # type: ignore[no-untyped-call]

    def draw_on(self) -> None:
        """Draw on the cleared axes; for subclasses."""

    def close_events(self) -> None:
        """Disconnect from the theme."""
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            viewer.events.theme.disconnect(self._on_theme_changed)

    def _on_theme_changed(self, event: Any = None) -> None:
        if self._viewer is not None:
            self.colours = Colours.of(self._viewer)
            self.redraw()


def _hex(colour: Any) -> str:
    red, green, blue = colour.as_rgb_tuple()[:3]
    return f"#{red:02x}{green:02x}{blue:02x}"
