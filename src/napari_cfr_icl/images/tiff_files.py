"""TIFF files: which of their pictures, which planes are in the file, colours and pixel sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.images.decoded import DecodedArray
from napari_cfr_icl.images.image_file import ImageFile, by
from napari_cfr_icl.images.lossy import TIFF_CODECS, refuse_lossy
from napari_cfr_icl.images.orientation import STORED, TAG
from napari_cfr_icl.images.pixel_sizes import tiff_sizes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

_INKS, _ALPHA = 5, (1, 2)  # photometric interpretation, and kinds of extra samples
_MOST_NAMED = 8

_Drawn = tuple["Callable[[NDArray[Any]], NDArray[Any]]", str, tuple[int, ...], np.dtype[Any]]
"""What to do with stored pixels, and axes, shape and type of the result."""


def open_tiff(path: Path, series: str | None, *, in_colour: bool) -> ImageFile:
    """One picture of a TIFF.

    Parameters
    ----------
    path : Path
        The file.
    series : str or None
        Number or name of the picture; None for the first of the largest.
    in_colour : bool
        Whether indices of a palette are given as the colours that they stand for.

    Raises
    ------
    MaskError
        When ids are wanted of a file whose compression changes them.
    SettingsError
        When there is no such series.
    """
    with tifffile.TiffFile(path) as tiff:
        if not len(tiff.series):  # what is left of a file whose first page cannot be found
            raise ValueError("there are no pixels in it")
        number, note = _chosen(path, tiff, series)
        chosen = tiff.series[number]
        axes, shape, dtype = chosen.axes, tuple(chosen.shape), chosen.dtype
        if not in_colour and chosen.keyframe.compression in TIFF_CODECS:
            tiff.filehandle.seek(chosen.keyframe.dataoffsets[0])
            refuse_lossy(path, tiff.filehandle.read(chosen.keyframe.databytecounts[0]))
        tag = chosen.keyframe.tags.get(TAG)
        # ImageJ writes how it draws grey pixels as a palette, too.
        drawn = None if tiff.is_imagej or not in_colour else _drawn(chosen)
        missing = _missing(chosen)
        notes = " ".join(filter(None, (note, _incomplete(path, tiff, chosen, missing))))
        sizes = tiff_sizes(tiff, number)
    if not in_colour and axes.startswith("S"):
        axes = axes.replace("S", "Q")  # three planes of labels, which many programs call RGB
    orientation = STORED if tag is None else int(tag.value)

    def decoded() -> NDArray[Any]:
        pixels: NDArray[Any] = tifffile.imread(path, series=number)
        return pixels

    if drawn is not None:
        convert, axes, shape, dtype = drawn
        seen = DecodedArray(path, shape, dtype, lambda: convert(decoded()), missing)
        return ImageFile(path, [seen], axes, orientation, notes, sizes)
    try:
        pixels: Any = tifffile.memmap(path, series=number, mode="r")
    except ValueError:  # compressed, or in pieces
        pixels = DecodedArray(path, shape, dtype, decoded, missing)
    return ImageFile(path, [pixels], axes, orientation, notes, sizes)


def _drawn(series: tifffile.TiffPageSeries) -> _Drawn | None:
    """Conversion of pixels that are no shades or colours; None where they are."""
    page, axes, shape = series.keyframe, series.axes, tuple(series.shape)
    if page.colormap is not None:
        palette = np.asarray(page.colormap >> 8, np.uint8).T
        return lambda pixels: palette[pixels], f"{axes}S", (*shape, 3), np.dtype(np.uint8)
    if "S" not in axes:
        return None
    samples, rest = axes.index("S"), axes.replace("S", "")
    places = tuple(side for letter, side in zip(axes, shape, strict=True) if letter != "S")
    if shape[samples] == len("CMYK") and page.photometric == _INKS and series.dtype.kind == "u":

        def mixed(pixels: NDArray[Any]) -> NDArray[Any]:
            paper = np.iinfo(pixels.dtype).max - np.moveaxis(pixels, samples, -1).astype(np.float64)
            light = paper[..., :3] * paper[..., 3:] / np.iinfo(pixels.dtype).max
            return np.rint(light).astype(pixels.dtype)

        return mixed, f"{rest}S", (*places, 3), series.dtype
    if shape[samples] == len("LA") and set(page.extrasamples) & set(_ALPHA):
        return lambda pixels: np.take(pixels, 0, samples), rest, places, series.dtype
    return None


def _chosen(path: Path, tiff: tifffile.TiffFile, wanted: str | None) -> tuple[int, str]:
    """Number of a series, and a sentence where it was not asked for and there are others."""
    names = [each.name for each in tiff.series]
    if wanted is not None:
        if wanted in names:
            return names.index(wanted), ""
        if wanted.isdecimal() and int(wanted) < len(names):
            return int(wanted), ""
        raise SettingsError(f"{path} has no series {wanted!r}: there are {_listed(tiff)}.")
    if len(names) == 1:
        return 0, ""
    # Thumbnails and labels of slides may come first, and are small.
    areas = [_area(each) for each in tiff.series]
    number = areas.index(max(areas))
    return number, (
        f"{path} holds {len(names)} pictures ({_listed(tiff)}): {number} is taken, the first of "
        "the largest. `segment --series` chooses another."
    )


def _area(series: tifffile.TiffPageSeries) -> int:
    sides = dict(zip(series.axes, series.shape, strict=True))
    return int(sides.get("Y", 0) * sides.get("X", 0))


def _listed(tiff: tifffile.TiffFile) -> str:
    listed = [
        f"{number}{f' {each.name!r}' if each.name else ''}, {by(each.shape)}"
        for number, each in enumerate(tiff.series[:_MOST_NAMED])
    ]
    return "; ".join([*listed, "and more"] if len(tiff.series) > _MOST_NAMED else listed)


def _missing(series: tifffile.TiffPageSeries) -> NDArray[np.bool_] | None:
    """The planes that are not in the file, by their index on the leading axes; None for none."""
    if series.dataoffset is not None:  # in one piece, so nothing is missing
        return None
    absent = np.array([page is None for page in series.pages])
    if not absent.any():
        return None
    return absent.reshape(series.shape[: len(series.shape) - series.keyframe.ndim])


def _incomplete(
    path: Path,
    tiff: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    missing: NDArray[np.bool_] | None,
) -> str:
    """A sentence on planes that the file promises, but does not hold."""
    if missing is not None:
        places = [tuple(place.tolist()) for place in np.argwhere(missing)[:3]]
        first = ", ".join(",".join(map(str, place)) for place in places)
        return (
            f"{missing.sum()} of {missing.size} planes of {path} are not there, the first are "
            f"{first}: a file beside it is missing, or the recording was stopped. They cannot be "
            "segmented."
        )
    promised = int((tiff.imagej_metadata or {}).get("images", 0))
    if promised > len(tiff.pages) and series.kind != "imagej":
        return f"{path} promises {promised} planes and holds {len(tiff.pages)}: it is incomplete."
    if not (series.kind == "imagej" and series.dataoffset is not None) and _is_cut_off(tiff):
        return f"{path} is cut off: planes after the first {len(tiff.pages)} are lost."
    return ""


def _is_cut_off(tiff: tifffile.TiffFile) -> bool:
    """True where the last page says that another one follows beyond the end of the file."""
    layout, file = tiff.tiff, tiff.filehandle
    file.seek(tiff.pages[len(tiff.pages) - 1].offset)
    count = int.from_bytes(file.read(layout.tagnosize), _order(tiff))
    file.seek(count * layout.tagsize, 1)
    following = int.from_bytes(file.read(layout.offsetsize), _order(tiff))
    return following >= file.size


def _order(tiff: tifffile.TiffFile) -> Any:
    return "little" if tiff.byteorder == "<" else "big"
