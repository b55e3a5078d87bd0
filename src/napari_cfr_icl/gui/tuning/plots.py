"""The plots of the tuning dock: one inner loop against its threshold, and clicks against passes."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Signal

from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.tuning.inspection import Inspection
from napari_cfr_icl.gui.tuning.policy_scores import NO_SCORES, PolicyScores
from napari_cfr_icl.gui.widgets.themed_canvas import BLUE, GREEN, ORANGE, ThemedCanvas, add_legend

GRASP = 10.0
"""Distance in pixels at which the mouse picks a line or a point."""


class LoopPlot(ThemedCanvas):
    """Changed pixels of each step, and the threshold as a line that can be dragged.

    `threshold_dragged` is emitted with pixels while the line moves, `step_chosen` with the number
    of a step that was clicked.
    """

    threshold_dragged = Signal(float)
    step_chosen = Signal(int)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer, height=190)
        self._changes: tuple[int, ...] = ()
        self._limits: tuple[int | None, ...] = ()
        self._ran = self._shown = 0
        self._dragging = False
        self._top = 1.0
        self.mpl_connect("button_press_event", self._on_pressed)
        self.mpl_connect("motion_notify_event", self._on_moved)
        self.mpl_connect("button_release_event", self._on_released)
        self.setToolTip("Drag the dashed line to another threshold; click a step to see its mask.")
        self.redraw()

    def show_loop(self, inspection: Inspection | None, policy: Refinement, shown: int = 0) -> None:
        """Draw a loop under a policy, or an empty plot.

        Parameters
        ----------
        inspection : Inspection or None
            The loop.
        policy : Refinement
            Its steps and its threshold.
        shown : int
            Step whose mask is on the picture.
        """
        self._changes, self._limits, self._ran, self._shown = (), (), 0, shown
        if inspection is not None:
            self._changes = inspection.changes
            steps = range(1, inspection.steps + 1)
            self._limits = tuple(inspection.limit(policy, step) for step in steps)
            self._ran = inspection.stop(policy).steps
        self.redraw()

    def draw_on(self) -> None:
        """Bars for the steps, a dashed line for the threshold."""
        axes, changes = self.axes, self._changes
        axes.set_yscale("symlog", linthresh=1)
        axes.set(xlabel="refinement step", ylabel="changed pixels")
        if not changes:
            axes.set(xlim=(0.4, 4.6), ylim=(0, 100))
            return
        steps = range(1, len(changes) + 1)
        axes.bar(steps, changes, color=[self._colour(step) for step in steps], width=0.62)
        for step, changed in zip(steps, changes, strict=True):
            axes.annotate(
                str(changed),
                (step, changed),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                fontweight="bold" if step == self._shown else "normal",
                color=self.colours.text,
                bbox={"facecolor": self.colours.background, "alpha": 0.7, "pad": 0.5, "lw": 0},
                zorder=5,
            )
        if not self._dragging:  # a scale that follows the line would run from under the mouse
            self._top = 3 * max([*changes, *(limit or 0 for limit in self._limits), 1])
        axes.set(xlim=(0.4, len(changes) + 0.6), ylim=(0, self._top), xticks=list(steps))
        self._draw_threshold()

    def _draw_threshold(self) -> None:
        known = [limit for limit in self._limits if limit is not None]
        if known:
            edges = np.arange(len(known) + 1) + 0.5
            self.axes.stairs(known, edges, baseline=None, color=ORANGE, linestyle="--", linewidth=2)

    def _colour(self, step: int) -> str:
        if step > self._ran:
            return self.colours.faint
        limit = self._limits[step - 1]
        settled = limit is not None and self._changes[step - 1] < limit
        return GREEN if settled else BLUE

    def _on_pressed(self, event: Any) -> None:
        if event.inaxes is not self.axes or event.button != 1 or not self._changes:
            return
        step = self._step_at(event.xdata)
        limit = self._limits[step - 1]
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
        return int(np.clip(round(place), 1, len(self._changes)))

    def _height(self, pixels: float) -> float:
        return float(self.axes.transData.transform((1, pixels))[1])


class FrontPlot(ThemedCanvas):
    """Clicks against passes of every policy; `policy_chosen` is emitted with a clicked index."""

    policy_chosen = Signal(int)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer, height=270)
        self.show_front(NO_SCORES)
        self.mpl_connect("button_press_event", self._on_pressed)
        self.setToolTip("Lower left is better. Click a point to choose its setting.")

    def show_front(
        self, scores: PolicyScores, chosen: int = 0, goal: str = "clicks per object"
    ) -> None:
        """Draw other scores.

        Parameters
        ----------
        scores : PolicyScores
            The scores.
        chosen : int
            Index of the policy that is marked.
        goal : str
            Label of the clicks.
        """
        self._scores, self._chosen, self._goal = scores, chosen, goal
        self.redraw()

    def draw_on(self) -> None:
        """All policies, the Pareto front, and the current, recommended and chosen policy."""
        axes, scores = self.axes, self._scores
        axes.set(xlabel="passes per object", ylabel=self._goal)
        if not scores.passes:
            axes.set(xlim=(0, 40), ylim=(0, 10))
            return
        axes.scatter(scores.passes, scores.clicks, s=9, color=self.colours.faint, label="tried")
        edge = [self._at(index) for index in scores.front]
        axes.step(*zip(*edge, strict=True), where="post", marker=".", color=BLUE, label="best")
        self._mark(scores.current, "s", ORANGE, "today")
        self._mark(scores.recommended, "*", GREEN, "recommended")
        text = self.colours.text
        axes.plot(*self._at(self._chosen), "o", markersize=16, fillstyle="none", color=text)
        # Above the axes, where there are no points.
        add_legend(axes, self.colours, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)

    def _at(self, index: int) -> tuple[float, float]:
        return self._scores.passes[index], self._scores.clicks[index]

    def _mark(self, index: int, marker: str, colour: str, label: str) -> None:
        at = self._at(index)
        self.axes.plot(*at, marker, markersize=9, color=colour, label=label, linestyle="none")

    def _on_pressed(self, event: Any) -> None:
        scores = self._scores
        if event.inaxes is not self.axes or not scores.passes:
            return
        places = np.column_stack([scores.passes, scores.clicks])
        drawn = self.axes.transData.transform(places)
        distances = np.hypot(*(drawn - (event.x, event.y)).T)
        # Policies often coincide; those of the front and the marked ones come first then.
        for index in (*scores.front, scores.recommended, scores.current):
            distances[index] -= 0.5
        if distances.min() <= GRASP:
            self.policy_chosen.emit(int(distances.argmin()))
