"""Label images as TIFF, with the pixel's size where ImageJ, Fiji and OME readers look for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cfr_icl._errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.exports.label_image import LabelImage

IMAGEJ_TYPES = ("uint8", "uint16")
IMAGEJ_AXES = 4
"""T, Z, Y and X; its channels would be drawn in colours of their own."""
OME_TYPES = (*IMAGEJ_TYPES, "int8", "int16", "int32", "uint32")
OME_SUFFIXES = (".ome.tif", ".ome.tiff")


def write_tiff(part: Path, image: LabelImage, name: str) -> None:
    """Write all planes, losslessly compressed.

    Parameters
    ----------
    part : Path
        Where to.
    image : LabelImage
        Written in its own type where TIFF readers know it; wider ones in the narrowest that holds
        all ids.
    name : str
        The file's final name: one that ends in .ome.tif is written as OME-TIFF, others as ImageJ
        does, or as OME-TIFF where ImageJ has no place for them.

    Raises
    ------
    OutputError
        When an id is too large for any type.
    """
    labels = _storable(image.labels)
    as_ome = name.lower().endswith(OME_SUFFIXES) or not _fits_imagej(labels)
    options: dict[str, Any] = _ome(image) if as_ome else _imagej(image)
    tifffile.imwrite(part, labels, compression="zlib", photometric="minisblack", **options)


def _storable(labels: NDArray[Any]) -> NDArray[Any]:
    labels = np.ascontiguousarray(labels)
    if labels.dtype.name in OME_TYPES:
        return labels.astype(labels.dtype.newbyteorder("="), copy=False)
    lowest, highest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    for kind in ("uint8", "uint16", "uint32", "int32"):
        limits = np.iinfo(kind)
        if limits.min <= lowest and highest <= limits.max:
            return labels.astype(kind)
    raise OutputError(f"The id {highest} is too large for a TIFF: number the objects anew.")


def _fits_imagej(labels: NDArray[Any]) -> bool:
    """True where ImageJ knows the type and the axes, and readers find all of them again."""
    # tifffile takes a last axis of one pixel for the samples of each pixel, and loses it.
    return labels.dtype.name in IMAGEJ_TYPES and labels.ndim <= IMAGEJ_AXES and labels.shape[-1] > 1


def _ascii(unit: str) -> str:
    """A unit as ImageJ writes it: its descriptions know no other letters."""
    return unit.replace("µ", "u").replace("μ", "u").encode("ascii", "backslashreplace").decode()


def _imagej(image: LabelImage) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": image.axes, "unit": _ascii(image.units[-1])}
    if "Z" in image.axes:
        metadata["spacing"] = float(image.scale[image.axes.index("Z")])
    if "T" in image.axes:
        metadata["finterval"] = float(image.scale[image.axes.index("T")])
    resolution = tuple(1 / abs(size) for size in (image.scale[-1], image.scale[-2]))
    return {"imagej": True, "resolution": resolution, "metadata": metadata}


def _ome(image: LabelImage) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": image.axes.replace("Q", "C"), "Name": image.image_name}
    for letter, size, unit in zip(image.axes, image.scale, image.units, strict=True):
        if letter in "XYZ":
            metadata[f"PhysicalSize{letter}"] = abs(float(size))
            metadata[f"PhysicalSize{letter}Unit"] = unit
        elif letter == "T":
            metadata["TimeIncrement"] = abs(float(size))
    return {"ome": True, "metadata": metadata}
