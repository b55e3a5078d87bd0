"""Numbers of a run: for every data set and method the means of the field, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.evaluation.protocol.metrics import (
    Interval,
    at_limit,
    bootstrap_mean,
    failed,
    iou_at,
    iou_curve,
    noc,
    paired_difference,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from napari_cfr_icl.evaluation.protocol.options import Protocol
    from napari_cfr_icl.evaluation.protocol.records import Method, Record

IOU_CLICKS = (1, 3, 5)
"""Clicks after which the IoU is reported."""

SIZE_CLASSES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, None)}
"""Areas in pixels from, and up to but without, as COCO classes them."""


@dataclass(frozen=True, slots=True)
class Result:
    """One method on one data set, or on the objects of one size class.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    method : Method
        The method.
    objects, pictures : int
        Number of each.
    noc : dict of float to Interval
        Threshold -> clicks needed (NoC), `max_clicks` where it never was reached.
    failures : dict of float to Interval
        Threshold -> share of the objects that never reached it.
    at_limit : dict of float to int
        Threshold -> objects that took all clicks, successful at the last one or not.
    iou : dict of int to Interval
        Number of clicks -> IoU after them.
    curve : tuple of float
        Mean IoU after each click.
    passes : Interval
        Passes through the network for each click.
    passes_per_object : Interval
        Passes through the network until the object was done.
    arithmetic : tuple of str
        In what the network computed; several where machines or resumed runs differed.
    """

    dataset: str
    method: Method
    objects: int
    pictures: int
    noc: dict[float, Interval]
    failures: dict[float, Interval]
    at_limit: dict[float, int]
    iou: dict[int, Interval]
    curve: tuple[float, ...]
    passes: Interval
    passes_per_object: Interval
    arithmetic: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one method on one data set.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    method : Method
        The method.
    seconds_per_click : Interval
        Duration of a prediction.
    seconds_per_pass : Interval
        The same, for each pass through the network.
    user_seconds_per_click : Interval
        Time that finding a click took.
    """

    dataset: str
    method: Method
    seconds_per_click: Interval
    seconds_per_pass: Interval
    user_seconds_per_click: Interval


def result_of(records: Sequence[Record], protocol: Protocol) -> Result:
    """The result of one method on one data set. `records`: at least one, all of both."""
    limit, seed, thresholds = protocol.max_clicks, protocol.seed, protocol.thresholds
    every = [record.ious for record in records]
    counts = {t: [noc(ious, t, limit) for ious in every] for t in thresholds}
    failures = {t: [failed(ious, t, limit) for ious in every] for t in thresholds}
    reached = {k: [iou_at(ious, k) for ious in every] for k in IOU_CLICKS if k <= limit}
    curves = np.array([iou_curve(ious, limit) for ious in every])
    return Result(
        records[0].subject.dataset,
        records[0].method,
        objects=len(records),
        pictures=len({record.subject.picture for record in records}),
        noc={t: _mean(records, values, seed) for t, values in counts.items()},
        failures={t: _mean(records, values, seed) for t, values in failures.items()},
        at_limit={t: sum(at_limit(ious, t, limit) for ious in every) for t in thresholds},
        iou={k: _mean(records, values, seed) for k, values in reached.items()},
        curve=tuple(curves.mean(axis=0, dtype=np.float64).tolist()),
        passes=_mean(records, [np.mean(record.passes) for record in records], seed),
        passes_per_object=_mean(records, [sum(record.passes) for record in records], seed),
        arithmetic=tuple(sorted({record.arithmetic for record in records})),
    )


def timing_of(records: Sequence[Record], seed: int) -> Timing:
    """The timing of one method on one data set. `records`: at least one, all of both."""
    clicks = [np.mean(record.seconds) for record in records]
    passes = [sum(record.seconds) / sum(record.passes) for record in records]
    users = [np.mean(record.user_seconds) for record in records]
    return Timing(
        records[0].subject.dataset,
        records[0].method,
        seconds_per_click=_mean(records, clicks, seed),
        seconds_per_pass=_mean(records, passes, seed),
        user_seconds_per_click=_mean(records, users, seed),
    )


def gains(
    base: Sequence[Record], other: Sequence[Record], protocol: Protocol
) -> dict[str, Interval]:
    """Mean differences of `other` to `base` on the same objects.

    Negative is better for NoC, positive for IoU.
    """
    limit, seed = protocol.max_clicks, protocol.seed
    images = [record.subject.picture for record in base]
    before, after = [item.ious for item in base], [item.ious for item in other]
    pairs: dict[str, tuple[list[float], list[float]]] = {}
    for t in protocol.thresholds:
        pairs[f"NoC@{percent(t)}"] = (
            [noc(ious, t, limit) for ious in before],
            [noc(ious, t, limit) for ious in after],
        )
    for k in (k for k in IOU_CLICKS if k <= limit):
        pairs[f"IoU@{k}"] = (
            [iou_at(ious, k) for ious in before],
            [iou_at(ious, k) for ious in after],
        )
    return {
        name: paired_difference(first, second, images, seed=seed)
        for name, (first, second) in pairs.items()
    }


def _mean(records: Sequence[Record], values: ArrayLike, seed: int) -> Interval:
    """A mean over records; whole pictures are resampled."""
    return bootstrap_mean(values, [record.subject.picture for record in records], seed=seed)


def by_size(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each of the `SIZE_CLASSES` that has any."""
    groups = {
        name: [item for item in records if low <= item.subject.area < (high or np.inf)]
        for name, (low, high) in SIZE_CLASSES.items()
    }
    return {name: group for name, group in groups.items() if group}


def percent(threshold: float) -> str:
    """An IoU as tables write it: 0.9 -> 90, 0.925 -> 92.5."""
    return f"{threshold * 100:g}"
