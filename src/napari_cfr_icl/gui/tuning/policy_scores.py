"""Clicks and passes that each refinement policy needs, as a search reports them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.evaluation.protocol.metrics import FEWEST
from napari_cfr_icl.evaluation.tuning.policies import describe


@dataclass(frozen=True, slots=True)
class PolicyScores:
    """Mean clicks and passes of every policy so far.

    Parameters
    ----------
    policies : tuple of Refinement
        The policies that are tried.
    current : int
        Index of the current policy.
    clicks, passes : tuple of float
        Means per object, one per policy; empty before the first object is done.
    front : tuple of int
        Indices of the Pareto-optimal policies, fewest passes first.
    recommended : int
        Index of the recommended policy.
    objects : int
        Number of objects clicked.
    failed : tuple of int
        Objects that never reached the goal, one number per policy.
    """

    policies: tuple[Refinement, ...]
    current: int
    clicks: tuple[float, ...] = ()
    passes: tuple[float, ...] = ()
    front: tuple[int, ...] = ()
    recommended: int = 0
    objects: int = 0
    failed: tuple[int, ...] = ()

    @classmethod
    def at_start(cls, line: Mapping[str, Any]) -> PolicyScores:
        """The scores of the first line of a search: none."""
        policies = tuple(Refinement(**policy) for policy in line["policies"])
        return cls(policies, line["current"])

    def after(self, line: Mapping[str, Any]) -> PolicyScores:
        """The scores of a later line."""
        return PolicyScores(
            self.policies,
            self.current,
            tuple(line["clicks"]),
            tuple(line["passes"]),
            tuple(line["front"]),
            line["recommended"],
            line["objects"],
            tuple(line["failed"]),
        )

    def words(self, index: int) -> str:
        """One policy in a line."""
        needs = f"{self.clicks[index]:.2f} clicks, {self.passes[index]:.1f} passes for an object"
        missed = self.failed[index]
        short = f" ({missed} of {self.objects} objects never got there)" if missed else ""
        return f"{describe(self.policies[index])}: {needs}{short}"


NO_SCORES = PolicyScores((), 0)


def read_result(folder: Path, objects: int) -> tuple[PolicyScores, str]:
    """Final scores of a search, and the recommended policy's results on held-out objects.

    Parameters
    ----------
    folder : Path
        Folder of the search's results.
    objects : int
        Number of objects clicked.

    Returns
    -------
    tuple of (PolicyScores, str)
        The scores, and a sentence on the held-out objects.

    Raises
    ------
    OutputError
        When the result cannot be read.
    """
    try:
        found = json.loads((folder / "tune.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"The result in {folder} cannot be read: {error}") from error
    rows = found["standings"]
    scores = PolicyScores(
        tuple(Refinement(**row["policy"]) for row in rows),
        found["current"],
        tuple(row["clicks"] for row in rows),
        tuple(row["passes"] for row in rows),
        tuple(found["front"]),
        found["recommended"],
        objects,
        tuple(row["failed"] for row in rows),
    )
    checks = [_check(item) for item in found["held_out_current"]]
    if not checks or found["recommended"] == found["current"]:
        return scores, "Today's setting is the recommended one."
    return scores, f"Held-out half, against today's: {'; '.join(checks)}."


def _check(item: Mapping[str, Any]) -> str:
    """A comparison in words: without intervals where too little was held out to judge."""
    names = {"clicks": "clicks", "passes": "passes", "first_iou": "IoU after one click"}
    pictures, objects = item["clicks"]["groups"], item["clicks"]["count"]
    shown = _signed if pictures >= FEWEST else lambda interval: f"{interval['mean']:+.2f}"
    numbers = ", ".join(f"{shown(item[key])} {name}" for key, name in names.items())
    if pictures >= FEWEST:
        return f"on {item['dataset']} {numbers}"
    counted = f"{objects} object{'' if objects == 1 else 's'}"
    counted += f" of {pictures} picture{'' if pictures == 1 else 's'}"
    return f"on {item['dataset']} {numbers}: too few to judge ({counted})"


def _signed(interval: Mapping[str, float]) -> str:
    return f"{interval['mean']:+.2f} ({interval['low']:+.2f} to {interval['high']:+.2f})"
