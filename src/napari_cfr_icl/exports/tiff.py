"""Label images as TIFF, with the pixel's size where ImageJ, Fiji and OME readers look for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.exports.label_image import PIXEL
from napari_cfr_icl.images.pixel_sizes import METRES, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.exports.label_image import LabelImage

IMAGEJ_TYPES = ("uint8", "uint16")
IMAGEJ_AXES = ("YX", "ZYX", "TYX", "TZYX")
"""Its channels would be drawn in colours of their own."""
_FINEST = 1e-5
"""ImageJ's resolutions are fractions of 32-bit numbers: neither this nor its inverse is rounded."""

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
    as_ome = name.lower().endswith(OME_SUFFIXES) or not _fits_imagej(labels, image)
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


def _fits_imagej(labels: NDArray[Any], image: LabelImage) -> bool:
    """True where ImageJ knows the type, the axes and the units, and readers find them again."""
    # tifffile takes a last axis of one pixel for the samples of each pixel, and loses it.
    fits = labels.dtype.name in IMAGEJ_TYPES and labels.shape[-1] > 1
    lengths = {unit for letter, unit in _units(image).items() if letter != "T"}
    has_unit = (lengths <= METRES.keys() or len(lengths) == 1) and _imagej_unit(image) is not None
    return fits and image.axes in IMAGEJ_AXES and has_unit


def _units(image: LabelImage) -> dict[str, str]:
    return dict(zip(image.axes, image.units, strict=True))


def _sizes(image: LabelImage) -> dict[str, float]:
    return {letter: abs(float(n)) for letter, n in zip(image.axes, image.scale, strict=True)}


def _has_interval(units: dict[str, str], sizes: dict[str, float]) -> bool:
    """True where somebody has said how much time lies between two points in it."""
    return "T" in sizes and (units["T"] in SECONDS or (units["T"] == PIXEL and sizes["T"] != 1))


def _converted(size: float, unit: str, target: str, table: dict[str, float]) -> float:
    """A size in another unit; as it is where it has that unit, or none of the table's."""
    return size if unit == target or unit not in table else size * table[unit] / table[target]


def _ascii(unit: str) -> str:
    """A unit as ImageJ writes it: its descriptions know no other letters."""
    return unit.replace("µ", "u").replace("μ", "u").encode("ascii", "backslashreplace").decode()


def _imagej(image: LabelImage) -> dict[str, Any]:
    units, sizes = _units(image), _sizes(image)
    unit = _imagej_unit(image) or PIXEL
    lengths = {
        letter: _converted(size, units[letter], unit, METRES) for letter, size in sizes.items()
    }
    metadata: dict[str, Any] = {"axes": image.axes, "unit": _ascii(unit)}
    if "Z" in sizes:
        metadata["spacing"] = lengths["Z"]
    if _has_interval(units, sizes):
        metadata["finterval"] = _converted(sizes["T"], units["T"], "s", SECONDS)
    resolution = (1 / lengths["X"], 1 / lengths["Y"])
    return {"imagej": True, "resolution": resolution, "metadata": metadata}


def _imagej_unit(image: LabelImage) -> str | None:
    """One unit for all lengths: the columns', or one in which the resolution is not rounded off."""
    units, sizes = _units(image), _sizes(image)
    for unit in (units["X"], "µm", "nm", "mm", "m", "pm"):
        if all(
            _FINEST < _converted(sizes[letter], units[letter], unit, METRES) < 1 / _FINEST
            for letter in "YX"
        ):
            return unit
    return None


def _ome(image: LabelImage) -> dict[str, Any]:
    name = image.image_name.encode("utf-8", "backslashreplace").decode()
    metadata: dict[str, Any] = {"axes": image.axes.replace("Q", "C"), "Name": name}
    units, sizes = _units(image), _sizes(image)
    for letter in sizes.keys() & set("XYZ"):
        metadata[f"PhysicalSize{letter}"] = sizes[letter]
        known = units[letter] in METRES or units[letter] == PIXEL
        metadata[f"PhysicalSize{letter}Unit"] = units[letter] if known else "reference frame"
    if _has_interval(units, sizes):
        metadata["TimeIncrement"] = sizes["T"]
        metadata["TimeIncrementUnit"] = units["T"] if units["T"] in SECONDS else "s"
    return {"ome": True, "metadata": metadata}
