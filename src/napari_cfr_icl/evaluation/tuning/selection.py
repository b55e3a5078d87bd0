"""Choice of a policy: the Pareto front, a recommendation, and a check on held-out data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.evaluation.protocol.metrics import Interval, bootstrap_mean, paired_difference
from napari_cfr_icl.evaluation.protocol.work_list import drawn
from napari_cfr_icl.evaluation.tuning.scores import Objective, Scores, balanced_means
from napari_cfr_icl.evaluation.tuning.search_records import Savings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.settings import Refinement
    from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord

NO_REFINEMENT = 0
"""Place of standard inference among the policies."""


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """Differences of a policy to another one on the same objects; negative is less.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    clicks, passes, first_iou : Interval
        Mean differences: clicks needed, passes per object, IoU after one click.
    """

    dataset: str
    clicks: Interval
    passes: Interval
    first_iou: Interval


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """One policy on all objects.

    Parameters
    ----------
    policy : Refinement
        The policy.
    clicks, passes : float
        Clicks needed and passes through the network for each object; mean over data sets of their
        means.
    failed : int
        Objects that never reached the IoU: each counts as the most clicks.
    """

    policy: Refinement
    clicks: float
    passes: float
    failed: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The result of a search.

    Parameters
    ----------
    objective : Objective
        The objective that it minimises.
    standings : tuple of PolicySummary
        Every policy: no refinement first, today's second where it is another.
    front : tuple of int
        Places of the efficient ones, fewest passes first.
    recommended : int
        Place of the recommended one, chosen on one half of the data.
    current : int
        Place of today's.
    clicks, passes : Interval
        Of the recommended one, over all objects.
    held_out : tuple of PolicyComparison
        Recommended against no refinement, on the other half.
    held_out_current : tuple of PolicyComparison
        Recommended against today's, on the other half.
    savings : Savings
        Passes saved by replaying.
    """

    objective: Objective
    standings: tuple[PolicySummary, ...]
    front: tuple[int, ...]
    recommended: int
    current: int
    clicks: Interval
    passes: Interval
    held_out: tuple[PolicyComparison, ...]
    held_out_current: tuple[PolicyComparison, ...]
    savings: Savings


def select(
    records: Sequence[SearchRecord],
    policies: Sequence[Refinement],
    current: Refinement,
    objective: Objective,
) -> Selection:
    """Choose on one half of the objects, check on the other.

    Parameters
    ----------
    records : sequence of SearchRecord
        At least one.
    policies : sequence of Refinement
        In the order of the trials.
    current : Refinement
        Today's policy, one of them.
    objective : Objective
        The objective to minimise.
    """
    scores = Scores.of(records, objective)
    chosen_by, held_out = (scores.take(places) for places in halves(scores, objective.seed))
    best, today = recommended(chosen_by, objective), list(policies).index(current)
    clicks = balanced_means(scores.clicks, scores.datasets).tolist()
    passes = balanced_means(scores.passes, scores.datasets).tolist()
    failed = scores.failed.sum(axis=1).tolist()
    return Selection(
        objective,
        tuple(PolicySummary(*row) for row in zip(policies, clicks, passes, failed, strict=True)),
        tuple(front(scores)),
        best,
        today,
        bootstrap_mean(scores.clicks[best], scores.pictures, seed=objective.seed),
        bootstrap_mean(scores.passes[best], scores.pictures, seed=objective.seed),
        tuple(compared(held_out, best, NO_REFINEMENT, objective)),
        tuple(compared(held_out, best, today, objective)),
        Savings.of(records),
    )


def costs(scores: Scores, objective: Objective) -> NDArray[np.float64]:
    """Clicks plus passes in terms of clicks, for each policy."""
    clicks = balanced_means(scores.clicks, scores.datasets)
    return clicks + balanced_means(scores.passes, scores.datasets) / objective.click_worth


def front(scores: Scores) -> list[int]:
    """The efficient policies, fewest passes first: no other needs less of both."""
    clicks = balanced_means(scores.clicks, scores.datasets)
    passes = balanced_means(scores.passes, scores.datasets)
    best, chosen = np.inf, []
    for policy in np.lexsort((clicks, passes)).tolist():
        if clicks[policy] < best:
            best = clicks[policy]
            chosen.append(policy)
    return chosen


def recommended(scores: Scores, objective: Objective) -> int:
    """The cheapest policy that is on no data set clearly worse than no refinement."""
    for policy in np.argsort(costs(scores, objective), kind="stable").tolist():
        if all(
            change.clicks.low <= 0 for change in compared(scores, policy, NO_REFINEMENT, objective)
        ):
            return int(policy)
    return NO_REFINEMENT


def compared(
    scores: Scores, policy: int, base: int, objective: Objective
) -> list[PolicyComparison]:
    """The differences of `policy` to `base`, for each data set."""
    found = []
    for name in dict.fromkeys(scores.datasets):
        mine = scores.take([i for i, other in enumerate(scores.datasets) if other == name])
        clicks, passes, first_iou = (
            paired_difference(values[base], values[policy], mine.pictures, seed=objective.seed)
            for values in (mine.clicks, mine.passes, mine.first_iou)
        )
        found.append(PolicyComparison(name, clicks, passes, first_iou))
    return found


def halves(scores: Scores, seed: int) -> tuple[list[int], list[int]]:
    """Places of the objects to choose by, and of those to check on.

    Whole pictures go to one side; where a data set has a single picture, its objects are split.
    """
    chosen: set[int] = set()
    for name in dict.fromkeys(scores.datasets):
        places = [i for i, other in enumerate(scores.datasets) if other == name]
        units: dict[object, list[int]] = {}
        for place in places:
            units.setdefault(scores.pictures[place], []).append(place)
        if len(units) == 1:
            units = {place: [place] for place in places}
        groups = list(units.values())
        for number in drawn(len(groups), -(-len(groups) // 2), f"{seed}:{name}"):
            chosen.update(groups[number])
    everything = range(len(scores.datasets))
    return sorted(chosen), [place for place in everything if place not in chosen]
