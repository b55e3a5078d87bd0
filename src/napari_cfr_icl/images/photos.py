"""PNG, JPEG and the other formats that Pillow decodes."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.images.decode_errors import explained_damage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_pillow_limit = Lock()


@contextmanager
def opened_photo(path: Path) -> Iterator[Image.Image]:
    """A photo of any size, not decoded yet; its caller decides how much memory is too much.

    Raises
    ------
    ImageError
        When it is missing or unreadable, or its decoding in the block fails.
    """
    with explained_damage(path):
        # Pillow refuses whatever has more pixels than a constant of its own.
        with _pillow_limit:
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                photo = Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
        with photo:
            yield photo


def deep_channels(photo: Image.Image) -> int:
    """Number of channels, alpha too, of a PNG whose colours have 16 bits; 0 for any other.

    Pillow keeps 8 of them.
    """
    tiles = getattr(photo, "tile", ()) if photo.format == "PNG" else ()
    stored = str(tiles[0].args) if tiles else ""
    return {"LA;16B": 2, "RGB;16B": 3, "RGBA;16B": 4}.get(stored, 0)


def pixels_of(photo: Image.Image | NDArray[Any]) -> NDArray[Any]:
    """Grey (rows, columns) in the file's own type, or RGB (rows, columns, 3); alpha is left out."""
    if isinstance(photo, np.ndarray):
        return photo[..., 0] if photo.shape[2] == len("LA") else photo[..., :3]
    if photo.mode in ("1", "LA", "La"):
        photo = photo.convert("L")
    elif photo.mode not in ("L", "F") and not photo.mode.startswith("I"):
        photo = photo.convert("RGB")
    return np.asarray(photo)


def ids_of(photo: Image.Image | NDArray[Any]) -> NDArray[Any]:
    """The numbers in a label image, of a palette the indices; colours keep their channels."""
    if isinstance(photo, np.ndarray):
        return photo[..., 0] if photo.shape[2] == len("LA") else photo
    return np.asarray(photo.convert("L") if photo.mode in ("LA", "La") else photo)


def read_indices(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A palette picture: its indices (rows, columns) and its colours (count, 3).

    Raises
    ------
    ImageError
        When the file is missing, unreadable or has no palette.
    """
    with opened_photo(path) as photo:
        palette = photo.getpalette("RGB")
        if photo.mode != "P" or palette is None:
            raise ImageError(f"{path} must be a picture with a palette, not {photo.mode}.")
        return np.asarray(photo), np.array(palette, np.uint8).reshape(-1, 3)
