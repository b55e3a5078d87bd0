"""A plane of an array: two axes that are the picture, and the place of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EVERYTHING = slice(None)


@dataclass(frozen=True, slots=True)
class Plane:
    """Two axes of an array that are the picture, and an index on each of the others.

    Parameters
    ----------
    row_axis, col_axis : int
        The axes drawn downwards and to the right.
    channel_axis : int or None
        The axis of channels.
    position : tuple of int
        One index for every axis of the array; those of the three axes above are not used.
    """

    row_axis: int
    col_axis: int
    channel_axis: int | None
    position: tuple[int, ...]

    @classmethod
    def of(cls, ndim: int) -> Plane:
        """The plane of a (rows, columns) or (rows, columns, channels) array."""
        if ndim not in (2, 3):
            raise ImageError(
                f"An image needs 2 axes, or 3 with channels; this one has {ndim}. "
                "Choose the plane to segment."
            )
        return cls(0, 1, 2 if ndim == 3 else None, (0,) * ndim)

    def read(
        self, array: Any, rows: slice = _EVERYTHING, cols: slice = _EVERYTHING
    ) -> NDArray[Any]:
        """The pixels of `array` in these rows and columns: (rows, columns[, channels])."""
        index: list[int | slice] = list(self.position)
        kept = {self.row_axis: rows, self.col_axis: cols}
        if self.channel_axis is not None:
            kept[self.channel_axis] = _EVERYTHING
        for axis, part in kept.items():
            index[axis] = part
        pixels = np.asarray(array[tuple(index)])
        remaining = sorted(kept)
        return pixels.transpose([remaining.index(axis) for axis in kept])
