"""Windows: rectangular parts of an image, and patches of values that fill one.

Pure functions over frozen values; the windows of the `paper` preset follow the public code's
arithmetic to the pixel (rounding, clamping and all), because its published numbers depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels, half-open.

    Parameters
    ----------
    top, left : int
        Row and column of its first pixel.
    height, width : int
        Rows and columns, at least 1 each.
    """

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a window needs at least one pixel, not {self.height} x {self.width}")

    @classmethod
    def whole(cls, image_shape: tuple[int, int]) -> Window:
        """All of an image of shape (rows, columns)."""
        return cls(0, 0, *image_shape)

    @property
    def bottom(self) -> int:
        """Row after the last."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """Column after the last."""
        return self.left + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window's pixels in an array of the whole image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def intersection(self, other: Window) -> Window | None:
        """The common part, or None."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height = min(self.bottom, other.bottom) - top
        width = min(self.right, other.right) - left
        return Window(top, left, height, width) if height > 0 and width > 0 else None

    def relative_to(self, other: Window) -> Window:
        """The same rectangle, relative to the first pixel of `other`."""
        return Window(self.top - other.top, self.left - other.left, self.height, self.width)

    def about(self, height: int, width: int) -> Window:
        """A window of another size with the same centre; it may reach beyond the image."""
        top = self.top + (self.height - height) // 2
        return Window(top, self.left + (self.width - width) // 2, height, width)

    def grown(self, rows: int, cols: int) -> Window:
        """The window with a margin on every side; it may reach beyond the image."""
        return self.about(self.height + 2 * rows, self.width + 2 * cols)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Values in a window of a plane; everywhere else the plane is zero (or False).

    Parameters
    ----------
    values : ndarray, shape (height, width)
        The values in the window.
    window : Window
        Where they are.
    image_shape : tuple of int
        (rows, columns) of the plane.
    """

    values: NDArray[Any]
    window: Window
    image_shape: tuple[int, int]

    def __post_init__(self) -> None:
        if self.values.shape != self.window.shape:
            raise ValueError(
                f"{self.values.shape} values do not fill a window of {self.window.shape}"
            )

    @classmethod
    def from_full(cls, values: NDArray[Any]) -> Patch:
        """A patch that covers the whole plane. `values`: (rows, columns)."""
        return cls(values, Window.whole(values.shape), values.shape)

    def full(self) -> NDArray[Any]:
        """The whole plane, (rows, columns): costs its size in memory."""
        plane = np.zeros(self.image_shape, self.values.dtype)
        plane[self.window.slices] = self.values
        return plane

    def read(self, window: Window) -> NDArray[Any]:
        """The values in another window, zero where the patch has none. Returns `window.shape`."""
        out = np.zeros(window.shape, self.values.dtype)
        if (common := self.window.intersection(window)) is not None:
            inside = self.values[common.relative_to(self.window).slices]
            out[common.relative_to(window).slices] = inside
        return out

    def at(self, row: float, col: float) -> Any:
        """The value at the pixel that holds (row, column), zero outside the patch."""
        inside_row, inside_col = round(row) - self.window.top, round(col) - self.window.left
        if not (0 <= inside_row < self.window.height and 0 <= inside_col < self.window.width):
            return self.values.dtype.type(0)
        return self.values[inside_row, inside_col]

    def threshold(self, threshold: float) -> Patch:
        """Mask of the values above `threshold`, as a patch of bool."""
        return Patch(self.values > threshold, self.window, self.image_shape)

    def bounds(self) -> Window | None:
        """The smallest window, in the plane, around all true (non-zero) values; None if none is."""
        rows = np.flatnonzero(self.values.any(axis=1))
        if rows.size == 0:
            return None
        cols = np.flatnonzero(self.values.any(axis=0))
        return Window(
            self.window.top + int(rows[0]),
            self.window.left + int(cols[0]),
            int(rows[-1] - rows[0]) + 1,
            int(cols[-1] - cols[0]) + 1,
        )


def enclosing(windows: Sequence[Window]) -> Window:
    """The smallest window around all of `windows`."""
    top, left = min(w.top for w in windows), min(w.left for w in windows)
    bottom, right = max(w.bottom for w in windows), max(w.right for w in windows)
    return Window(top, left, bottom - top, right - left)


def iou(a: Patch, b: Patch) -> float:
    """Intersection over union of two masks of one plane; 1 when both are empty."""
    window = enclosing([a.window, b.window])
    one, other = a.read(window), b.read(window)
    union = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / union if union else 1.0


def united(mask: Patch, *others: Patch) -> Patch:
    """The pixels of several masks of bool."""
    window = enclosing([one.window for one in (mask, *others)])
    pixels = np.any([one.read(window) for one in (mask, *others)], axis=0)
    return Patch(pixels, window, mask.image_shape)
