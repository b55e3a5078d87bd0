"""EXIF orientation. Pixels are used as they are stored, which is how napari shows them.

A camera that was turned writes its pixels as the sensor had them, and how to turn them for display.
Clicks and labels made in napari count in stored pixels, so everything here does. Labels of other
programs may have been drawn on the turned picture; that can be told where rows and columns change
places and differ in number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAG = 274
"""Of TIFF and EXIF."""

STORED = 1
"""The orientation of pixels that are stored as they are to be shown."""


def is_transposed(orientation: int) -> bool:
    """True where rows and columns change places when the picture is turned upright."""
    return orientation in (5, 6, 7, 8)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Stored pixels (rows, columns[, channels]) as viewers that heed EXIF show them."""
    if is_transposed(orientation):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
