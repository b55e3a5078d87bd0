"""Image and label files of any format, opened: axes, shape and type, and pixels when asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from PIL import Image

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.images.decode_errors import explained_damage
from napari_cfr_icl.images.decoded import DecodedArray
from napari_cfr_icl.images.image_file import ImageFile
from napari_cfr_icl.images.lossy import refuse_lossy
from napari_cfr_icl.images.ome_zarr import is_zarr, open_pyramid
from napari_cfr_icl.images.orientation import STORED, TAG
from napari_cfr_icl.images.photos import deep_channels, ids_of, opened_photo, pixels_of
from napari_cfr_icl.images.tiff_files import open_tiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    _Decode = Callable[[Image.Image | NDArray[Any]], NDArray[Any]]

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".npy")
"""Endings of the files that are taken for images in a folder."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY_START = b"\x93NUMPY"


def is_readable(path: Path) -> bool:
    """True for Zarr, and for files with one of the endings that can be read as an image."""
    return path.suffix.lower() in SUFFIXES or is_zarr(path)


def open_image(path: Path, series: str | None = None) -> ImageFile:
    """An image; its pixels are read when they are asked for, in parts where the format allows it.

    The content tells the format, and the ending only where the content does not. Colours are RGB
    without alpha, as palettes and CMYK show them.

    Parameters
    ----------
    path : Path
        Its file, or Zarr folder.
    series : str, optional
        Number or name of the picture, where a file holds several; by default the first of the
        largest, which `ImageFile.assumption` says.

    Raises
    ------
    ImageError
        When it is missing, unreadable, or larger than the memory.
    SettingsError
        When there is no such series.
    """
    return _open(path, pixels_of, series)


def open_labels(path: Path) -> ImageFile:
    """As `open_image`, but pixels of a palette are its indices.

    Raises
    ------
    ImageError
        When it is missing, unreadable, or larger than the memory.
    MaskError
        When it is compressed in a way that changes numbers.
    """
    return _open(path, ids_of)


def _open(path: Path, decode: _Decode, series: str | None = None) -> ImageFile:
    if is_zarr(path):
        return open_pyramid(path, series)
    if path.is_dir():
        raise ImageError(f"{path} is a folder without a Zarr image: choose a file.")
    with explained_damage(path):
        with path.open("rb") as stream:
            start = stream.read(len(_NPY_START))
        suffix = path.suffix.lower()
        if start.startswith(_TIFF_STARTS) or suffix in TIFF_SUFFIXES:
            return open_tiff(path, series, in_colour=decode is pixels_of)
        if start == _NPY_START or suffix == ".npy":
            return ImageFile(path, [np.load(path, mmap_mode="r", allow_pickle=False)])
    return _open_photo(path, decode)


def _open_photo(path: Path, decode: _Decode) -> ImageFile:
    with opened_photo(path) as photo:
        if decode is ids_of:
            refuse_lossy(path, path.read_bytes())
        deep = deep_channels(photo)
        blank = np.zeros((1, 1, deep), np.uint16) if deep else Image.new(photo.mode, (1, 1))
        sample = decode(blank)
        shape = (photo.height, photo.width, *sample.shape[2:])
        pixels = DecodedArray(path, shape, sample.dtype, partial(_decoded, path, decode, deep))
        exif = photo.getexif() if "exif" in photo.info else {}
        count = getattr(photo, "n_frames", 1)
        note = f"{path} holds {count} pictures: the first is taken." if count > 1 else ""
        return ImageFile(path, [pixels], "YXS"[: len(shape)], int(exif.get(TAG, STORED)), note)


def _decoded(path: Path, decode: _Decode, deep: int) -> NDArray[Any]:
    if deep:
        return decode(imagecodecs.png_decode(path.read_bytes()))
    with opened_photo(path) as photo:
        return decode(photo)
