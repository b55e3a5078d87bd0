"""Records of a search: one object under all policies, as a line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.evaluation.protocol.records import Subject
from napari_cfr_icl.evaluation.tuning.replay import PolicyTrial, Replay

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """One object under all policies.

    Parameters
    ----------
    subject : Subject
        The object.
    replay : Replay
        Its clicks and passes.
    """

    subject: Subject
    replay: Replay

    @property
    def trials(self) -> tuple[PolicyTrial, ...]:
        """One trial for each policy, in their order."""
        return self.replay.trials

    def to_line(self) -> str:
        """The record as one line of JSON; policies that went alike share an entry."""
        alike: dict[PolicyTrial, list[int]] = {}
        for policy, trial in enumerate(self.trials):
            alike.setdefault(trial, []).append(policy)
        content = {
            "subject": asdict(self.subject),
            "passes": self.replay.passes,
            "loops": self.replay.loops,
            "partings": self.replay.partings,
            "trials": [
                {
                    "policies": policies,
                    "ious": [float(str(np.float32(value))) for value in trial.ious],
                    "passes": trial.passes,
                }
                for trial, policies in alike.items()
            ],
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> SearchRecord:
        """The record that `to_line` wrote.

        Raises
        ------
        ValueError
            When the line is another one, or torn.
        """
        try:
            content = json.loads(line)
            subject = Subject.from_json(content["subject"])
            by_policy: dict[int, PolicyTrial] = {}
            for entry in content["trials"]:
                trial = PolicyTrial(tuple(entry["ious"]), tuple(entry["passes"]))
                by_policy.update(dict.fromkeys(entry["policies"], trial))
            trials = tuple(by_policy[policy] for policy in range(len(by_policy)))
            counts = (int(content[name]) for name in ("passes", "loops", "partings"))
            return cls(subject, Replay(trials, *counts))
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"no record of a search: {error!r}") from error


def in_order(records: Iterable[SearchRecord]) -> list[SearchRecord]:
    """Each record once, by the number of its object."""
    unique = {record.subject.index: record for record in records}
    return [unique[index] for index in sorted(unique)]


@dataclass(frozen=True, slots=True)
class Savings:
    """Passes saved by replaying.

    Parameters
    ----------
    passes : int
        Passes that were made.
    passes_without : int
        Passes of a run for each policy.
    clicks_shared : float
        Share of the policies' clicks that another policy's recording answered, 0 to 1.
    partings : int
        Times that policies stopped at different masks, so that later clicks were run for each.
    """

    passes: int
    passes_without: int
    clicks_shared: float
    partings: int

    @classmethod
    def of(cls, records: Iterable[SearchRecord]) -> Savings:
        """The savings over these objects."""
        found = list(records)
        clicks = sum(len(trial.passes) for record in found for trial in record.trials)
        loops = sum(record.replay.loops for record in found)
        return cls(
            sum(record.replay.passes for record in found),
            sum(sum(trial.passes) for record in found for trial in record.trials),
            1 - loops / clicks if clicks else 0.0,
            sum(record.replay.partings for record in found),
        )

    @property
    def factor(self) -> float:
        """Passes that a run for each policy needs, over those that were made."""
        return self.passes_without / self.passes if self.passes else 1.0
