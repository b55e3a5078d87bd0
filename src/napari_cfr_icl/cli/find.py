"""The command `find`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.cli.arguments import flags, make
from napari_cfr_icl.cli.find_options import FindCommandOptions
from napari_cfr_icl.cli.segment import Plane, parse_plane


@flags(FindCommandOptions)
def find(
    image: Annotated[
        Path,
        Parameter(name="IMAGE", help="TIFF, PNG, JPEG, NPY, Zarr or OME-Zarr, ..., or a folder"),
    ],
    /,
    *,
    plane: Plane = None,
    region: Annotated[
        str | None, Parameter(help="Part to search: TOP,LEFT,HEIGHT,WIDTH in pixels.")
    ] = None,
    **options: Any,
) -> None:
    """Find the other objects of a kind from a few that are finished.

    The labels are written whole or not at all: the examples with their ids, then what was found,
    the surest first. A stack is searched plane by plane, where the labels have as many, and objects
    that overlap get one id. In a folder the examples of some images teach for all.
    """
    options["image"] = image
    options["plane"] = None if plane is None else parse_plane(plane)
    options["region"] = None if region is None else parse_region(region)
    chosen = make(FindCommandOptions, options)
    # Here and not above: it loads torch, which --help and most mistakes need not wait for.
    from napari_cfr_icl.cli import finding

    if text := finding.run(chosen):
        print(text)


def parse_region(text: str) -> tuple[int, ...]:
    """A region written as TOP,LEFT,HEIGHT,WIDTH.

    Raises
    ------
    SettingsError
        When it is written otherwise, or empty.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) != 4 or not all(word.isdecimal() for word in words) or "0" in words[2:]:
        raise SettingsError(
            f"{text!r} is no region: write TOP,LEFT,HEIGHT,WIDTH in pixels, such as 0,0,512,512."
        )
    return tuple(int(word) for word in words)
