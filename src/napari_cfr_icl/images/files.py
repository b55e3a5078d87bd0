"""Image files become arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image, ImageOps

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.images.decode_errors import DAMAGE
from napari_cfr_icl.images.ome_zarr import is_zarr, open_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TIFF_SUFFIXES = (".tif", ".tiff")
PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SUFFIXES = (*TIFF_SUFFIXES, *PHOTO_SUFFIXES, ".npy")
"""Endings of the files that `read_pixels` reads."""

# What Pillow calls pictures whose pixels are numbers already; all others become RGB or grey.
_NUMERIC_MODES = ("L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def is_readable(path: Path) -> bool:
    """Whether a file or folder has an ending that can be read as an image, or is Zarr."""
    return path.suffix.lower() in SUFFIXES or is_zarr(path)


def read_photo(path: Path) -> NDArray[np.uint8]:
    """A photo as the benchmarks' own code reads it: turned upright, 8 bit, without alpha.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB. The upper 8 bits of 16-bit pictures.

    Raises
    ------
    ImageError
        When the file is missing or unreadable.
    """
    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in _WIDE_MODES:
            grey = (np.asarray(upright).astype(np.int64) >> 8).astype(np.uint8)
            return np.repeat(grey[..., np.newaxis], 3, axis=2)
        return np.asarray(upright.convert("RGB"))


def read_pixels(path: Path) -> NDArray[Any]:
    """The numbers in an image file, in the file's own type.

    Returns
    -------
    ndarray
        (rows, columns), (rows, columns, channels), or more axes for stacks. Photos are turned
        upright; alpha is left out.

    Raises
    ------
    ImageError
        When the file is missing, unreadable or of another kind than `SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if is_zarr(path):
        return np.asarray(open_zarr(path)[...])
    if suffix in TIFF_SUFFIXES:
        return _read_tiff(path)
    if suffix == ".npy":
        return _read_npy(path)
    if suffix not in PHOTO_SUFFIXES:
        raise ImageError(f"{path} is of no kind that can be read: {', '.join(SUFFIXES)}.")
    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in _NUMERIC_MODES:
            return np.asarray(upright)
        return np.asarray(upright.convert("L" if upright.mode in ("1", "LA") else "RGB"))


def read_labels(path: Path) -> NDArray[Any]:
    """The ids in a label image: whole numbers, (rows, columns) or more axes for stacks.

    Palette pictures give their indices, grey pictures saved as RGB their grey value.

    Raises
    ------
    MaskError
        When the pixels are no whole numbers.
    ImageError
        When the file is missing or unreadable.
    """
    if is_zarr(path) or path.suffix.lower() in (*TIFF_SUFFIXES, ".npy"):
        labels = read_pixels(path)
    else:
        with _opened(path) as picture:
            labels = np.asarray(picture)
        if labels.ndim == 3 and (labels == labels[..., :1]).all():
            labels = labels[..., 0]
    return whole_numbers(path, labels)


def whole_numbers(path: Path, labels: NDArray[Any]) -> NDArray[Any]:
    """Labels, or a plane of them, as integers; whole floats and booleans are taken for such.

    Raises
    ------
    MaskError
        When the pixels are no whole numbers.
    """
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "b":
        labels = labels.astype(np.uint8)
    if labels.dtype.kind not in "ui" or labels.ndim < 2 or (_is_photo(path) and labels.ndim != 2):
        raise MaskError(
            f"{path} must hold one whole number for each pixel, not {labels.dtype} of shape "
            f"{labels.shape}."
        )
    return labels


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES


def shape_of(path: Path) -> tuple[int, ...]:
    """The shape of the array that `read_labels` gives, without reading the pixels where possible.

    Raises
    ------
    ImageError
        When the file is missing or unreadable.
    """
    suffix = path.suffix.lower()
    if is_zarr(path):
        return open_zarr(path).shape
    try:
        if suffix in TIFF_SUFFIXES:
            with tifffile.TiffFile(path) as tiff:
                return tuple(tiff.series[0].shape)
        if suffix == ".npy":
            return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape)
        with Image.open(path) as picture:
            return picture.height, picture.width
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}.") from None
    except DAMAGE as error:
        raise ImageError(f"{path} cannot be read: {error}") from error


def read_indices(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A palette picture: its indices (rows, columns) and its colours (count, 3).

    Raises
    ------
    ImageError
        When the file is missing, unreadable or has no palette.
    """
    with _opened(path) as picture:
        palette = picture.getpalette("RGB")
        if picture.mode != "P" or palette is None:
            raise ImageError(f"{path} must be a picture with a palette, not {picture.mode}.")
        return np.asarray(picture), np.array(palette, np.uint8).reshape(-1, 3)


def _opened(path: Path) -> Image.Image:
    picture = None
    try:
        picture = Image.open(path)
        picture.load()
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}.") from None
    except DAMAGE as error:
        if picture is not None:
            picture.close()
        raise ImageError(f"{path} cannot be read: {error}") from error
    return picture


def _read_tiff(path: Path) -> NDArray[Any]:
    try:
        pixels = np.asarray(tifffile.imread(path))
        if not pixels.size:  # what is left of a file whose first page cannot be found
            raise ValueError("there are no pixels in it")
        return pixels
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}.") from None
    except DAMAGE as error:
        raise ImageError(f"{path} cannot be read: {error}") from error


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}.") from None
    except DAMAGE as error:
        raise ImageError(f"{path} cannot be read: {error}") from error
    return array
