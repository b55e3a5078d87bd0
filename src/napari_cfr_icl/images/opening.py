"""Image and label files of any format, opened: axes, shape and type, and pixels when asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import tifffile
from PIL import Image

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.images.decode_errors import explained_damage
from napari_cfr_icl.images.image_file import ImageFile
from napari_cfr_icl.images.ome_zarr import is_zarr, open_pyramid
from napari_cfr_icl.images.orientation import STORED, TAG
from napari_cfr_icl.images.photos import ids_of, opened_photo, pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".npy")
"""Endings of the files that are taken for images in a folder."""

MOST_COMPRESSION = 10_000
"""No image is packed tighter than this; a file that says so is damaged, and would fill the memory
of the machine with nothing."""

HARMLESS_BYTES = 2**28
"""So many bytes do no harm, whatever their file's size."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG = (6, 7)  # compression of a TIFF
_NPY_START = b"\x93NUMPY"


class DecodedArray:
    """Pixels that can only be decoded all at once, which is done when they are first needed.

    Parameters
    ----------
    path : Path
        Their file.
    shape : tuple of int
        As the file's header promises.
    dtype : dtype
        Type of the pixels.
    decode : callable
        Returns the pixels.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: Any, decode: Callable[[], NDArray[Any]]
    ) -> None:
        self._path, self._decode = path, decode
        self.shape, self.dtype = shape, np.dtype(dtype)
        promised = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        if promised > max(HARMLESS_BYTES, MOST_COMPRESSION * path.stat().st_size):
            raise ValueError(f"a file of this size cannot hold {promised / 1e9:.0f} GB of pixels")
        free = psutil.virtual_memory().available
        if promised > max(HARMLESS_BYTES, free):
            raise ImageError(
                f"{path} needs {promised / 1e9:.0f} GB of memory, and {free / 1e9:.0f} GB are "
                "free: convert it to OME-Zarr or an uncompressed TIFF, which are read in parts."
            )

    def __getitem__(self, index: Any) -> NDArray[Any]:
        pixels: NDArray[Any] = self._pixels[index]
        return pixels

    @cached_property
    def _pixels(self) -> NDArray[Any]:
        with explained_damage(self._path):
            pixels = np.asarray(self._decode())
            if pixels.shape != self.shape:
                raise ValueError(f"{pixels.shape} pixels where {self.shape} were promised")
            pixels.setflags(write=False)
            return pixels


def is_readable(path: Path) -> bool:
    """True for Zarr, and for files with one of the endings that can be read as an image."""
    return path.suffix.lower() in SUFFIXES or is_zarr(path)


def open_image(path: Path) -> ImageFile:
    """An image; its pixels are read when they are asked for, in parts where the format allows it.

    The content tells the format, and the ending only where the content does not. Colours are RGB
    without alpha, as palettes and CMYK show them.

    Raises
    ------
    ImageError
        When it is missing, unreadable, or larger than the memory.
    """
    return _open(path, pixels_of)


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


def _open(path: Path, decode: Callable[[Image.Image], NDArray[Any]]) -> ImageFile:
    if is_zarr(path):
        return ImageFile(path, *open_pyramid(path))
    if path.is_dir():
        raise ImageError(f"{path} is a folder without a Zarr image: choose a file.")
    with explained_damage(path):
        with path.open("rb") as stream:
            start = stream.read(len(_NPY_START))
        suffix = path.suffix.lower()
        if start.startswith(_TIFF_STARTS) or suffix in TIFF_SUFFIXES:
            return _open_tiff(path, in_colour=decode is pixels_of)
        if start == _NPY_START or suffix == ".npy":
            return ImageFile(path, [np.load(path, mmap_mode="r", allow_pickle=False)])
    return _open_photo(path, decode)


def _open_tiff(path: Path, *, in_colour: bool) -> ImageFile:
    with tifffile.TiffFile(path) as tiff:
        if not len(tiff.series):  # what is left of a file whose first page cannot be found
            raise ValueError("there are no pixels in it")
        series = tiff.series[0]
        axes, shape, dtype = series.axes, tuple(series.shape), series.dtype
        if not in_colour and series.keyframe.compression in _JPEG:
            raise _lossy(path)
        tag = series.keyframe.tags.get(TAG)
        # ImageJ writes how it draws grey pixels as a palette, too.
        colours = None if tiff.is_imagej or not in_colour else series.keyframe.colormap
    if not in_colour and axes.startswith("S"):
        axes = axes.replace("S", "Q")  # three planes of labels, which many programs call RGB
    orientation = STORED if tag is None else int(tag.value)
    if colours is not None:
        palette = np.asarray(colours >> 8, np.uint8).T
        indexed = DecodedArray(
            path, (*shape, 3), np.uint8, lambda: palette[np.asarray(tifffile.imread(path))]
        )
        return ImageFile(path, [indexed], f"{axes}S", orientation)
    try:
        pixels: Any = tifffile.memmap(path, mode="r")
    except ValueError:  # compressed, or in pieces
        pixels = DecodedArray(path, shape, dtype, lambda: tifffile.imread(path))
    return ImageFile(path, [pixels], axes, orientation)


def _open_photo(path: Path, decode: Callable[[Image.Image], NDArray[Any]]) -> ImageFile:
    def decoded() -> NDArray[Any]:
        with opened_photo(path) as photo:
            return decode(photo)

    with opened_photo(path) as photo:
        if decode is ids_of and photo.format == "JPEG":
            raise _lossy(path)
        sample = decode(Image.new(photo.mode, (1, 1)))
        shape = (photo.height, photo.width, *sample.shape[2:])
        pixels = DecodedArray(path, shape, sample.dtype, decoded)
        exif = photo.getexif() if "exif" in photo.info else {}
        return ImageFile(path, [pixels], "YXS"[: len(shape)], int(exif.get(TAG, STORED)))


def _lossy(path: Path) -> MaskError:
    return MaskError(
        f"{path} is compressed as JPEG, which changes ids: save labels as PNG or TIFF."
    )
