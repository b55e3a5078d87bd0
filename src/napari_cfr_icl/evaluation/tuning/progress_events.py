"""Progress events of a search: lines of JSON for the process that started it.

The first line names the policies that are tried. Each further one has the progress, and the clicks
and passes of every policy so far; the last one, where the result lies.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.evaluation.protocol.options import OWN_SCHEME
from napari_cfr_icl.evaluation.protocol.result_log import read_logs
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for
from napari_cfr_icl.evaluation.tuning.scores import Scores, balanced_means
from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord, in_order
from napari_cfr_icl.evaluation.tuning.selection import front, halves, recommended

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.protocol.eta import Progress
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture
    from napari_cfr_icl.evaluation.tuning.options import TuneOptions

_REST = 10
"""A line is worth a tenth of the time: after one, so many times its cost pass without another."""


class SearchEvents:
    """Writes the events of a search.

    Parameters
    ----------
    options : TuneOptions
        The search.
    write : callable
        Takes each line.
    """

    def __init__(self, options: TuneOptions, write: Callable[[str], None]) -> None:
        # The inner loop of a preset does not depend on the model; everything else may.
        today = settings_for(options.preset, OWN_SCHEME, None).refinement
        self._plan = options.plan(today)
        self._options = options
        self._write = write
        self._records: list[SearchRecord] = []
        self._quiet_until = 0.0
        current = self._plan.policies.index(self._plan.current)
        self._event(policies=[asdict(policy) for policy in self._plan.policies], current=current)

    def hear(self, progress: Progress[SearchRecord]) -> None:
        """Take the record of one object; write a line, unless that was done just now."""
        if not self._records:
            # A search that goes on has some already, and this one.
            self._records = list(read_logs(self._options.out, SearchRecord.from_line))
        else:
            self._records.append(progress.result)
        begun = time.monotonic()
        if begun < self._quiet_until and progress.fraction < 1:
            return
        self._event(
            fraction=progress.fraction, seconds_left=progress.seconds_left, **self._standings()
        )
        now = time.monotonic()
        self._quiet_until = now + _REST * (now - begun)

    def enter(self, stage: str) -> None:
        """Write what is done now."""
        self._event(stage=stage)

    def leave_out(self, picture: SkippedPicture) -> None:
        """Write that a picture cannot be read."""
        self._event(left_out=asdict(picture))

    def finish(self) -> None:
        """Write where the result lies."""
        self._event(finished=str(self._options.out))

    def _standings(self) -> dict[str, Any]:
        records, objective = in_order(self._records), self._options.objective
        scores = Scores.of(records, objective)
        # As `select` does in the end: on one half, so that the point does not jump when it is over.
        chosen_by, _ = halves(scores, objective.seed)
        return {
            "objects": len(records),
            "clicks": _rounded(balanced_means(scores.clicks, scores.datasets)),
            "failed": scores.failed.sum(axis=1).tolist(),
            "passes": _rounded(balanced_means(scores.passes, scores.datasets)),
            "front": front(scores),
            "recommended": recommended(scores.take(chosen_by), objective),
        }

    def _event(self, **facts: Any) -> None:
        self._write(json.dumps(facts, separators=(",", ":")))


def _rounded(values: NDArray[Any]) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
