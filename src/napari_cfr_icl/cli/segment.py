"""The command `segment`: its words, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from napari_cfr_icl._errors import ClickError, SettingsError
from napari_cfr_icl.cli.request import SegmentRequest
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.settings import PRESETS
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL


def segment(  # noqa: PLR0913 - options are arguments here
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="TIFF, PNG, JPEG, NPY, Zarr or OME-Zarr, ...")
    ],
    out: Annotated[
        Path, typer.Option(metavar="MASK.tif", help="The mask: 1 on the object, 0 elsewhere.")
    ],
    clicks: Annotated[
        list[str] | None,
        typer.Option(
            "--click",
            metavar="ROW,COL,+|-",
            help="A click on the object (+) or on the background (-); as many as you like.",
        ),
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(metavar="MASK", help="A mask to correct; all but 0 is object.")
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="See `models list`.")
    ] = DEFAULT_MODEL,
    inference: Annotated[
        str | None,
        typer.Option(metavar="std|cfr-N|a-cfr-N", help="[default: as the preset says]"),
    ] = None,
    threshold: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="a-cfr-N stops once a step changes fewer pixels than this."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="|".join(PRESETS))] = PRESETS[0],
    precision: Annotated[
        str,
        typer.Option(
            metavar="float32|fast",
            help="fast tries for some seconds which arithmetic is the quickest here: it pays for "
            "large models and many clicks.",
        ),
    ] = "float32",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps")] = "auto",
    plane: Annotated[
        str | None, typer.Option(metavar="Z[,...]", help="Plane of a stack, counted from 0.")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(metavar="LETTERS", help="Axes of IMAGE, where the file leaves it open: CYX."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="TRACE.json", help="What every pass of every click did."),
    ] = None,
) -> None:
    """Click an object out of an image.

    Clicks are made one after the other, each going on from the mask before. Rows and columns count
    from 0 at the top left. The mask is written whole or not at all.
    """
    request = SegmentRequest(
        image=image,
        out=out,
        clicks=Clicks(map(parse_click, clicks or [])),
        previous=previous,
        model=model,
        inference=inference,
        threshold=threshold,
        preset=preset,
        precision=precision,
        device=device,
        plane=None if plane is None else parse_plane(plane),
        axes=axes,
        trace=trace,
    )
    request.check()
    # Here and not above: it loads torch, which --help and most mistakes need not wait for.
    from napari_cfr_icl.cli.segmentation import run

    typer.echo(run(request))


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
