"""Planes of image and label files: one picture with its labels, out of files of any layout.

Zarr is read plane by plane. Of other files the one that was read last is kept, for the planes of a
stack are asked for one after the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.images.files import (
    read_labels,
    read_pixels,
    shape_of,
    whole_numbers,
)
from napari_cfr_icl.images.ome_zarr import is_zarr, open_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def label_shape(path: Path) -> tuple[int, ...]:
    """Shape of a label image or stack, without axes of length 1, the last two being the picture.

    Raises
    ------
    ImageError
        When the file is missing or unreadable.
    """
    return _squeezed(shape_of(path))


def plane_indices(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Index of every plane of labels of this `label_shape`; an empty one for a single picture."""
    yield from np.ndindex(shape[:-2])


def label_plane(path: Path, index: tuple[int, ...]) -> NDArray[Any]:
    """One plane of a label image or stack: whole numbers, (rows, columns).

    Raises
    ------
    MaskError
        When the pixels are no whole numbers.
    ImageError
        When the file is missing or unreadable.
    """
    if is_zarr(path):
        labels = open_zarr(path)
        return whole_numbers(path, np.asarray(labels[_full_index(labels.shape, index)]))
    kept = _labels_once(path, _stamp(path))
    return kept[_full_index(kept.shape, index)]


def image_plane(path: Path, shape: tuple[int, ...], index: tuple[int, ...]) -> NDArray[Any]:
    """One plane of an image or stack: (rows, columns) or (rows, columns, channels), of any type.

    Parameters
    ----------
    path : Path
        The image.
    shape : tuple of int
        Of its labels, as `label_shape` gives it; the last axis that they lack holds the channels,
        so that (3, rows, columns) is found, too.
    index : tuple of int
        Which plane.

    Raises
    ------
    MaskError
        When image and labels do not have the same size.
    ImageError
        When the file is missing or unreadable.
    """
    pixels = open_zarr(path) if is_zarr(path) else _pixels_once(path, _stamp(path))
    found = pixels.shape
    if _squeezed(found) == shape:
        return np.asarray(pixels[_full_index(found, index)])
    for axis in reversed(range(len(found))):
        others = found[:axis] + found[axis + 1 :]
        if _squeezed(others) == shape:
            wanted = list(_full_index(others, index))
            wanted.insert(axis, slice(None))
            plane = np.asarray(pixels[tuple(wanted)])
            kept = [i for i, part in enumerate(wanted) if isinstance(part, slice)]
            return np.moveaxis(plane, kept.index(axis), -1)
    raise MaskError(f"{path} has {by(found)} pixels, its labels {by(shape)}.")


def _kept_axes(shape: tuple[int, ...]) -> list[int]:
    """All axes but those of length 1, as long as two are left."""
    kept = list(range(len(shape)))
    for axis, length in enumerate(shape):
        if length == 1 and len(kept) > 2:
            kept.remove(axis)
    return kept


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in _kept_axes(shape))


def _full_index(shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int | slice, ...]:
    """The plane `index` of an array of `shape`: 0 on axes that are not kept, all of the picture."""
    *stacked, rows, cols = _kept_axes(shape)
    full: list[int | slice] = [0] * len(shape)
    for axis, number in zip(stacked, index, strict=True):
        full[axis] = number
    full[rows] = full[cols] = slice(None)
    return tuple(full)


def by(shape: tuple[int, ...]) -> str:
    """A shape as people write it: "3 x 512 x 512"."""
    return " x ".join(str(length) for length in shape)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file is written anew."""
    try:
        facts = path.stat()
    except OSError as error:
        raise ImageError(f"There is no file {path}.") from error
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


@lru_cache(maxsize=1)
def _pixels_once(path: Path, _stamp: tuple[int, ...]) -> NDArray[Any]:
    return _for_all(read_pixels(path))


@lru_cache(maxsize=1)
def _labels_once(path: Path, _stamp: tuple[int, ...]) -> NDArray[Any]:
    return _for_all(read_labels(path))


def _for_all(array: NDArray[Any]) -> NDArray[Any]:
    """The array as one that nobody may change, for others will be given the same."""
    array.setflags(write=False)
    return array
