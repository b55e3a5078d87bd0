"""Image and mask files of any kind become one plane, read lazily where the file allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import tifffile
from PIL import Image, ImageOps

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import SAMPLE_SIDE, ImageSource, Plane
from napari_cfr_icl.images.decode_errors import DAMAGE
from napari_cfr_icl.images.files import PHOTO_SUFFIXES, TIFF_SUFFIXES, read_labels
from napari_cfr_icl.images.ome_zarr import is_zarr, open_pyramid
from napari_cfr_icl.images.opened import Opened
from napari_cfr_icl.zoo.file_kinds import FileKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

Result = TypeVar("Result")

MOST_COMPRESSION = 10_000
"""No image is packed tighter than this; a file that says so is damaged, and would fill the memory
of the machine with nothing."""

HARMLESS_BYTES = 2**28
"""So many bytes do no harm, whatever their file's size."""

_NO_IMAGES = (FileKind.WEB_PAGE, FileKind.TEXT, FileKind.EMPTY)

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY_START = b"\x93NUMPY"


def open_image(path: Path, axes: str | None, plane: tuple[int, ...] | None) -> ImageSource:
    """One plane of an image, to be read window by window.

    Parameters
    ----------
    path : Path
        Its file, or Zarr folder.
    axes : str or None
        A letter for each axis; None takes the file's word for it, or guesses.
    plane : tuple of int or None
        Number along each axis of a stack.

    Raises
    ------
    ImageError
        When it is missing, unreadable, or a stack of which no plane was chosen.
    SettingsError
        When the axes do not fit it.
    """
    opened = _open(path).named(axes)
    if 0 in opened.shape:
        raise ImageError(f"{path} is an image without pixels: its shape is {opened.shape}.")
    if opened.levels[0].dtype.kind not in "buif":
        raise ImageError(f"{path} holds {opened.levels[0].dtype}, not numbers that can be drawn.")
    chosen = opened.plane(plane)
    rendering = None if opened.is_photo else _rendering(opened.levels[-1], chosen)
    return ImageSource(list(opened.levels), rendering, chosen)


def open_arrays(path: Path) -> Opened:
    """Everything in an image file, in the file's own order.

    Raises
    ------
    ImageError
        When it is missing or unreadable.
    """
    return _open(path)


def open_mask(path: Path, plane: tuple[int, ...] | None) -> NDArray[Any]:
    """A mask, or a plane of a stack of masks: (rows, columns), the file's own numbers.

    Raises
    ------
    ImageError
        When it is missing or unreadable.
    MaskError
        When it has channels.
    """
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return np.asarray(_explained(path, read_labels))
    opened = _open(path).named(None)
    if opened.channel_axis is not None:
        raise MaskError(f"{path} has channels, a mask has one number for each pixel.")
    # One mask may serve for every plane of a stack.
    chosen = opened.plane(plane if opened.plane_axes else None)
    return chosen.read(opened.levels[0], slice(None), slice(None))


def _rendering(level: Any, plane: Plane) -> Rendering:
    """As the engine guesses; but a fourth channel is a channel, not how much one sees through."""
    sides = level.shape[plane.row_axis], level.shape[plane.col_axis]
    starts = [max(0, (side - SAMPLE_SIDE) // 2) for side in sides]
    rows, cols = (slice(start, start + SAMPLE_SIDE) for start in starts)
    sample = plane.read(level, rows, cols)
    return Rendering.guess(sample, rgb=sample.shape[2:] == (3,))


def _open(path: Path) -> Opened:
    if path.is_dir():
        if not is_zarr(path):
            raise ImageError(f"{path} is a folder without a Zarr image: choose a file.")
        return Opened(path, *open_pyramid(path))
    if not path.exists():
        raise ImageError(f"There is no file {path}.")
    return _explained(path, _open_file)


def _explained(path: Path, read: Callable[[Path], Result]) -> Result:
    """Read a file; if that fails, say what it is rather than what a decoder makes of it."""
    try:
        return read(path)
    except ImageError as error:
        kind = kind_of(path) if path.is_file() else None
        if kind in _NO_IMAGES:
            raise ImageError(f"{path} is {kind.value}, not an image.") from error
        raise


def _open_file(path: Path) -> Opened:
    with path.open("rb") as stream:
        start = stream.read(len(_NPY_START))
    suffix = path.suffix.lower()
    if start.startswith(_TIFF_STARTS) or suffix in TIFF_SUFFIXES:
        return _open_tiff(path)
    if start == _NPY_START or suffix == ".npy":
        return _open_npy(path)
    return _open_photo(path)


def _open_tiff(path: Path) -> Opened:
    try:
        with tifffile.TiffFile(path) as tiff:
            axes, promised = tiff.series[0].axes, tiff.series[0].nbytes
        if promised > max(HARMLESS_BYTES, MOST_COMPRESSION * path.stat().st_size):
            raise ValueError(f"a file of this size cannot hold {promised / 1e9:.0f} GB of pixels")
        pixels = _tiff_pixels(path)
    except DAMAGE as error:
        raise _unreadable(path, error) from error
    return Opened(path, [pixels], axes if len(axes) == pixels.ndim else "")


def _tiff_pixels(path: Path) -> NDArray[Any]:
    try:
        return tifffile.memmap(path, mode="r")
    except ValueError:
        # Compressed, or in pieces: then it has to be read as a whole.
        return np.asarray(tifffile.imread(path))


def _open_npy(path: Path) -> Opened:
    try:
        return Opened(path, [np.load(path, mmap_mode="r", allow_pickle=False)])
    except DAMAGE as error:
        raise _unreadable(path, error) from error


def _open_photo(path: Path) -> Opened:
    """Whatever Pillow knows, turned upright, without alpha."""
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode in ("1", "LA"):
                upright = upright.convert("L")
            elif upright.mode not in ("L", "F") and not upright.mode.startswith("I"):
                upright = upright.convert("RGB")
            pixels = np.asarray(upright)
    except DAMAGE as error:
        raise _unreadable(path, error) from error
    return Opened(path, [pixels], "YXS"[: pixels.ndim])


def _unreadable(path: Path, error: BaseException) -> ImageError:
    detail = str(error).rstrip(".") or type(error).__name__
    return ImageError(
        f"{path} cannot be read: it is damaged, incomplete or no image of a known kind ({detail})."
    )
