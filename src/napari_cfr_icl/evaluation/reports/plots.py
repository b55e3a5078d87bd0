"""Plots of a run, as PNG and SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from napari_cfr_icl.evaluation.reports.results import percent
from napari_cfr_icl.evaluation.reports.tables import method_titles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from napari_cfr_icl.evaluation.reports.results import Result

_SIZE = (7.0, 4.5)
_DOTS_PER_INCH = 150


def write_plots(results: Sequence[Result], folder: Path) -> list[Path]:
    """Three plots for each data set; returns the files.

    Parameters
    ----------
    results : sequence of Result
        The results of all data sets and methods.
    folder : Path
        Where to write; it exists.
    """
    files = []
    for dataset in dict.fromkeys(result.dataset for result in results):
        mine = [result for result in results if result.dataset == dataset]
        stem = file_stem(dataset)
        for name, draw in (("iou", draw_curves), ("noc", draw_noc), ("passes", draw_passes)):
            figure = Figure(figsize=_SIZE, layout="constrained")
            axes = figure.add_subplot()
            draw(axes, mine)
            axes.set_title(f"{dataset}, {mine[0].objects} objects")
            files += save_figure(figure, folder / f"{stem}-{name}")
    return files


def draw_curves(axes: Axes, results: Sequence[Result]) -> None:
    """Mean IoU after each click."""
    titles = method_titles([result.method for result in results])
    for result in results:
        clicks = range(1, len(result.curve) + 1)
        axes.plot(clicks, result.curve, marker=".", label=titles[result.method])
    axes.set(xlabel="clicks", ylabel="mean IoU")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


def draw_noc(axes: Axes, results: Sequence[Result]) -> None:
    """Clicks needed for each threshold, a bar with its interval for each method."""
    titles = method_titles([result.method for result in results])
    thresholds = list(results[0].noc)
    width = 0.8 / len(results)
    for i, result in enumerate(results):
        places = [group + (i - (len(results) - 1) / 2) * width for group in range(len(thresholds))]
        intervals = [result.noc[t] for t in thresholds]
        means = [interval.mean for interval in intervals]
        below = [interval.mean - interval.low for interval in intervals]
        above = [interval.high - interval.mean for interval in intervals]
        axes.bar(places, means, width, yerr=(below, above), capsize=2, label=titles[result.method])
    axes.set_xticks(range(len(thresholds)), [f"NoC@{percent(t)}" for t in thresholds])
    axes.set_ylabel("clicks")
    axes.legend()


def draw_passes(axes: Axes, results: Sequence[Result]) -> None:
    """Clicks needed for the highest threshold but one against passes through the network."""
    titles = method_titles([result.method for result in results])
    threshold = sorted(results[0].noc)[-2:][0]
    for result in results:
        x, y = result.passes_per_object, result.noc[threshold]
        axes.errorbar(
            x.mean,
            y.mean,
            xerr=[[x.mean - x.low], [x.high - x.mean]],
            yerr=[[y.mean - y.low], [y.high - y.mean]],
            fmt="o",
            capsize=2,
            label=titles[result.method],
        )
    axes.set(xlabel="passes per object", ylabel=f"NoC@{percent(threshold)}")
    axes.grid(alpha=0.3)
    axes.legend()


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as `stem`.png and `stem`.svg; returns both."""
    files = [stem.with_name(stem.name + ending) for ending in (".png", ".svg")]
    # neither the date nor chance: the same numbers give the same file
    with mpl.rc_context({"svg.hashsalt": stem.name}):
        figure.savefig(files[0], dpi=_DOTS_PER_INCH, metadata={"Software": None})
        figure.savefig(files[1], metadata={"Date": None})
    return files


def file_stem(title: str) -> str:
    """A name that every file system takes: letters, digits and dashes."""
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words)
