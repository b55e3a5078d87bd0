"""Metrics: IoU, number of clicks to a good mask (NoC@t), and intervals for every mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

PAPER_THRESHOLDS = (0.80, 0.85, 0.90, 0.95)
_RESAMPLES = 2000
_LEVEL = 0.95
# resampled at once: bounds the memory of a bootstrap over many objects
_DRAWS_AT_ONCE = 1_000_000


def iou(truth: NDArray[np.int8], mask: NDArray[np.bool_]) -> np.float32:
    """Intersection over union of a mask with the truth, ignored pixels left out.

    Parameters
    ----------
    truth : ndarray of int8, shape (rows, columns)
        1 object, 0 background, -1 ignored.
    mask : ndarray of bool, shape (rows, columns)
        The mask.

    Returns
    -------
    float32
        From 0 to 1; nan when both are empty.
    """
    wanted = truth == 1
    union = int(np.count_nonzero((wanted | mask) & (truth != -1)))
    if union == 0:
        return np.float32(np.nan)
    return np.float32(np.count_nonzero(wanted & mask) / union)


def noc(ious: ArrayLike, threshold: float, max_clicks: int) -> int:
    """Clicks needed to reach an IoU: 1 for the first; `max_clicks` when it never was reached.

    Both sides are compared as float32: an IoU of 19/20 passes 0.95.

    Parameters
    ----------
    ious : array_like, shape (clicks,)
        IoU after each click.
    threshold : float
        The IoU wanted, 0 to 1.
    max_clicks : int
        Counted where it never was reached.
    """
    passed = np.flatnonzero(_reached(ious, threshold)[:max_clicks])
    return int(passed[0]) + 1 if passed.size else max_clicks


def failed(ious: ArrayLike, threshold: float, max_clicks: int) -> bool:
    """True where the IoU was not reached within `max_clicks` clicks."""
    return not bool(_reached(ious, threshold)[:max_clicks].any())


def at_limit(ious: ArrayLike, threshold: float, max_clicks: int) -> bool:
    """True where all `max_clicks` were used, success at the last included: ">=20@t"."""
    return noc(ious, threshold, max_clicks) == max_clicks


def iou_at(ious: ArrayLike, click: int) -> float:
    """IoU after `click` clicks (1 for the first).

    A run that was stopped because the mask was good enough keeps its last IoU.
    """
    values = np.asarray(ious, dtype=np.float32)
    return float(values[min(click, values.size) - 1])


def iou_curve(ious: ArrayLike, max_clicks: int) -> NDArray[np.float32]:
    """IoU after 1 to `max_clicks` clicks, the last one kept. Returns shape (max_clicks,)."""
    values = np.asarray(ious, dtype=np.float32)[:max_clicks]
    return np.pad(values, (0, max_clicks - values.size), mode="edge")


FEWEST = 4
"""Images below which an interval tells nothing: of one image it has no width at all."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the interval that resampling gives it.

    Parameters
    ----------
    mean, low, high : float
        The mean and the ends of the interval.
    count : int
        Number of values.
    groups : int
        Number of images that they are of: what was resampled.
    """

    mean: float
    low: float
    high: float
    count: int
    groups: int

    @property
    def is_sound(self) -> bool:
        """True where enough was resampled to judge by; the interval of few is too narrow."""
        return self.groups >= FEWEST

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def signed(self) -> str:
        """As text with signs, for differences."""
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def bootstrap_mean(
    values: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    resamples: int = _RESAMPLES,
) -> Interval:
    """A mean and its bootstrap percentile interval.

    Parameters
    ----------
    values : array_like, shape (n,)
        The values; nan counts as missing.
    groups : sequence, optional
        The image of each value: whole images are drawn, since objects of one image are alike.
    seed : int, optional
        Seed of the resampling.
    resamples : int, optional
        Number of resamples.

    Returns
    -------
    Interval
        All nan when there are no values.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    present = ~np.isnan(flat)
    if not present.any():
        return Interval(np.nan, np.nan, np.nan, 0, 0)
    sums, counts = _group_totals(flat, present, groups)
    means = _resampled_means(sums, counts, seed, resamples)
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    mean, count = float(flat[present].mean()), int(present.sum())
    return Interval(mean, float(low), float(high), count, sums.size)


def paired_difference(
    first: ArrayLike, second: ArrayLike, groups: Sequence[Hashable] | None = None, *, seed: int = 0
) -> Interval:
    """The mean of `second - first`, object by object, and its bootstrap interval.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Values of the same objects in the same order; a nan in either leaves the object out.
    groups : sequence, optional
        The image of each object, see `bootstrap_mean`.
    seed : int, optional
        Seed of the resampling.
    """
    before = np.asarray(first, dtype=np.float64)
    after = np.asarray(second, dtype=np.float64)
    if before.shape != after.shape:
        raise ValueError(f"{before.shape} and {after.shape} values are not of the same objects")
    return bootstrap_mean(after - before, groups, seed=seed)


def _reached(ious: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    return np.asarray(ious, dtype=np.float32) >= np.float32(threshold)


def _group_totals(
    values: NDArray[np.float64], present: NDArray[np.bool_], groups: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and number of the present values of each group that has any."""
    if groups is None:
        return values[present], np.ones(int(present.sum()))
    numbers: dict[Hashable, int] = {}
    kept = [
        numbers.setdefault(group, len(numbers))
        for group, is_present in zip(groups, present.tolist(), strict=True)
        if is_present
    ]
    sums: NDArray[np.float64] = np.bincount(kept, weights=values[present]).astype(np.float64)
    return sums, np.bincount(kept).astype(np.float64)


def _resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int, resamples: int
) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // sums.size)
    means = []
    for start in range(0, resamples, at_once):
        drawn = rng.integers(sums.size, size=(min(at_once, resamples - start), sums.size))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)
