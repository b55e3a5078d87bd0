"""The command `evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from napari_cfr_icl.cli.arguments import flags, make
from napari_cfr_icl.cli.datasets import (
    Datasets,
    Formats,
    dataset_choices,
    picture_progress,
    separated,
)
from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions


@flags(EvaluateOptions)
def evaluate(
    *datasets: Datasets,
    formats: Formats = ("folder",),
    protocol: Annotated[
        Literal["click", "find"],
        Parameter(help="What is simulated: objects clicked one by one, or `find` from a few."),
    ] = "click",
    **options: Any,
) -> None:
    """Count the clicks that a simulated user needs, and write tables and plots."""
    paths, ious = separated(datasets, options.pop("thresholds", ()))
    if ious:
        options["thresholds"] = ious
    chosen = make(EvaluateOptions, {**options, "datasets": dataset_choices(paths, formats)})
    if protocol == "find":
        from napari_cfr_icl.evaluation.finding import evaluate_finding

        print(evaluate_finding(chosen, lambda score: print(score.sentence, flush=True)))
        return
    from napari_cfr_icl.evaluation.reports.report import explanation
    from napari_cfr_icl.evaluation.run import evaluate as run

    with picture_progress("Evaluating") as progress:
        records = run(chosen, progress.advance, progress.skip)
    if records:
        print((chosen.out / "table3.md").read_text(encoding="utf-8"))
        print("\n".join(explanation(records, chosen.protocol)))
        print(f"All numbers: {chosen.out / 'report.md'}")
        progress.summarize_skipped(chosen.out / "report.md")
