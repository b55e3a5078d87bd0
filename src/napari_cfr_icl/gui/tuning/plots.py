"""The plots of the tuning dock: one inner loop against its threshold, and clicks against passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Signal

from napari_cfr_icl.gui.widgets.themed_canvas import BLUE, GREEN, ORANGE, ThemedCanvas, add_legend

GRASP = 10.0
"""Distance in pixels from which the mouse takes hold of a line or a point."""


@dataclass(frozen=True, slots=True)
class LoopDrawing:
    """What the plot of an inner loop shows.

    Parameters
    ----------
    changes : tuple of int
        Changed pixels of step 1, 2, ...
    limits : tuple of (int or None)
        Threshold at each of them.
    ran : int
        Steps that the policy runs.
    shown : int
        Step whose mask is on the picture.
    """

    changes: tuple[int, ...] = ()
    limits: tuple[int | None, ...] = ()
    ran: int = 0
    shown: int = 0


class LoopPlot(ThemedCanvas):
    """Changed pixels of each step, and the threshold as a line that can be dragged.

    `threshold_dragged` is emitted with pixels while the line moves, `step_chosen` with the number
    of a step that was clicked.
    """

    threshold_dragged = Signal(float)
    step_chosen = Signal(int)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer, height=190)
        self._drawing = LoopDrawing()
        self._dragging = False
        self._top = 1.0
        self.mpl_connect("button_press_event", self._on_pressed)
        self.mpl_connect("motion_notify_event", self._on_moved)
        self.mpl_connect("button_release_event", self._on_released)
        self.setToolTip("Drag the dashed line to another threshold; click a step to see its mask.")
        self.redraw()

    def show_loop(self, drawing: LoopDrawing) -> None:
        """Draw another loop, or the same with another threshold."""
        self._drawing = drawing
        self.redraw()

    @property
    def threshold(self) -> float | None:
        """Where the line is at its right end, in pixels; None where there is none."""
        return next((float(x) for x in reversed(self._drawing.limits) if x is not None), None)

    def draw_on(self) -> None:
        """Bars for the steps, a dashed line for the threshold."""
        axes, drawing = self.axes, self._drawing
        axes.set_yscale("symlog", linthresh=1)
        axes.set(xlabel="refinement step", ylabel="changed pixels")
        if not drawing.changes:
            axes.set(xlim=(0.4, 4.6), ylim=(0, 100))
            return
        steps = range(1, len(drawing.changes) + 1)
        axes.bar(steps, drawing.changes, color=[self._colour(step) for step in steps], width=0.62)
        for step, changed in zip(steps, drawing.changes, strict=True):
            axes.annotate(
                str(changed),
                (step, changed),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                fontweight="bold" if step == drawing.shown else "normal",
                color=self.colours.text,
                bbox={"facecolor": self.colours.background, "alpha": 0.7, "pad": 0.5, "lw": 0},
                zorder=5,
            )
        if not self._dragging:  # a scale that follows the line would run from under the mouse
            self._top = 3 * max([*drawing.changes, *(limit or 0 for limit in drawing.limits), 1])
        axes.set(xlim=(0.4, len(drawing.changes) + 0.6), ylim=(0, self._top), xticks=list(steps))
        self._draw_threshold()

    def _draw_threshold(self) -> None:
        known = [limit for limit in self._drawing.limits if limit is not None]
        if known:
            edges = np.arange(len(known) + 1) + 0.5
            self.axes.stairs(known, edges, baseline=None, color=ORANGE, linestyle="--", linewidth=2)

    def _colour(self, step: int) -> str:
        if step > self._drawing.ran:
            return self.colours.faint
        limit = self._drawing.limits[step - 1]
        settled = limit is not None and self._drawing.changes[step - 1] < limit
        return GREEN if settled else BLUE

    def _on_pressed(self, event: Any) -> None:
        if event.inaxes is not self.axes or event.button != 1 or not self._drawing.changes:
            return
        step = self._step_at(event.xdata)
        limit = self._drawing.limits[step - 1]
        if limit is not None and abs(self._height(limit) - event.y) <= GRASP:
            self._dragging = True
        else:
            self.step_chosen.emit(step)

    def _on_moved(self, event: Any) -> None:
        if self._dragging and event.inaxes is self.axes:
            self.threshold_dragged.emit(max(0.0, float(event.ydata)))

    def _on_released(self, event: Any) -> None:
        if self._dragging:
            self._on_moved(event)
            self._dragging = False
            self.redraw()

    def _step_at(self, place: float) -> int:
        return int(np.clip(round(place), 1, len(self._drawing.changes)))

    def _height(self, pixels: float) -> float:
        return float(self.axes.transData.transform((1, pixels))[1])


@dataclass(frozen=True, slots=True)
class FrontDrawing:
    """What the plot of a search shows; places are those of the policies.

    Parameters
    ----------
    passes, clicks : sequence of float
        What each policy needs for an object.
    front : sequence of int
        The efficient ones, fewest passes first.
    current, recommended, chosen : int
        Today's policy, the recommended one, and the one that the user picked.
    goal : str
        What the clicks are counted for.
    """

    passes: Sequence[float] = ()
    clicks: Sequence[float] = ()
    front: Sequence[int] = ()
    current: int = 0
    recommended: int = 0
    chosen: int = 0
    goal: str = ""


class FrontPlot(ThemedCanvas):
    """Clicks against passes of every policy; `policy_chosen` tells the place of a clicked one."""

    policy_chosen = Signal(int)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer, height=270)
        self._drawing = FrontDrawing()
        self.mpl_connect("button_press_event", self._on_pressed)
        self.setToolTip("Lower left is better. Click a point to choose its setting.")
        self.redraw()

    def show_front(self, drawing: FrontDrawing) -> None:
        """Draw other standings."""
        self._drawing = drawing
        self.redraw()

    def draw_on(self) -> None:
        """All policies, the efficient front, today's, the recommended and the chosen one."""
        axes, drawing = self.axes, self._drawing
        axes.set(xlabel="passes per object", ylabel=drawing.goal or "clicks per object")
        if not drawing.passes:
            return
        axes.scatter(drawing.passes, drawing.clicks, s=9, color=self.colours.faint, label="tried")
        edge = [(drawing.passes[i], drawing.clicks[i]) for i in drawing.front]
        axes.step(*zip(*edge, strict=True), where="post", marker=".", color=BLUE, label="best")
        self._mark(drawing.current, "s", ORANGE, "today")
        self._mark(drawing.recommended, "*", GREEN, "recommended")
        at = drawing.passes[drawing.chosen], drawing.clicks[drawing.chosen]
        axes.plot(*at, "o", markersize=16, fillstyle="none", color=self.colours.text)
        add_legend(axes, self.colours, loc="upper right")

    def _mark(self, place: int, marker: str, colour: str, label: str) -> None:
        at = self._drawing.passes[place], self._drawing.clicks[place]
        self.axes.plot(*at, marker, markersize=9, color=colour, label=label, linestyle="none")

    def _on_pressed(self, event: Any) -> None:
        if event.inaxes is not self.axes or not self._drawing.passes:
            return
        places = np.column_stack([self._drawing.passes, self._drawing.clicks])
        drawn = self.axes.transData.transform(places)
        distances = np.hypot(*(drawn - (event.x, event.y)).T)
        # Policies often fall together; the front's and the marked ones are meant then.
        for place in (*self._drawing.front, self._drawing.recommended, self._drawing.current):
            distances[place] -= 0.5
        if distances.min() <= GRASP:
            self.policy_chosen.emit(int(distances.argmin()))
