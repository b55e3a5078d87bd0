"""Sources: one plane of an array of any size and kind, read window by window.

Nothing here ever holds the whole image: a click on a 100 000 x 100 000 picture reads as much as one
on a 1 000 x 1 000 picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.images.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAMPLE_SIDE = 512
"""Pixels per side that are looked at to guess a rendering."""

MOST_STRIDED = 4096 * 4096
"""Pixels of a picture up to which every so many of its pixels are taken, which may read all of it.
"""

_BLOCKS, _BLOCK_SIDE = 8, 64


class ImageSource:
    """One plane of an image, read lazily and rendered as RGB.

    Parameters
    ----------
    data : array-like or sequence of array-like
        Numpy, dask, zarr, a memory map: anything with a shape that can be sliced. A list or tuple
        is a pyramid: the same picture at falling resolutions, finest first.
    rendering : Rendering, optional
        How pixels become RGB; guessed from pixels all over the image by default.
    plane : Plane, optional
        Which plane of the array; needed for more than two axes and channels.

    Raises
    ------
    ImageError
        When the array is empty, not numeric, or has axes that `plane` leaves open.
    """

    def __init__(
        self, data: Any, rendering: Rendering | None = None, plane: Plane | None = None
    ) -> None:
        self._levels = tuple(data) if isinstance(data, list | tuple) else (data,)
        if not self._levels or not hasattr(self._levels[0], "shape"):
            raise ImageError("An image must be an array, or a list of arrays for a pyramid.")
        first = self._levels[0]
        self._plane = plane or Plane.of(len(first.shape))
        self.shape: tuple[int, int] = self._size(first)
        if 0 in first.shape:
            raise ImageError(f"The image is empty: its shape is {tuple(first.shape)}.")
        self.rendering = rendering or Rendering.guess(self.sample())

    @property
    def plane(self) -> Plane:
        """The plane of the array."""
        return self._plane

    @classmethod
    def of(cls, source: Any) -> ImageSource:
        """`source` itself when it is one, otherwise a source over that array."""
        return source if isinstance(source, ImageSource) else cls(source)

    def read(self, window: Window, max_side: int | None = None) -> NDArray[np.float32]:
        """The picture in a window.

        Parameters
        ----------
        window : Window
            Inside the image, in its pixels.
        max_side : int, optional
            Resolution that is enough: the picture may be shrunk by averaging whole blocks (or read
            from a coarser level) while its longest side stays at least this.

        Returns
        -------
        ndarray of float32, shape (h, w, 3)
            RGB, 0 to 1; (h, w) is the window's shape where nothing was shrunk.
        """
        if max_side is None:
            return self.rendering(self._pixels(self._levels[0], window))
        level, part = self._coarsest(window, max_side)
        pixels = self._pixels(level, part)
        return self.rendering(_shrunk(pixels, max(1, max(part.shape) // max_side)))

    def _pixels(self, level: Any, window: Window) -> NDArray[Any]:
        rows, cols = window.slices
        try:
            return self._plane.read(level, rows, cols)
        except OSError as error:
            raise ImageError(f"The image could not be read: {error}") from error

    def _coarsest(self, window: Window, max_side: int) -> tuple[Any, Window]:
        """The coarsest level that still shows the window at `max_side`, and the window there."""
        chosen, part = self._levels[0], window
        for level in self._levels[1:]:
            scaled = _scaled(window, self.shape, self._size(level))
            if max(scaled.shape) < max_side:
                break
            chosen, part = level, scaled
        return chosen, part

    def _size(self, level: Any) -> tuple[int, int]:
        return int(level.shape[self._plane.row_axis]), int(level.shape[self._plane.col_axis])

    def sample(self) -> NDArray[Any]:
        """About `SAMPLE_SIDE` squared pixels from all over the coarsest level.

        Of large pictures on disk small blocks are read, as far apart as they can be: single pixels
        would cost as much as all of it.
        """
        coarsest = self._levels[-1]
        rows, cols = size = self._size(coarsest)
        in_memory = isinstance(coarsest, np.ndarray) and not isinstance(coarsest, np.memmap)
        if in_memory or rows * cols <= MOST_STRIDED:
            strides = (slice(None, None, -(-side // SAMPLE_SIDE)) for side in size)
            return self._plane.read(coarsest, *strides)
        by_row = [
            np.concatenate([self._plane.read(coarsest, *block) for block in across], axis=1)
            for across in _blocks(rows, cols)
        ]
        return np.concatenate(by_row)


def _blocks(rows: int, cols: int) -> list[list[tuple[slice, slice]]]:
    """Rows and columns of small blocks, evenly over a picture."""
    down, along = (
        [slice(start, start + _BLOCK_SIDE) for start in _starts(side)] for side in (rows, cols)
    )
    return [[(block, across) for across in along] for block in down]


def _starts(side: int) -> list[int]:
    last = max(0, side - _BLOCK_SIDE)
    count = min(_BLOCKS, -(-side // _BLOCK_SIDE))
    return [last * number // max(1, count - 1) for number in range(count)]


def _scaled(window: Window, shape: tuple[int, int], level: tuple[int, int]) -> Window:
    """`window` of an image of `shape`, in the pixels of a coarser level of it."""
    top, left = window.top * level[0] // shape[0], window.left * level[1] // shape[1]
    bottom = -(-window.bottom * level[0] // shape[0])
    right = -(-window.right * level[1] // shape[1])
    return Window(top, left, max(1, bottom - top), max(1, right - left))


def _shrunk(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """Means of `factor` x `factor` blocks; incomplete blocks at the end are left out."""
    if factor == 1:
        return pixels
    rows, cols = (side // factor * factor for side in pixels.shape[:2])
    pixels = pixels[:rows, :cols]
    wide = np.uint32 if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2 else np.float64
    # Sums of strided slices: several times quicker than a mean over a reshaped array.
    by_row = _sum([pixels[i::factor] for i in range(factor)], wide)
    total = _sum([by_row[:, i::factor] for i in range(factor)], wide)
    mean: NDArray[Any] = (total / (factor * factor)).astype(np.float32)
    return mean


def _sum(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    total = parts[0].astype(dtype)
    for part in parts[1:]:
        total += part
    return total
