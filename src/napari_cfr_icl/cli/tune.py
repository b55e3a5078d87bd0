"""The command `tune`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from napari_cfr_icl.cli.arguments import flags, make
from napari_cfr_icl.cli.datasets import Datasets, Formats, dataset_choices, picture_progress
from napari_cfr_icl.evaluation.tuning.options import TuneOptions


@flags(TuneOptions)
def tune(
    *datasets: Datasets,
    formats: Formats = ("folder",),
    max_steps: Annotated[int, Parameter(help="Most inner steps to try.")] = 4,
    json_progress: Annotated[
        bool, Parameter(help="Tell everything in lines of JSON, as it goes.")
    ] = False,
    **options: Any,
) -> None:
    """Search CFR's steps and thresholds on your own images and finished labels."""
    from napari_cfr_icl.evaluation.tuning.progress_events import SearchEvents
    from napari_cfr_icl.evaluation.tuning.tune import tune as search

    options["datasets"] = dataset_choices(datasets, formats)
    options["steps"] = tuple(range(1, max_steps + 1))
    chosen = make(TuneOptions, options)
    if json_progress:
        events = SearchEvents(chosen, partial(print, flush=True))
        if search(chosen, events.hear, events.leave_out, events.enter) is not None:
            events.finish()
        return
    with picture_progress("Searching") as progress:
        found = search(chosen, progress.advance, progress.skip)
    if found is not None:
        print((chosen.out / "tune.md").read_text(encoding="utf-8"))
        progress.summarize_skipped(chosen.out / "tune.md")
