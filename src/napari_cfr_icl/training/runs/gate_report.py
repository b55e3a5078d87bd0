"""The gate's report: one Markdown page with plots and the largest changes as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from napari_cfr_icl._files import atomic_write_text
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.metrics import iou_curve
from napari_cfr_icl.evaluation.protocol.simulate import replay
from napari_cfr_icl.evaluation.reports.tables import markdown
from napari_cfr_icl.training.data.image_cache import rendered
from napari_cfr_icl.training.runs.held_out import clicks_to, curves_of, predictor_of
from napari_cfr_icl.training.runs.plots import PREDICTED, TRUTH, outlined, with_clicks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.evaluation.protocol.simulate import Simulation
    from napari_cfr_icl.training.options import ValidationOptions
    from napari_cfr_icl.training.runs.held_out import Curve, HeldOut
    from napari_cfr_icl.training.runs.setup import Run
    from napari_cfr_icl.training.runs.verdict import GateTrial, Verdict

_EXTREMES = 3
_TILE = 256


def write_report(
    place: Path,
    verdict: Verdict,
    trial: GateTrial,
    run: Run,
    networks: Mapping[str, Mapping[str, Tensor]],
) -> Path:
    """Write `report.md`, `curves.png`, `changes.png` and pictures of the extremes.

    Parameters
    ----------
    place : Path
        An existing folder.
    verdict : Verdict
    trial : GateTrial
    run : Run
    networks : mapping
        The weights called "base" and "tuned".
    """
    options = run.options.validation
    curves = {"base": curves_of(trial.base), "tuned": curves_of(trial.tuned)}
    change = np.subtract(
        *(clicks_to(curves[name], options.target, options.max_clicks) for name in ("tuned", "base"))
    )
    _plot_curves(place / "curves.png", curves, options.max_clicks)
    _plot_changes(place / "changes.png", change)
    predictors = {
        name: predictor_of(run.architecture, weights, options, run.processes)
        for name, weights in networks.items()
    }
    parts = [*_page(verdict, run), *_drawn_extremes(place, trial, change, predictors)]
    path = place / "report.md"
    atomic_write_text(path, "\n\n".join(parts) + "\n")
    return path


def _page(verdict: Verdict, run: Run) -> list[str]:
    """The paragraphs of the report, but for the extremes."""
    head = ["collection", "IoU", "base", "tuned", "tuned - base, 95 % interval"]
    head += ["objects", "pictures", "not reached: base", "tuned"]
    rows = [
        [
            item.collection,
            f"{item.threshold:.0%}",
            f"{item.base:.2f}",
            f"{item.tuned:.2f}",
            str(item.difference),
            str(item.difference.count),
            str(item.difference.groups),
            str(item.base_failed),
            str(item.tuned_failed),
        ]
        for item in verdict.comparisons
    ]
    return [
        f"# {run.folder.path.resolve().name} against {run.options.base}",
        f"**{verdict.sentence}**",
        markdown([head, *rows]).rstrip(),
        _protocol(run.options.validation, fresh=verdict.fresh),
        "![IoU after each click](curves.png) ![Change of each object](changes.png)",
    ]


def _protocol(options: ValidationOptions, *, fresh: bool) -> str:
    """The paragraph on the way that clicks were counted."""
    text = (
        f"Mean clicks of the robot user to each IoU, at most {options.max_clicks}, which is also "
        "what an object counts that never reaches it; objects of at "
        f"least {options.min_area} pixels; preset {options.preset}, inference {options.scheme}."
    )
    if fresh:
        return text
    return (
        f"{text}\nFew objects are held out, so some of these also chose the best weights of the "
        "run: the tuned model may look a little better here than it is."
    )


def _drawn_extremes(
    place: Path, trial: GateTrial, change: NDArray[np.float64], predictors: Mapping[str, Predictor]
) -> Iterator[str]:
    """The paragraphs about the objects that changed most, their pictures drawn on the way."""
    for title, rows in _extremes(change):
        yield f"## {title}"
        yield (
            "Left the base model, right the tuned one, at the same\nnumber of clicks: the fewer of "
            "the two. Green the truth, orange the mask."
        )
        for row in rows:
            name = f"object-{row}.png"
            Image.fromarray(_side_by_side(trial, row, predictors)).save(place / name)
            facts = f"{trial.objects[row].picture}, object {trial.objects[row].label}"
            yield f"![{facts}]({name})"
            yield f"{facts}: {change[row]:+.0f} clicks"


def _plot_curves(path: Path, curves: Mapping[str, Sequence[Curve]], max_clicks: int) -> None:
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, rows in curves.items():
        mean = np.mean([iou_curve(row, max_clicks) for row in rows], axis=0)
        axes.plot(range(1, max_clicks + 1), mean, marker=".", label=name)
    axes.set(xlabel="clicks", ylabel="mean IoU")
    axes.legend()
    figure.savefig(path, dpi=100)


def _plot_changes(path: Path, change: NDArray[np.float64]) -> None:
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    reach = int(np.abs(change).max()) + 1
    axes.hist(change, bins=[edge - 0.5 for edge in range(-reach, reach + 2)])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="clicks, tuned - base", ylabel="objects")
    figure.savefig(path, dpi=100)


def _extremes(change: NDArray[np.float64]) -> Iterator[tuple[str, list[int]]]:
    order = np.argsort(change, kind="stable").tolist()
    yield "Largest gains", [row for row in order[:_EXTREMES] if change[row] < 0]
    yield "Largest losses", [row for row in order[::-1][:_EXTREMES] if change[row] > 0]


def _side_by_side(
    trial: GateTrial, row: int, predictors: Mapping[str, Predictor]
) -> NDArray[np.uint8]:
    item = trial.objects[row]
    runs = {"base": trial.base[row], "tuned": trial.tuned[row]}
    count = min(len(clicked) for clicked in runs.values())
    tiles = [_tile(item, clicked[:count], predictors[name]) for name, clicked in runs.items()]
    return np.concatenate(tiles, axis=1)


def _tile(item: HeldOut, clicked: Sequence[Simulation], predictor: Predictor) -> NDArray[np.uint8]:
    """The object's surroundings with the truth, the mask after the last click, and the clicks."""
    pixels, truth = item.record.example.image(), item.truth() == 1
    clicks = [each.click for each in clicked]
    *_, last = replay(predictor, ImageSource(pixels), clicks)
    rows, cols = np.nonzero(truth)
    half = max(int(np.ptp(rows)), int(np.ptp(cols)), 20)
    top, left = (max(0, int(axis.mean()) - half) for axis in (rows, cols))
    view = slice(top, top + 2 * half), slice(left, left + 2 * half)
    grown = _TILE / (2 * half)
    size = tuple(round(side * grown) for side in truth[view].shape)
    picture = _resized(rendered(pixels)[view], size, Image.Resampling.BICUBIC)
    for mask, colour in ((truth, TRUTH), (last.mask().full(), PREDICTED)):
        large = _resized(mask[view].astype(np.uint8), size, Image.Resampling.NEAREST) > 0
        picture = outlined(picture, large, colour)
    dots = [((c.row - top) * grown, (c.col - left) * grown, c.positive) for c in clicks]
    canvas = np.zeros((_TILE, _TILE, 3), np.uint8)
    canvas[: size[0], : size[1]] = with_clicks(picture, dots)[:_TILE, :_TILE]
    return canvas


def _resized(
    values: NDArray[np.uint8], size: tuple[int, ...], how: Image.Resampling
) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(values).resize((size[1], size[0]), how))
