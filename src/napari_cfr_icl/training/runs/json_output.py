"""JSON output of a check and of a suggestion, for the process that started them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cfr_icl.training.data.check import DatasetReport
    from napari_cfr_icl.training.data.collection import Collection
    from napari_cfr_icl.training.runs.suggest import Suggestion

_MOST_FINDINGS = 5000


class CheckOutput:
    """Writes the progress of a check, and its report.

    Parameters
    ----------
    collections : sequence of Collection
        The collections to check.
    write : callable
        Takes each line.
    """

    def __init__(self, collections: Sequence[Collection], write: Callable[[str], None]) -> None:
        self._count = sum(len(collection.examples) for collection in collections)
        self._read = 0
        self._write = write

    def hear(self, *_: Any) -> None:
        """Count one more picture."""
        self._read += 1
        self._write(_line(read=self._read, of=self._count))

    def finish(self, report: DatasetReport) -> None:
        """Write the report of a collection."""
        self._write(_line(report=report_data(report)))


def report_data(report: DatasetReport) -> dict[str, Any]:
    """The part of a report that a form shows."""
    areas = np.array([area for page in report.pages for area in page.objects.areas])
    return {
        "name": report.collection.name,
        "pictures": len(report.pages),
        "objects": int(areas.size),
        "median_area": float(np.median(areas)) if areas.size else 0.0,
        "findings": [asdict(finding) for finding in report.findings[:_MOST_FINDINGS]],
    }


def suggestion_line(suggestion: Suggestion) -> str:
    """A suggestion as a line."""
    return _line(suggestion=asdict(suggestion))


def _line(**facts: Any) -> str:
    return json.dumps(facts, separators=(",", ":"))
