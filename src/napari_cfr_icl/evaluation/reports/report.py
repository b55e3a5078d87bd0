"""The report of a run: tables, plots, and a summary to compute with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._files import atomic_write_json, atomic_write_text, explained_write_failures
from napari_cfr_icl.evaluation.protocol.metrics import FEWEST, failed
from napari_cfr_icl.evaluation.protocol.skipped import as_data, skipped_section
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


@dataclass(frozen=True, slots=True)
class _Entry:
    """The numbers of one method on one data set.

    Parameters
    ----------
    result : Result
        Of all objects.
    by_size : dict of str to Result
        Of each size class that has any.
    against_std : dict of str to Interval
        Differences to `std` of the same model and preset, where that was evaluated as well.
    """

    result: Result
    by_size: dict[str, Result]
    against_std: dict[str, Interval]


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
    protocol, out, groups = options.protocol, options.out, _grouped(records)
    entries = _entries(groups, protocol)
    results = [entry.result for entry in entries]
    timings = [timing_of(found, protocol.seed) for found in groups.values()]
    paper = paper_table(results, sorted(protocol.thresholds)[-PAPER_THRESHOLDS_SHOWN:])
    rows = object_rows(records, protocol)
    texts = {
        "table3.md": markdown(paper),
        "table3.csv": comma_separated(paper),
        "report.md": _text(entries, protocol) + skipped_section(skipped),
        "timings.md": markdown(timing_table(timings)),
        "objects.csv": comma_separated([list(rows[0]), *(row.values() for row in rows)]),
    }
    summary = {"results": [_summary(entry) for entry in entries], "left_out": as_data(skipped)}
    with explained_write_failures(out):
        for name, text in texts.items():
            atomic_write_text(out / name, text)
        atomic_write_json(out / "timings.json", [_plain(asdict(timing)) for timing in timings])
        atomic_write_json(out / "summary.json", summary)
        write_parquet(rows, out / "objects.parquet")
        (out / "plots").mkdir(exist_ok=True)
        write_plots(results, out / "plots")
    return results


def explanation(records: Sequence[Record], protocol: Protocol) -> list[str]:
    """The sentences below the first table: the meaning of its numbers, and the failures in them."""
    shown = sorted(protocol.thresholds)[-PAPER_THRESHOLDS_SHOWN:]
    limit = protocol.max_clicks
    titles = method_titles(list(dict.fromkeys(record.method for record in records)))
    lines = [
        "NoC@t: mean number of clicks until the mask and the truth overlap by t % (IoU); an object "
        f"that never gets there counts as {limit}."
    ]
    for (dataset, method), found in _grouped(records).items():
        missed = {t: sum(failed(record.ious, t, limit) for record in found) for t in shown}
        parts = [f"{count} never reached {percent(t)} %" for t, count in missed.items() if count]
        if parts:
            lines.append(
                f"{titles[method]} on {dataset}: of {len(found)} objects {', '.join(parts)}."
            )
        if (pictures := len({record.subject.picture for record in found})) < FEWEST:
            counted = f"{pictures} picture{'' if pictures == 1 else 's'}"
            lines.append(f"{dataset}: {counted}, too few to compare methods by.")
    return list(dict.fromkeys(lines))


def _grouped(records: Sequence[Record]) -> dict[tuple[str, Method], list[Record]]:
    """The records of each data set and method that has any, data set by data set."""
    in_order = sorted(records, key=lambda item: item.subject.index)
    datasets = dict.fromkeys(record.subject.dataset for record in in_order)
    methods = dict.fromkeys(record.method for record in records)
    groups: dict[tuple[str, Method], list[Record]] = {
        (dataset, method): [] for dataset in datasets for method in methods
    }
    for record in records:
        groups[record.subject.dataset, record.method].append(record)
    return {key: found for key, found in groups.items() if found}


def _entries(groups: dict[tuple[str, Method], list[Record]], protocol: Protocol) -> list[_Entry]:
    entries = []
    for (dataset, method), found in groups.items():
        base = groups.get((dataset, replace(method, scheme="std")), found)
        changes = {} if base is found else gains(base, found, protocol)
        sizes = {size: result_of(part, protocol) for size, part in by_size(found).items()}
        entries.append(_Entry(result_of(found, protocol), sizes, changes))
    return entries


def _text(entries: Sequence[_Entry], protocol: Protocol) -> str:
    parts = [
        "# Results\n",
        "Mean [95 % bootstrap interval over pictures]. NoC@t: clicks until the IoU reaches t %, "
        f"{protocol.max_clicks} where it never does.\n",
        markdown(full_table([entry.result for entry in entries], protocol)),
    ]
    if any(entry.against_std for entry in entries):
        parts += [
            "\n## Against standard inference\n",
            "Mean difference on the same objects [95 % interval]; fewer clicks are negative.\n",
            markdown(_gain_table(entries)),
        ]
    return "\n".join([*parts, "\n## By size\n", markdown(_size_table(entries, protocol))])


def _gain_table(entries: Sequence[_Entry]) -> list[Row]:
    titles = method_titles([entry.result.method for entry in entries])
    compared = [entry for entry in entries if entry.against_std]
    rows = [
        [
            entry.result.dataset,
            titles[entry.result.method],
            *(change.signed() for change in entry.against_std.values()),
        ]
        for entry in compared
    ]
    return [["data set", "method", *compared[0].against_std], *rows]


def _size_table(entries: Sequence[_Entry], protocol: Protocol) -> list[Row]:
    titles = method_titles([entry.result.method for entry in entries])
    head = ["data set", "size", "method", "objects"]
    head += [f"NoC@{percent(t)}" for t in protocol.thresholds] + ["IoU@1"]
    rows = [
        [
            part.dataset,
            size,
            titles[part.method],
            str(part.objects),
            *(str(part.noc[t]) for t in protocol.thresholds),
            str(part.iou[1]),
        ]
        for entry in entries
        for size, part in entry.by_size.items()
    ]
    return [head, *rows]


def _summary(entry: _Entry) -> dict[str, Any]:
    content = _plain(asdict(entry))
    order = ("against_std", "by_size")
    return {**content["result"], **{name: content[name] for name in order}}


def _plain(value: Any) -> Any:
    """The same with text keys, as JSON has no others."""
    if isinstance(value, dict):
        return {
            percent(key) if isinstance(key, float) else str(key): _plain(item)
            for key, item in value.items()
        }
    return value
