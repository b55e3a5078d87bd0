"""The command `segment`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from napari_cfr_icl._errors import ClickError, SettingsError
from napari_cfr_icl.cli.arguments import flags, make
from napari_cfr_icl.cli.gestures import parse_gesture
from napari_cfr_icl.cli.segment_options import SegmentOptions
from napari_cfr_icl.engine.clicks import Click, Clicks

Plane = Annotated[
    str | None,
    Parameter(help="Plane of a stack, counted from 0: Z, or T,Z.", allow_leading_hyphen=True),
]
"""An option of commands; see `parse_plane`."""


@flags(SegmentOptions)
def segment(
    image: Annotated[
        Path, Parameter(name="IMAGE", help="TIFF, PNG, JPEG, NPY, Zarr or OME-Zarr, ...")
    ],
    /,
    *,
    clicks: Annotated[
        tuple[str, ...],
        Parameter(
            name="--click",
            metavar="ROW,COL,+|-",
            help="A click on the object (+) or on the background (-); as many as you like.",
            allow_leading_hyphen=True,
        ),
    ] = (),
    box: Annotated[
        str | None,
        Parameter(
            metavar="TOP,LEFT,BOTTOM,RIGHT",
            help="A box around the object, before the clicks.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    scribble: Annotated[
        str | None,
        Parameter(
            metavar="'ROW,COL ROW,COL ... +|-'",
            help="A stroke on the object (+) or the background (-), before the clicks.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    lasso: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            help="A closed stroke around the object, before the clicks: ROW,COL on each line, or a "
            "shape that napari saved as CSV.",
        ),
    ] = None,
    plane: Plane = None,
    **options: Any,
) -> None:
    """Click an object out of an image.

    A box, a scribble or a lasso may come first; it is one step, and clicks correct it. Clicks are
    made one after the other, each going on from the mask before. Rows and columns count from 0 at
    the top left. The mask is written whole or not at all.
    """
    options["image"], options["clicks"] = image, Clicks(map(parse_click, clicks))
    options["gesture"] = parse_gesture(box, scribble, lasso)
    options["plane"] = None if plane is None else parse_plane(plane)
    chosen = make(SegmentOptions, options)
    # Here and not above: it loads torch, which --help and most mistakes need not wait for.
    from napari_cfr_icl.cli import segmentation

    print(segmentation.run(chosen))


def parse_click(text: str) -> Click:
    """A click written as ROW,COL,+ or ROW,COL,-.

    Raises
    ------
    ClickError
        When it is written otherwise.
    """
    words = [word.strip() for word in text.split(",")]
    try:
        row, col, sign = words
        if sign not in ("+", "-"):
            raise ValueError
        return Click(float(row), float(col), sign == "+")
    except ValueError:
        raise ClickError(
            f"{text!r} is no click: write ROW,COL,+ on the object or ROW,COL,- on the background, "
            "such as 120,80,+."
        ) from None


def parse_plane(text: str) -> tuple[int, ...]:
    """The numbers of a plane, one for each axis of the stack.

    Raises
    ------
    SettingsError
        When they are not whole numbers from 0 up with commas between.
    """
    if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", text):
        raise SettingsError(f"{text!r} is no plane: write its number, such as 7, or 0,7 for two.")
    return tuple(int(number) for number in text.split(","))
