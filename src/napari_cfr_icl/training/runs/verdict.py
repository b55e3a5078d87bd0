"""The verdict on a tuned network: its clicks on held-out objects against those of the base.

A tuned network passes when it is not worse: over all objects the clicks to the deciding IoU do not
rise on average, and in no collection, at no IoU, do they rise beyond doubt.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl._files import atomic_write_json
from napari_cfr_icl.evaluation.protocol.metrics import Interval, paired_difference
from napari_cfr_icl.training.runs.held_out import (
    THRESHOLDS,
    HeldOut,
    by_picture,
    clicks_to,
    curves_of,
    failures,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cfr_icl.evaluation.protocol.simulate import Simulation
    from napari_cfr_icl.training.options import ValidationOptions

ALL = "all"
_FEW = 20  # objects: fewer unused ones than that are no basis, so the used ones are taken too


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Clicks of both networks to one IoU, on the same objects.

    Attributes
    ----------
    collection : str
        Its name, or "all".
    threshold : float
        The IoU.
    base, tuned : float
        Mean clicks; an object that never got there counts as the most.
    base_failed, tuned_failed : int
        Objects that never got there.
    difference : Interval
        Of tuned - base, object by object, pictures resampled as a whole; below 0 is better.
    """

    collection: str
    threshold: float
    base: float
    tuned: float
    base_failed: int
    tuned_failed: int
    difference: Interval


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision.

    Attributes
    ----------
    passed : bool
        True where the tuned network may enter the model menu.
    better : bool
        True where it is better beyond doubt, at the deciding IoU over all objects.
    sentence : str
        For people.
    fresh : bool
        True where the objects had no part in choosing the best weights of the run.
    comparisons : tuple of ModelComparison
    """

    passed: bool
    better: bool
    sentence: str
    fresh: bool
    comparisons: tuple[ModelComparison, ...]

    def save(self, path: Path) -> None:
        """Write it as JSON, complete or not at all: publishing a model depends on it."""
        atomic_write_json(path, asdict(self))


@dataclass(frozen=True, slots=True, eq=False)
class GateTrial:
    """Both networks' clicks on the same objects."""

    objects: Sequence[HeldOut]
    base: Sequence[Sequence[Simulation]]
    tuned: Sequence[Sequence[Simulation]]


def choose_objects(
    ranked: Sequence[HeldOut], options: ValidationOptions
) -> tuple[list[HeldOut], bool]:
    """The objects of the gate, and whether none of them chose the best weights of the run."""
    unused = ranked[options.objects :] if options.every else ranked
    fresh = len(unused) >= min(_FEW, options.gate_objects)
    chosen = unused if fresh else ranked
    return by_picture(chosen[: options.gate_objects]), fresh


def compare(trial: GateTrial, max_clicks: int) -> tuple[ModelComparison, ...]:
    """Clicks to each IoU, over all objects and in each collection."""
    names = list(dict.fromkeys(item.collection for item in trial.objects))
    comparisons = []
    for name in (ALL, *(names if len(names) > 1 else ())):
        rows = [i for i, item in enumerate(trial.objects) if name in (ALL, item.collection)]
        pictures = [trial.objects[i].picture for i in rows]
        curves = [curves_of([clicked[i] for i in rows]) for clicked in (trial.base, trial.tuned)]
        for threshold in THRESHOLDS:
            base, tuned = (clicks_to(curve, threshold, max_clicks) for curve in curves)
            difference = paired_difference(base, tuned, pictures)
            means = float(base.mean()), float(tuned.mean())
            before, after = (failures(curve, threshold, max_clicks) for curve in curves)
            comparisons.append(ModelComparison(name, threshold, *means, before, after, difference))
    return tuple(comparisons)


def decide(comparisons: Sequence[ModelComparison], target: float, fresh: bool) -> Verdict:
    """Pass what is not worse.

    Parameters
    ----------
    comparisons : sequence of ModelComparison
        From `compare`.
    target : float
        The deciding IoU; the nearest that was compared counts.
    fresh : bool
        See `Verdict`.
    """
    overall = [item for item in comparisons if item.collection == ALL]
    deciding = min(overall, key=lambda item: abs(item.threshold - target))
    worse = [item for item in comparisons if item.difference.low > 0]
    few = not deciding.difference.is_sound
    better = deciding.difference.high < 0 and not few
    size = f"{_counted(deciding.difference.count, 'object')}"
    size += f" of {_counted(deciding.difference.groups, 'picture')}"
    change = (
        f"{deciding.base:.2f} -> {deciding.tuned:.2f} clicks to IoU {deciding.threshold:.0%}, "
        f"difference {deciding.difference}, {size}"
    )
    passed = not worse and deciding.difference.mean <= 0
    if few:
        found = f"Too few held-out pictures to judge; on these {'not ' if passed else ''}worse "
        found += "than the base"
    elif worse:
        where = ", ".join(f"{item.collection} at {item.threshold:.0%}" for item in worse)
        found = f"Worse than the base ({where})"
    elif not passed:
        found = "No better than the base"
    else:
        found = "Better than the base" if better else "Not worse than the base"
    enters = "it may enter" if passed else "it stays out of"
    sentence = f"{found}: {enters} the model menu. {change}."
    return Verdict(passed, better and passed, sentence, fresh, tuple(comparisons))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
