"""Thick slices: the planes around the one on the screen that napari projects onto it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Image
from numpy.typing import NDArray

from napari_cfr_icl.gui.layers.placement import data_to_world
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape

Slab = dict[int, slice]
"""The indices along each axis that are projected; empty for a plane that is drawn alone."""

_PROJECTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
}


class ProjectedArray:
    """An array whose planes are projections of the planes in a slab.

    Parameters
    ----------
    array : array-like
        Numpy, dask, zarr, a memory map.
    slab : Slab
        The indices that are projected, whatever single index is asked for along their axes.
    mode : str
        Napari's name of the projection: "sum", "mean", "max" or "min".
    """

    def __init__(self, array: Any, slab: Slab, mode: str) -> None:
        self._array = array
        self._slab = slab
        self._project = _PROJECTIONS[mode]
        self.shape = tuple(array.shape)
        self.ndim = len(self.shape)
        self.dtype = self._project(np.zeros(1, array.dtype)).dtype

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        thick = tuple(self._slab.get(axis, part) for axis, part in enumerate(index))
        kept = [axis for axis, part in enumerate(thick) if isinstance(part, slice)]
        pixels = np.asarray(self._array[thick])
        projected: NDArray[Any] = self._project(
            pixels, axis=tuple(kept.index(axis) for axis in self._slab)
        )
        return projected


def slab_of(layer: Image, plane: LayerPlane, dims: Dims) -> Slab:
    """The slab around a plane that napari draws as one picture.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    plane : LayerPlane
        One of its planes.
    dims : napari.components.Dims
        Their point, and the margins around it in the world.
    """
    margins = [np.array(side[-layer.ndim :]) for side in (dims.margin_left, dims.margin_right)]
    if str(layer.projection_mode) not in _PROJECTIONS or not np.any(margins):
        return {}
    hidden = [axis for axis in range(layer.ndim) if axis not in plane.axes]
    world_to_data = np.linalg.inv(data_to_world(layer))[np.ix_(hidden, hidden)]
    left, right = (np.abs(world_to_data @ side[hidden]) for side in margins)
    here = np.asarray(layer.world_to_data(dims.point))[hidden]
    index = np.array(plane.index, float)[hidden]
    middle = here if np.array_equal(np.round(here), index) else index
    sides = [data_shape(layer)[axis] for axis in hidden]
    return {
        axis: _thick(low, high, side)
        for axis, low, high, side in zip(hidden, middle - left, middle + right, sides, strict=True)
        if side > 1
    }


def _thick(low: float, high: float, side: int) -> slice:
    """The indices from `low` to `high`, which napari leaves out where it is between two."""
    start, stop = max(0, int(np.round(low))), max(0, int(np.round(high)))
    if np.isclose(stop, high):
        stop += 1
    return slice(start, min(side, max(stop, start + 1)))
