"""Scores of every policy on every object, and the objective that they are weighed by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.evaluation.protocol.metrics import failed, iou_at, noc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective of a search.

    Parameters
    ----------
    threshold : float
        IoU to reach.
    max_clicks : int
        Counted where it never is reached.
    click_worth : float
        So many passes are a fair price for one click less: a second or two against tens of
        milliseconds each.
    seed : int
        Seed of the split and of the intervals.
    """

    threshold: float = 0.9
    max_clicks: int = 20
    click_worth: float = 20.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Numbers of every object under every policy, each of shape (policies, objects).

    Parameters
    ----------
    clicks : ndarray of float
        Clicks needed for the objective's IoU.
    passes : ndarray of float
        Passes through the network until the object was done.
    first_iou : ndarray of float
        IoU after one click.
    failed : ndarray of bool
        True where the objective's IoU was never reached.
    datasets, pictures : tuple of str
        Where each object is from; pictures with their data set's name.
    """

    clicks: NDArray[np.float64]
    passes: NDArray[np.float64]
    first_iou: NDArray[np.float64]
    failed: NDArray[np.bool_]
    datasets: tuple[str, ...]
    pictures: tuple[str, ...]

    @classmethod
    def of(cls, records: Sequence[SearchRecord], objective: Objective) -> Scores:
        """The scores of these objects. `records`: at least one."""
        trials = [record.trials for record in records]
        limit = objective.max_clicks
        counts = [[noc(t.ious, objective.threshold, limit) for t in item] for item in trials]
        missed = [[failed(t.ious, objective.threshold, limit) for t in item] for item in trials]
        return cls(
            np.array(counts, float).T,
            np.array([[sum(t.passes) for t in item] for item in trials], float).T,
            np.array([[iou_at(t.ious, 1) for t in item] for item in trials], float).T,
            np.array(missed).T,
            tuple(record.subject.dataset for record in records),
            tuple(f"{item.subject.dataset}/{item.subject.picture}" for item in records),
        )

    def take(self, objects: Sequence[int]) -> Scores:
        """The scores of some of the objects, by their places."""
        columns = list(objects)
        return Scores(
            self.clicks[:, columns],
            self.passes[:, columns],
            self.first_iou[:, columns],
            self.failed[:, columns],
            tuple(self.datasets[i] for i in columns),
            tuple(self.pictures[i] for i in columns),
        )


def balanced_means(values: NDArray[np.float64], datasets: Sequence[str]) -> NDArray[np.float64]:
    """Mean over data sets of their means. `values`: (policies, objects); returns (policies,)."""
    names = np.array(datasets)
    means = [values[:, names == name].mean(axis=1) for name in dict.fromkeys(datasets)]
    return np.asarray(np.mean(means, axis=0))
