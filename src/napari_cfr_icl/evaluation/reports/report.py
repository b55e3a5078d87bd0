"""The report of a run: tables, plots, the worst cases, and a summary to compute with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._files import (
    atomic_write_json,
    atomic_write_text,
    explained_write_failures,
)
from napari_cfr_icl.evaluation.protocol.skipped import as_data, section
from napari_cfr_icl.evaluation.reports.plots import write_plots
from napari_cfr_icl.evaluation.reports.results import (
    Result,
    by_size,
    gains,
    percent,
    result_of,
    timing_of,
)
from napari_cfr_icl.evaluation.reports.tables import (
    Row,
    comma_separated,
    full_table,
    markdown,
    method_titles,
    object_rows,
    paper_table,
    timing_table,
    write_parquet,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cfr_icl.evaluation.protocol.metrics import Interval
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions, Protocol
    from napari_cfr_icl.evaluation.protocol.records import Method, Record
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture

PAPER_THRESHOLDS_SHOWN = 2
"""The paper's tables show the two highest thresholds."""


def group(records: Sequence[Record]) -> dict[tuple[str, Method], list[Record]]:
    """The records of each data set and method, data set by data set."""
    datasets = dict.fromkeys(
        record.subject.dataset for record in sorted(records, key=lambda item: item.subject.index)
    )
    methods = dict.fromkeys(record.method for record in records)
    groups: dict[tuple[str, Method], list[Record]] = {
        (dataset, method): [] for dataset in datasets for method in methods
    }
    for record in records:
        groups[record.subject.dataset, record.method].append(record)
    return {key: found for key, found in groups.items() if found}


def write_report(
    options: EvaluateOptions, records: Sequence[Record], skipped: Sequence[SkippedPicture] = ()
) -> list[Result]:
    """Write everything that follows from the records; returns the results.

    `skipped` are the pictures that could not be read; none of the records is of them.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    groups = group(records)
    protocol, out = options.protocol, options.out
    results = [result_of(found, protocol) for found in groups.values()]
    timings = [timing_of(found, protocol.seed) for found in groups.values()]
    shown = sorted(protocol.thresholds)[-PAPER_THRESHOLDS_SHOWN:]
    paper = paper_table(results, shown)
    rows = object_rows(records, protocol)
    table = [list(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    summary = {**_summary(results, groups, protocol), "skipped": as_data(skipped)}
    texts = {
        "table3.md": markdown(paper),
        "table3.csv": comma_separated(paper),
        "report.md": _report(results, groups, protocol) + section(skipped),
        "timings.md": markdown(timing_table(timings)),
        "objects.csv": comma_separated(table),
    }
    with explained_write_failures(out):
        for name, text in texts.items():
            atomic_write_text(out / name, text)
        atomic_write_json(out / "timings.json", [_plain(asdict(timing)) for timing in timings])
        atomic_write_json(out / "summary.json", summary)
        write_parquet(rows, out / "objects.parquet")
        (out / "plots").mkdir(exist_ok=True)
        write_plots(results, out / "plots")
    return results


def _report(
    results: Sequence[Result],
    groups: dict[tuple[str, Method], list[Record]],
    protocol: Protocol,
) -> str:
    parts = [
        "# Results\n",
        "Mean [95 % bootstrap interval over pictures]. NoC@t: clicks until the IoU reaches t %, "
        f"{protocol.max_clicks} where it never does.\n",
        markdown(full_table(results, protocol)),
        *_gain_section(groups, protocol),
        "\n## By size\n",
        markdown(_size_table(groups, protocol)),
    ]
    return "\n".join(parts)


def _gain_section(groups: dict[tuple[str, Method], list[Record]], protocol: Protocol) -> list[str]:
    """Nothing where `std` ran alone, or not at all: there is nothing to compare then."""
    found = _gains(groups, protocol)
    if not found:
        return []
    titles = method_titles(list(dict.fromkeys(method for _, method in groups)))
    head: Row = ["data set", "method", *next(iter(found.values()))]
    rows = [
        [dataset, titles[method], *(change.signed() for change in changes.values())]
        for (dataset, method), changes in found.items()
    ]
    return [
        "\n## Against standard inference\n",
        "Mean difference on the same objects [95 % interval]; fewer clicks are negative.\n",
        markdown([head, *rows]),
    ]


def _size_table(groups: dict[tuple[str, Method], list[Record]], protocol: Protocol) -> list[Row]:
    titles = method_titles(list(dict.fromkeys(method for _, method in groups)))
    head = ["data set", "size", "method", "objects"]
    head += [f"NoC@{percent(t)}" for t in protocol.thresholds] + ["IoU@1"]
    rows = []
    for (dataset, method), found in groups.items():
        for size, part in by_size(found).items():
            result = result_of(part, protocol)
            noc = [str(result.noc[t]) for t in protocol.thresholds]
            rows.append([dataset, size, titles[method], str(len(part)), *noc, str(result.iou[1])])
    return [head, *rows]


def _gains(
    groups: dict[tuple[str, Method], list[Record]], protocol: Protocol
) -> dict[tuple[str, Method], dict[str, Interval]]:
    """Every other scheme against `std` of the same model and preset, where both are there."""
    found = {}
    for (dataset, method), records in groups.items():
        base = next(
            (
                base_records
                for (base_dataset, base_method), base_records in groups.items()
                if base_dataset == dataset
                and base_method.scheme == "std"
                and (base_method.model, base_method.preset) == (method.model, method.preset)
            ),
            None,
        )
        if base is not None and method.scheme != "std":
            found[dataset, method] = gains(base, records, protocol)
    return found


def _summary(
    results: Sequence[Result],
    groups: dict[tuple[str, Method], list[Record]],
    protocol: Protocol,
) -> dict[str, Any]:
    sizes = {
        key: {size: result_of(part, protocol) for size, part in by_size(found).items()}
        for key, found in groups.items()
    }
    changes = _gains(groups, protocol)
    return {
        "results": [
            {
                **_plain(asdict(result)),
                "against_std": _plain(
                    {
                        name: asdict(change)
                        for name, change in changes.get((result.dataset, result.method), {}).items()
                    }
                ),
                "by_size": {
                    size: _plain(asdict(part))
                    for size, part in sizes[result.dataset, result.method].items()
                },
            }
            for result in results
        ]
    }


def _plain(value: Any) -> Any:
    """The same with text keys, as JSON has no others."""
    if isinstance(value, dict):
        return {
            percent(key) if isinstance(key, float) else str(key): _plain(item)
            for key, item in value.items()
        }
    return value
