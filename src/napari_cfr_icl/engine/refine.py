"""Cascade-Forward Refinement: the network's own mask goes back in, with no new click (Eq. 4 and 5).

One loop serves standard inference, CFR-n and A-CFR-n. It is independent of networks and windows:
any function from one mask to the next can be refined.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_cfr_icl.engine.windows import Patch, Window, enclosing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_cfr_icl.engine.clicks import Click, Clicks
    from napari_cfr_icl.engine.settings import Refinement

StopReason = Literal["running", "limit", "converged", "refused"]
"""Reason for the end of an inner loop: all steps done, few changed pixels, or a refused step."""


@dataclass(frozen=True, slots=True)
class StepTrace:
    """Record of one pass of the inner loop.

    Parameters
    ----------
    index : int
        0 for the first pass after the click, then 1 to n.
    window : Window
        Where the pass gave probabilities.
    changed_pixels : int or None
        Pixels whose binary value differs from the step before; None for the first pass.
    threshold_pixels : int or None
        A-CFR's threshold at this step; None where the loop is not adaptive or has not begun.
    seconds : float
        Duration of the pass.
    """

    index: int
    window: Window
    changed_pixels: int | None
    threshold_pixels: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """The mask after one pass, with its record and the state of the loop."""

    probabilities: Patch
    trace: StepTrace
    stopped: StopReason


def refine(
    once: Callable[[Patch | None], Patch],
    previous: Patch | None,
    clicks: Clicks,
    refinement: Refinement,
    mask_threshold: float,
) -> Iterator[Step]:
    """Run the inner loop of one click, yielding each step as it finishes.

    Parameters
    ----------
    once : callable
        One pass: takes the mask to feed back (probabilities, or None for none), returns the next.
    previous : Patch or None
        The last mask of the previous click, Y_n^{t-1} of Eq. 4.
    clicks : Clicks
        All clicks of the object; their number decides whether this one is refined.
    refinement : Refinement
        Steps and when to stop.
    mask_threshold : float
        Probability above which a pixel belongs to the object.

    Yields
    ------
    Step
        `stopped` is "running" in all but the last. Stop iterating to interrupt the loop.
    """
    last, seconds = _timed(once, previous)
    steps = steps_for(refinement, len(clicks))
    trace = StepTrace(0, last.window, None, None, seconds)
    yield Step(last, trace, "running" if steps else "limit")
    for index in range(1, steps + 1):
        newer, seconds = _timed(once, last)
        changed = changed_pixels(last, newer, mask_threshold)
        threshold = stop_threshold(refinement, newer, mask_threshold)
        trace = StepTrace(index, newer.window, changed, threshold, seconds)
        if refinement.guard and contradicts(newer, last, clicks, mask_threshold):
            yield Step(last, trace, "refused")
            return
        last = newer
        if has_converged(refinement, changed, threshold):
            yield Step(last, trace, "converged")
            return
        yield Step(last, trace, "limit" if index == steps else "running")


def changed_pixels(older: Patch, newer: Patch, mask_threshold: float) -> int:
    """Number of pixels, in image resolution, whose binary value differs between two masks."""
    if older.window == newer.window:
        a, b = older.values, newer.values
    else:
        both = enclosing([older.window, newer.window])
        a, b = older.read(both), newer.read(both)
    return int(np.count_nonzero((a > mask_threshold) != (b > mask_threshold)))


def steps_for(refinement: Refinement, number_of_clicks: int) -> int:
    """Steps after the first pass for the newest of so many clicks, where none stops the loop."""
    limit = refinement.first_clicks
    return refinement.steps if limit is None or number_of_clicks <= limit else 0


def has_converged(refinement: Refinement, changed: int | None, threshold: int | None) -> bool:
    """True if so few changed pixels end an adaptive loop; see `stop_threshold`."""
    if changed is None or threshold is None:
        return False
    return changed < threshold or (refinement.inclusive and changed == threshold)


def stop_threshold(refinement: Refinement, mask: Patch, mask_threshold: float) -> int | None:
    """A-CFR's threshold in pixels for this mask: absolute, or a share of the object's area."""
    if not refinement.adaptive:
        return None
    if refinement.threshold_fraction == 0:
        return refinement.threshold_pixels
    area = int(np.count_nonzero(mask.values > mask_threshold))
    return max(refinement.threshold_pixels, round(refinement.threshold_fraction * area))


def contradicts(newer: Patch, older: Patch, clicks: Clicks, mask_threshold: float) -> bool:
    """True if a step contradicts a click that the step before satisfied."""
    return any(
        _agrees(older, click, mask_threshold) and not _agrees(newer, click, mask_threshold)
        for click in clicks
    )


def _agrees(mask: Patch, click: Click, mask_threshold: float) -> bool:
    return bool(mask.at(click.row, click.col) > mask_threshold) == click.positive


def _timed(once: Callable[[Patch | None], Patch], mask: Patch | None) -> tuple[Patch, float]:
    start = time.perf_counter()
    result = once(mask)
    return result, time.perf_counter() - start
