"""Failure cases: the worst objects of a run, their masks made again and drawn on one page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from napari_cfr_icl._errors import InputError
from napari_cfr_icl._files import explained_write_failures
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.evaluation.protocol.metrics import noc
from napari_cfr_icl.evaluation.protocol.predictors import for_set, methods_of
from napari_cfr_icl.evaluation.protocol.simulate import replay
from napari_cfr_icl.evaluation.protocol.simulated_gestures import begun_with
from napari_cfr_icl.evaluation.reports.plots import file_stem
from napari_cfr_icl.evaluation.reports.tables import method_titles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.engine.prompts.prompt import Prompt
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions, Protocol
    from napari_cfr_icl.evaluation.protocol.records import Method, Record

_log = logging.getLogger(__name__)

_COLUMNS = 4
_CELL = 3.2
_DOTS_PER_INCH = 130
# How much of the surroundings is shown, as a share of the object's side, and at least in pixels.
_MARGIN, _LEAST_MARGIN = 0.25, 16
_LONGEST_SIDE = 600


@dataclass(frozen=True, slots=True, eq=False)
class FailureCase:
    """One object as it ended.

    Parameters
    ----------
    record : Record
        Its clicks and their outcome.
    picture : ndarray of float32, shape (rows, columns, 3)
        The part of the image around the object, RGB, 0 to 1.
    truth, mask : ndarray of bool, shape (rows, columns)
        The object and the last mask, in the same part.
    window : Window
        The part, in pixels of the image.
    """

    record: Record
    picture: NDArray[np.float32]
    truth: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    window: Window


def write_failure_cases(
    options: EvaluateOptions,
    datasets: Sequence[Dataset],
    predictors: Mapping[Method, Predictor],
    records: Sequence[Record],
) -> None:
    """One page for each data set, under the method of a model that needs the fewest clicks.

    Parameters
    ----------
    options : EvaluateOptions
        The run.
    datasets : sequence of Dataset
        Its data sets.
    predictors : mapping of Method to Predictor
        Those of one model.
    records : sequence of Record
        Those of the same model.

    Raises
    ------
    OutputError
        When a page cannot be written.
    """
    titles = method_titles(methods_of(options))
    for dataset in datasets:
        mine = [record for record in records if record.subject.dataset == dataset.name]
        if not mine:
            continue
        best = _best_method(mine, options.protocol)
        candidates = [record for record in mine if record.method == best]
        predictor = for_set(predictors[best], best, dataset.window_scale)
        cases = cases_of(worst_of(candidates, options.worst), dataset, predictor, options.protocol)
        if cases:
            title = f"{dataset.name}, {titles[best]}: the worst of {len(candidates)}"
            stem = file_stem(f"worst {dataset.name} {best.model}")
            with explained_write_failures(options.out):
                write_page(cases, title, options.out / f"{stem}.png")


def cases_of(
    records: Sequence[Record], dataset: Dataset, predictor: Predictor, protocol: Protocol
) -> list[FailureCase]:
    """The cases of these records, in their order; of pictures that can still be read."""
    pictures = {picture.key: picture for picture in dataset.pictures}
    cases = []
    for record in records:
        picture = pictures[record.subject.picture]
        try:
            objects = {item.key: item for item in picture.objects()}
            image = ImageSource.of(picture.image())
            truth = objects[record.subject.object].truth()
        except (InputError, OSError) as error:
            # A finished run is reported again after years; a drawing is not worth its tables.
            _log.warning("%s is not drawn: %s", record.subject.name, error)
            continue
        begin = begun_with(protocol, truth, record.subject.name)
        cases.append(case_of(record, image, truth, predictor, begin))
    return cases


def _best_method(records: Sequence[Record], protocol: Protocol) -> Method:
    def mean_clicks(method: Method) -> float:
        every = [record.ious for record in records if record.method == method]
        counts = [[noc(x, t, protocol.max_clicks) for x in every] for t in protocol.thresholds]
        return float(np.mean(counts, axis=1).sum())

    return min(dict.fromkeys(record.method for record in records), key=mean_clicks)


def worst_of(records: Sequence[Record], count: int) -> list[Record]:
    """The `count` records with the most clicks, and among those with the lowest IoU."""
    return sorted(records, key=lambda item: (-len(item.clicks), item.ious[-1], item.subject.index))[
        :count
    ]


def case_of(
    record: Record,
    image: ImageSource,
    truth: NDArray[np.int8],
    predictor: Predictor,
    begin: Prompt | None = None,
) -> FailureCase:
    """The case of a record, its last mask made again from its clicks, or `begin` for the first."""
    *_, last = replay(predictor, image, record.clicks, begin)
    mask = last.mask()
    window = _around(Patch.from_full((truth == 1) | mask.full()), image.shape)
    step = -(-max(window.shape) // _LONGEST_SIDE)
    return FailureCase(
        record,
        image.read(window)[::step, ::step],
        (truth == 1)[window.slices][::step, ::step],
        mask.read(window)[::step, ::step],
        window,
    )


def write_page(cases: Sequence[FailureCase], title: str, path: Path) -> None:
    """Draw the cases: objects outlined green, masks orange, clicks as discs and crosses."""
    rows = -(-len(cases) // _COLUMNS)
    figure = Figure(figsize=(_COLUMNS * _CELL, rows * _CELL + 0.5), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, case in zip(grid.flat, cases, strict=False):
        _draw(axes, case)
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _draw(axes: Axes, case: FailureCase) -> None:
    left, top = case.window.left - 0.5, case.window.top - 0.5
    extent = (left, left + case.window.width, top + case.window.height, top)
    axes.imshow(case.picture, extent=extent)
    for outlined, colour in ((case.truth, "lime"), (case.mask, "orange")):
        if outlined.any() and not outlined.all():
            axes.contour(
                outlined, [0.5], colors=colour, linewidths=1.2, extent=extent, origin="upper"
            )
    for positive, marker, colour in ((True, "o", "lime"), (False, "X", "red")):
        places = [(c.col, c.row) for c in case.record.clicks if c.positive == positive]
        if places:
            axes.plot(*zip(*places, strict=True), marker, color=colour, markeredgecolor="black")
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    subject, clicks = case.record.subject, len(case.record.clicks)
    axes.set_title(
        f"{subject.picture} #{subject.object}\n"
        f"IoU {case.record.ious[-1]:.2f} after {clicks} click{'' if clicks == 1 else 's'}",
        fontsize=8,
    )


def _around(shown: Patch, image_shape: tuple[int, int]) -> Window:
    box = shown.bounds() or Window.whole(image_shape)
    grown = box.grown(*(max(_LEAST_MARGIN, round(_MARGIN * side)) for side in box.shape))
    return grown.intersection(Window.whole(image_shape)) or box
