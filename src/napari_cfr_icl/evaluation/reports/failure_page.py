"""The worst cases of a run, as one page of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.evaluation.protocol.simulate import replay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.predictor import Predictor
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.protocol.records import Record

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
        What happened.
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


def worst_of(records: Sequence[Record], count: int) -> list[Record]:
    """The `count` records with the most clicks, and among those with the lowest IoU."""
    return sorted(records, key=lambda item: (-len(item.clicks), item.ious[-1], item.subject.index))[
        :count
    ]


def case_of(
    record: Record, image: ImageSource, truth: NDArray[np.int8], predictor: Predictor
) -> FailureCase:
    """What the record's last mask looked like, by making its clicks again."""
    *_, last = replay(predictor, image, record.clicks)
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
    rows, cols = (max(_LEAST_MARGIN, round(_MARGIN * side)) for side in box.shape)
    grown = Window(box.top - rows, box.left - cols, box.height + 2 * rows, box.width + 2 * cols)
    return grown.intersection(Window.whole(image_shape)) or box
