"""Tables of a run: Markdown and CSV for people, CSV and Parquet with one row for each object."""

from __future__ import annotations

import csv
import io
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.evaluation.protocol.metrics import failed, iou_at, noc
from napari_cfr_icl.evaluation.reports.results import IOU_CLICKS, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from napari_cfr_icl.evaluation.protocol.metrics import Interval
    from napari_cfr_icl.evaluation.protocol.options import Protocol
    from napari_cfr_icl.evaluation.protocol.records import Method, Record
    from napari_cfr_icl.evaluation.reports.results import Result, Timing

Row = list[str]

_SCHEME_NAMES = {"std": "StdInfer", "preset": "as preset"}


def scheme_title(scheme: str) -> str:
    """A scheme as the paper writes it: StdInfer, CFR-1, A-CFR-4."""
    return _SCHEME_NAMES.get(scheme, scheme.upper())


def method_titles(methods: Sequence[Method]) -> dict[Method, str]:
    """Names for tables, which say no more than is needed to tell the methods apart."""
    several_models = len({method.model for method in methods}) > 1
    several_presets = len({method.preset for method in methods}) > 1
    return {
        method: " ".join(
            [
                *([method.model] if several_models else []),
                *([method.preset] if several_presets else []),
                scheme_title(method.scheme),
            ]
        )
        for method in methods
    }


def paper_table(results: Sequence[Result], thresholds: Sequence[float]) -> list[Row]:
    """The paper's Table 3: a row for each scheme, a column for each data set and threshold."""
    methods = list(dict.fromkeys(result.method for result in results))
    datasets = list(dict.fromkeys(result.dataset for result in results))
    cells = {(result.method, result.dataset): result for result in results}
    titles = method_titles(methods)
    head = ["", *(f"{name} NoC@{percent(t)}" for name in datasets for t in thresholds)]
    rows = [
        [
            titles[method],
            *(
                f"{cells[method, name].noc[t].mean:.2f}" if (method, name) in cells else "-"
                for name in datasets
                for t in thresholds
            ),
        ]
        for method in methods
    ]
    return [head, *rows]


def full_table(results: Sequence[Result], protocol: Protocol) -> list[Row]:
    """Every number with its interval, a row for each data set and method."""
    titles = method_titles(list(dict.fromkeys(result.method for result in results)))
    clicks = [k for k in IOU_CLICKS if k <= protocol.max_clicks]
    head = [
        "data set",
        "method",
        "objects",
        *(f"NoC@{percent(t)}" for t in protocol.thresholds),
        *(f"failed@{percent(t)}" for t in protocol.thresholds),
        *(f"IoU@{k}" for k in clicks),
        "passes per click",
    ]
    rows = [
        [
            result.dataset,
            titles[result.method],
            str(result.objects),
            *(str(result.noc[t]) for t in protocol.thresholds),
            *(f"{100 * result.failures[t].mean:.1f} %" for t in protocol.thresholds),
            *(str(result.iou[k]) for k in clicks),
            str(result.passes),
        ]
        for result in results
    ]
    return [head, *rows]


def timing_table(timings: Sequence[Timing]) -> list[Row]:
    """Milliseconds, a row for each data set and method."""
    titles = method_titles(list(dict.fromkeys(timing.method for timing in timings)))
    head = ["data set", "method", "ms per click", "ms per pass", "ms to find a click"]
    rows = [
        [
            timing.dataset,
            titles[timing.method],
            _milliseconds(timing.seconds_per_click),
            _milliseconds(timing.seconds_per_pass),
            _milliseconds(timing.user_seconds_per_click),
        ]
        for timing in timings
    ]
    return [head, *rows]


def _milliseconds(seconds: Interval) -> str:
    mean, low, high = (1000 * value for value in (seconds.mean, seconds.low, seconds.high))
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def markdown(table: Sequence[Row]) -> str:
    """A table in Markdown, its first row as the head."""
    lines = [f"| {' | '.join(row)} |" for row in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    return "\n".join(lines) + "\n"


def comma_separated(table: Iterable[Iterable[Any]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def object_rows(records: Sequence[Record], protocol: Protocol) -> list[dict[str, Any]]:
    """One row for each record, without times: the same run gives the same rows anywhere."""
    limit = protocol.max_clicks
    return [
        {
            "dataset": record.subject.dataset,
            "model": record.method.model,
            "preset": record.method.preset,
            "scheme": record.method.scheme,
            "picture": record.subject.picture,
            "object": record.subject.object,
            "area": record.subject.area,
            "rows": record.subject.shape[0],
            "columns": record.subject.shape[1],
            "clicks": len(record.clicks),
            "passes": sum(record.passes),
            "arithmetic": record.arithmetic,
            **{f"noc{percent(t)}": noc(record.ious, t, limit) for t in protocol.thresholds},
            **{f"failed{percent(t)}": failed(record.ious, t, limit) for t in protocol.thresholds},
            **{f"iou{k}": iou_at(record.ious, k) for k in IOU_CLICKS if k <= limit},
            "last_iou": float(record.ious[-1]),
        }
        for record in records
    ]


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> bool:
    """Write rows as Parquet where pyarrow is installed; returns whether it is."""
    if find_spec("pyarrow") is None:
        return False
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    with path.open("wb") as file:  # a name need not be text, which its library wants
        parquet.write_table(arrow.Table.from_pylist(list(rows)), file)
    return True
