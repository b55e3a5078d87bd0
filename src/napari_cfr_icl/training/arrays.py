"""Planes of image and label files: one picture with its labels, out of files of any layout."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.evaluation.readers.images import SUFFIXES, read_labels, read_pixels, shape_of
from napari_cfr_icl.evaluation.readers.zarr_folders import is_zarr, open_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def is_readable(path: Path) -> bool:
    """Whether a file or folder has an ending that can be read as an image."""
    return path.suffix.lower() in SUFFIXES or is_zarr(path)


def label_shape(path: Path) -> tuple[int, ...]:
    """Shape of a label image or stack, without axes of length 1, the last two being the picture.

    Raises
    ------
    ImageError
        When the file is missing or unreadable.
    """
    shape = open_zarr(path).shape if is_zarr(path) else shape_of(path)
    return _squeezed(tuple(shape))


def planes(path: Path) -> Iterator[tuple[int, ...]]:
    """Index of every plane of a label stack; one empty index for a single picture."""
    yield from np.ndindex(label_shape(path)[:-2])


def label_plane(path: Path, index: tuple[int, ...]) -> NDArray[np.int32]:
    """One plane of a label image or stack: int32 of shape (rows, columns).

    Ids too large for that get the lowest numbers that are free.

    Raises
    ------
    MaskError
        When the pixels are no whole numbers from 0 up.
    """
    labels: Any = open_zarr(path) if is_zarr(path) else _labels_once(path, _stamp(path))
    if is_zarr(path) and labels.dtype.kind not in "ui":
        raise MaskError(f"{path} must hold one whole number for each pixel, not {labels.dtype}.")
    plane = np.asarray(labels[_full_index(tuple(labels.shape), index)])
    if plane.size and plane.min() < 0:
        raise MaskError(f"{path} must hold whole numbers from 0 up, not {plane.min()}.")
    return _narrowed(plane)


def _narrowed(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Ids as int32; programs that make them of a hash or a time have larger ones."""
    large = labels > np.iinfo(np.int32).max
    if not large.any():
        return labels.astype(np.int32)
    narrow = np.where(large, 0, labels).astype(np.int32)
    ids, numbers = np.unique(labels[large], return_inverse=True)
    taken = np.unique(narrow)
    free = np.setdiff1d(np.arange(1, len(ids) + len(taken) + 1), taken)
    narrow[large] = free[numbers]
    return narrow


def image_plane(path: Path, shape: tuple[int, ...], index: tuple[int, ...]) -> NDArray[Any]:
    """One plane of an image or stack: (rows, columns) or (rows, columns, channels), of any type.

    Parameters
    ----------
    path : Path
        The image.
    shape : tuple of int
        Of its label image; the axis that the labels lack holds the channels.
    index : tuple of int
        Which plane.

    Raises
    ------
    MaskError
        When image and labels do not have the same size.
    """
    pixels: Any = open_zarr(path) if is_zarr(path) else _pixels_once(path, _stamp(path))
    found = tuple(pixels.shape)
    if _squeezed(found) == shape:
        return np.asarray(pixels[_full_index(found, index)])
    for axis in reversed(range(len(found))):
        if _squeezed(found[:axis] + found[axis + 1 :]) == shape:
            wanted: list[Any] = list(_full_index(found[:axis] + found[axis + 1 :], index))
            wanted.insert(axis, slice(None))
            plane = np.asarray(pixels[tuple(wanted)])
            kept = [i for i, item in enumerate(wanted) if isinstance(item, slice)]
            return np.moveaxis(plane, kept.index(axis), -1)
    raise MaskError(f"The image is {_by(found)} pixels, its labels {_by(shape)}.")


def _full_index(shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int | slice, ...]:
    """The plane `index` of an array of `shape`: 0 on axes of length 1, all of the last two."""
    given = iter(index)
    leading = [0 if length == 1 else next(given) for length in shape[:-2]]
    return (*leading, slice(None), slice(None))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without leading axes of length 1, as long as two axes are left."""
    leading = [length for length in shape[:-2] if length != 1]
    return (*leading, *shape[-2:])


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise ImageError(f"There is no file {path}.") from error


@lru_cache(maxsize=2)  # the planes of a stack are asked for one after the other
def _pixels_once(path: Path, _stamp: int) -> NDArray[Any]:
    return read_pixels(path)


@lru_cache(maxsize=2)
def _labels_once(path: Path, _stamp: int) -> NDArray[Any]:
    return read_labels(path)
