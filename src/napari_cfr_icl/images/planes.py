"""Images with their labels, plane by plane, out of files of any layout.

Labels tell the layout of their image: a stack has the planes of its labels, and the axis that the
labels lack holds the channels. The last two files are kept, for the planes of a stack are asked for
one after the other.
"""

from __future__ import annotations

import logging
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.images.image_file import ImageFile, by
from napari_cfr_icl.images.ome_zarr import is_zarr
from napari_cfr_icl.images.opening import open_image, open_labels
from napari_cfr_icl.images.orientation import is_transposed, upright
from napari_cfr_icl.images.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_MOST_BETWEEN = 0.2
"""Share of the pixels at edges. In twenty data sets at most 0.05 are, in smoothed labels 0.33 and
more."""


_MOST_FLOAT = 2.0**63
"""Floats from here on, and infinity, are no 64-bit integers."""


def label_shape(path: Path) -> tuple[int, ...]:
    """Shape of a label image or stack, without axes of length 1, the last two being the picture.

    Raises
    ------
    ImageError
        When the file is missing or unreadable.
    """
    labels = _opened(path, open_labels)
    colours = _colour_axis(labels)
    return squeezed_shape(labels.shape if colours is None else labels.shape[:-1])


def label_plane(path: Path, index: tuple[int, ...] = ()) -> NDArray[Any]:
    """One plane of a label image or stack: whole numbers, (rows, columns).

    Palettes give their indices, colours that are all grey their grey value; whole floats and
    booleans are taken for numbers.

    Raises
    ------
    MaskError
        When the pixels are no whole numbers.
    ImageError
        When the file is missing or unreadable.
    """
    labels = _opened(path, open_labels)
    plane = _plane_like(labels, label_shape(path), index, [_colour_axis(labels)])
    if plane is None:
        raise MaskError(f"{path} must be an image of rows and columns, not {by(labels.shape)}.")
    if labels.note:
        _warn_once(labels.note)
    ids = single_channel(path, plane.read(labels.levels[0]))
    if ids.dtype.kind == "f" and (np.abs(ids) < _MOST_FLOAT).all() and (ids == np.round(ids)).all():
        ids = ids.astype(np.int64)
    if ids.dtype.kind == "b":
        ids = ids.astype(np.uint8)
    if ids.dtype.kind not in "ui":
        raise MaskError(f"{path} must hold one whole number for each pixel, not {ids.dtype}.")
    if _is_smoothed(ids):
        raise MaskError(
            f"{path} was smoothed: along the edges of its objects lie numbers in between, as "
            "anti-aliasing, resizing and JPEG leave them, and each would count as an object. Save "
            "it as it was drawn, or resize it by nearest neighbour."
        )
    return _frozen(ids)


def _is_smoothed(ids: NDArray[Any]) -> bool:
    """True where most is flat, and many pixels at its edges are between their neighbours.

    A pixel of a true label image has the lowest or the highest number around it, but for corners
    where three objects meet.
    """
    if min(ids.shape) < 3:
        return False
    lowest, highest = (
        extreme(extreme(ids[:, :-2], ids[:, 1:-1]), ids[:, 2:])
        for extreme in (np.minimum, np.maximum)
    )
    lowest = np.minimum(np.minimum(lowest[:-2], lowest[1:-1]), lowest[2:])
    highest = np.maximum(np.maximum(highest[:-2], highest[1:-1]), highest[2:])
    inner = ids[1:-1, 1:-1]
    edges = np.count_nonzero(lowest < highest)
    between = np.count_nonzero((lowest < inner) & (inner < highest))
    return bool(between > _MOST_BETWEEN * edges and edges < inner.size / 2)


def single_channel(path: Path, pixels: NDArray[Any]) -> NDArray[Any]:
    """Numbers (rows, columns) of a mask that was perhaps saved as grey or one colour in RGB.

    What is transparent is background. One colour on black is the number 1.

    Raises
    ------
    MaskError
        When there are several colours.
    """
    if pixels.ndim == 2:
        return pixels
    colours = pixels
    if pixels.shape[-1] in (2, 4):
        colours, alpha = pixels[..., :-1], pixels[..., -1]
        if alpha.any():  # else it was never meant
            colours = np.where(alpha[..., np.newaxis] > alpha.max() / 2, colours, 0)
    if (colours == colours[..., :1]).all():
        return colours[..., 0]
    painted = colours.any(axis=-1)
    if (colours[painted] == colours[painted][0]).all():
        return np.asarray(painted, np.uint8)
    raise MaskError(
        f"{path} has channels, {by(pixels.shape)}: a mask needs one whole number for each pixel."
    )


def image_plane(path: Path, shape: tuple[int, ...], index: tuple[int, ...] = ()) -> NDArray[Any]:
    """One plane of an image or stack: (rows, columns) or (rows, columns, channels), of any type.

    Parameters
    ----------
    path : Path
        The image.
    shape : tuple of int
        Of its labels, as `label_shape` gives it. Labels that fit only the picture as its EXIF
        orientation turns it were drawn on that, so it is turned for them.
    index : tuple of int
        The plane's place in the stack.

    Raises
    ------
    MaskError
        When image and labels do not have the same size.
    ImageError
        When the file is missing or unreadable.
    """
    image = _opened(path, open_image)
    if doubt := orientation_doubt(path, shape):
        _warn_once(doubt)
    plane = _plane_like(image, shape, index, _channel_axes(image))
    if plane is not None:
        return _frozen(plane.read(image.levels[0]))
    turned = (*shape[:-2], shape[-1], shape[-2])
    plane = _plane_like(image, turned, index, _channel_axes(image))
    if plane is None or not is_transposed(image.orientation):
        raise MaskError(f"{path} has {by(image.shape)} pixels, its labels {by(shape)}.")
    return _frozen(upright(plane.read(image.levels[0]), image.orientation))


@cache
def _warn_once(doubt: str) -> None:
    """Warn, however often training reads the picture."""
    _log.warning(doubt)


def orientation_doubt(path: Path, shape: tuple[int, ...]) -> str:
    """Assumptions about a picture with labels of this shape; empty if there are none.

    Among it whether they were drawn on its stored pixels, or on those that EXIF turns.
    """
    image = _opened(path, open_image)
    if is_transposed(image.orientation) and shape[-1] != shape[-2]:
        return image.note
    return image.assumption or _channel_doubt(image, shape)


def _channel_doubt(image: ImageFile, shape: tuple[int, ...]) -> str:
    """A sentence where several axes may be the channels and the file names none of them."""
    if image.axes and image.axes == image.likely_axes:
        return ""
    origin = (0,) * (len(shape) - 2)
    fitting = [axis for axis in _channel_axes(image) if _plane_like(image, shape, origin, [axis])]
    if len(fitting) < 2 or fitting[0] is None:
        return ""
    return (
        f"{image.path} does not name its axes, {by(image.shape)}: axis {fitting[0]}, counted from "
        "0, is taken for the channels."
    )


def read_photo(path: Path, labels: Path | None = None) -> NDArray[np.uint8]:
    """A photo of the benchmarks' data sets: 8 bit, three channels, without alpha.

    Parameters
    ----------
    path : Path
        Its file.
    labels : Path, optional
        A mask of the same size, which tells how a photo with an EXIF orientation lies.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB. The upper 8 bits of 16-bit pictures.

    Raises
    ------
    ImageError
        When the file is missing or unreadable.
    """
    sized = _opened(labels or path, open_image).named(None)
    shape = tuple(sized.shape[sized.axes.index(letter)] for letter in "YX")
    pixels = _eight_bits(image_plane(path, shape))
    return np.repeat(pixels[..., np.newaxis], 3, axis=2) if pixels.ndim == 2 else pixels[..., :3]


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype.kind == "b":
        pixels = np.uint8(255) * pixels
    elif pixels.dtype.kind == "f":
        pixels = np.clip(np.nan_to_num(pixels), 0, 255)
    elif pixels.itemsize > 1:
        pixels = pixels >> 8
    return pixels.astype(np.uint8)


def squeezed_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of length 1 that come before rows and columns."""
    return tuple(shape[axis] for axis in kept_axes(shape))


def kept_axes(shape: tuple[int, ...]) -> list[int]:
    """The last two axes, which are rows and columns, and the others that are longer than 1."""
    drawn = len(shape) - 2
    return [axis for axis, length in enumerate(shape) if axis >= drawn or length != 1]


def _plane_like(
    image: ImageFile, shape: tuple[int, ...], index: tuple[int, ...], channels: Iterable[int | None]
) -> Plane | None:
    """The plane `index` of an image whose labels have this shape; None where they do not fit."""
    found = image.shape
    for channel_axis in channels:
        others = [axis for axis in range(len(found)) if axis != channel_axis]
        kept = [others[i] for i in kept_axes(tuple(found[axis] for axis in others))]
        if tuple(found[axis] for axis in kept) == shape:
            position = [0] * len(found)
            for axis, number in zip(kept[:-2], index, strict=True):
                position[axis] = number
            return Plane(kept[-2], kept[-1], channel_axis, tuple(position))
    return None


def _channel_axes(image: ImageFile) -> Iterator[int | None]:
    """Axes that may hold the channels, the likeliest first."""
    if image.channel_axis is not None:
        yield image.channel_axis
    if image.axes.endswith("S"):
        return
    yield None
    yield from reversed(range(len(image.shape)))


def _colour_axis(labels: ImageFile) -> int | None:
    """The last axis of labels that were saved in colour. Three planes are no colours."""
    return len(labels.shape) - 1 if labels.likely_axes[-1:] in ("S", "C") else None


def _frozen(pixels: NDArray[Any]) -> NDArray[Any]:
    """A copy that nobody may change, for others will be given the same."""
    pixels = np.array(pixels)
    pixels.setflags(write=False)
    return pixels


def _opened(path: Path, read: Callable[[Path], ImageFile]) -> ImageFile:
    if is_zarr(path):
        return read(path)
    try:
        facts = path.stat()
    except OSError as error:
        raise ImageError(f"There is no file {path}.") from error
    # These change when a file is written anew.
    return _kept(path, read, (facts.st_mtime_ns, facts.st_size, facts.st_ino))


@lru_cache(maxsize=2)  # an image and its labels
def _kept(path: Path, read: Callable[[Path], ImageFile], _stamp: tuple[int, ...]) -> ImageFile:
    return read(path)
