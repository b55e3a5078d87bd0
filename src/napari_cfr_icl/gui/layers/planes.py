"""Planes of layers: the one on the screen, and positions on it as (row, column).

World coordinates end here; everything below uses (row, column) of one plane. All geometry goes
through the layers' own `world_to_data` and `data_to_world`, so scale, rotation, shear, negative
scale, translation and units need no code of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Layer
from numpy.typing import NDArray

from napari_cfr_icl.engine.windows import Patch, Window

GRID_TOLERANCE = 0.05
"""Offset in pixels up to which two layers share a pixel grid."""


@dataclass(frozen=True, slots=True)
class LayerPlane:
    """A plane of a layer: two of its axes, and the index along the others.

    Parameters
    ----------
    axes : tuple of int
        Row axis and column axis of the layer's data, the lower first, however they are turned.
    index : tuple of int
        One index for each axis of the data; those of the two axes above are 0 and say nothing.
    shape : tuple of int
        (rows, columns).
    """

    axes: tuple[int, int]
    index: tuple[int, ...]
    shape: tuple[int, int]

    def coordinates(self, row: float, col: float) -> NDArray[np.float64]:
        """Data coordinates of a point on the plane, one for each axis."""
        place = np.array(self.index, float)
        place[list(self.axes)] = row, col
        return place

    def at(self, coordinates: NDArray[np.float64]) -> tuple[float, float] | None:
        """(row, column) of data coordinates, or None where they lie on another plane."""
        for axis, index in enumerate(self.index):
            if axis not in self.axes and round(float(coordinates[axis])) != index:
                return None
        return float(coordinates[self.axes[0]]), float(coordinates[self.axes[1]])


def data_shape(layer: Layer) -> tuple[int, ...]:
    """The layer's data in pixels, one number for each axis; no channels of RGB, finest level."""
    level = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    return tuple(int(side) for side in level.shape[: layer.ndim])


def shown_plane(layer: Layer, dims: Dims) -> LayerPlane | None:
    """The plane of `layer` on the screen; None in 3D, and if none of its planes is shown."""
    if dims.ndisplay != 2:
        return None
    missing = dims.ndim - layer.ndim
    axes = [axis - missing for axis in dims.displayed]
    return _plane_at(layer, axes, layer.world_to_data(dims.point))


def plane_through(layer: Layer, plane: LayerPlane, place: NDArray[np.float64]) -> LayerPlane | None:
    """The plane with the axes of `plane` through a point in data coordinates of `layer`."""
    return _plane_at(layer, plane.axes, place)


def same_plane(
    plane: LayerPlane, of: Layer, on: Layer, point: Sequence[float]
) -> LayerPlane | None:
    """The plane of the layer `on` that lies where `plane` of the layer `of` does.

    `point` is where the viewer stands in the world, for axes that `of` does not have.
    """
    missing = of.ndim - on.ndim
    world = np.array(point, float)
    world[len(world) - of.ndim :] = of.data_to_world(plane.coordinates(0, 0))
    return _plane_at(on, [axis - missing for axis in plane.axes], on.world_to_data(world))


def neighbour(plane: LayerPlane, layer: Layer, axis: int, index: int) -> LayerPlane | None:
    """The parallel plane at `index` along another axis; None if the layer has none."""
    if axis in plane.axes or not 0 <= index < data_shape(layer)[axis]:
        return None
    moved = list(plane.index)
    moved[axis] = index
    return LayerPlane(plane.axes, tuple(moved), plane.shape)


def _plane_at(layer: Layer, axes: Sequence[int], place: NDArray[np.float64]) -> LayerPlane | None:
    """The plane with these axes through a point; None if the layer has none."""
    rows, cols = sorted(axes)
    if rows < 0:
        return None
    shape = data_shape(layer)
    index = [0] * layer.ndim
    for axis in set(range(layer.ndim)) - {rows, cols}:
        index[axis] = round(float(place[axis]))
        if not 0 <= index[axis] < shape[axis]:
            return None
    return LayerPlane((rows, cols), tuple(index), (shape[rows], shape[cols]))


def plane_to_plane(
    plane: LayerPlane, of: Layer, other: LayerPlane, on: Layer
) -> NDArray[np.float64]:
    """Matrix (2, 3) that takes (row, column, 1) of `plane` to (row, column) of `other`."""
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    images = [
        np.asarray(on.world_to_data(of.data_to_world(plane.coordinates(*corner))))[list(other.axes)]
        for corner in corners
    ]
    return np.stack([images[1] - images[0], images[2] - images[0], images[0]], axis=1)


def on_grid(matrix: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """The matrix rounded to integers, if it maps pixels to pixels; None otherwise.

    Parameters
    ----------
    matrix : ndarray, shape (2, 3)
        Takes (row, column, 1) of a plane to (row, column) of another.
    shape : tuple of int
        (rows, columns) of the plane.
    """
    whole = np.rint(matrix)
    corners = np.array([[0, 0, 1], [shape[0], 0, 1], [0, shape[1], 1], [*shape, 1]], float)
    fits = np.abs((matrix - whole) @ corners.T).max() < GRID_TOLERANCE
    one_to_one = round(abs(float(np.linalg.det(whole[:, :2])))) == 1
    return whole if fits and one_to_one else None


def shown_part(layer: Layer, dims: Dims) -> tuple[LayerPlane | None, Window | None]:
    """The plane of `shown_plane`, and the part of it on the screen, in its pixels, if any."""
    plane = shown_plane(layer, dims)
    return plane, None if plane is None else _window_on_screen(layer, plane)


def _window_on_screen(layer: Layer, plane: LayerPlane) -> Window | None:
    corners = np.asarray(layer.corner_pixels, float)
    if getattr(layer, "multiscale", False):
        # Napari counts the corners in pixels of the level that it is drawing.
        corners = corners * np.asarray(layer.downsample_factors)[layer.data_level]
    low, high = corners[:, list(plane.axes)]
    top, left = (max(0, int(np.floor(side))) for side in low)
    bottom, right = (
        min(limit, int(np.ceil(side)) + 1) for side, limit in zip(high, plane.shape, strict=True)
    )
    if bottom <= top or right <= left:
        return None
    return Window(top, left, bottom - top, right - left)


def resampled(patch: Patch, to_patch: NDArray[np.float64], shape: tuple[int, int]) -> Patch:
    """A mask of one plane in the pixels of another, by nearest neighbour.

    Parameters
    ----------
    patch : Patch
        The mask.
    to_patch : ndarray, shape (2, 3)
        Takes (row, column, 1) of the other plane to (row, column) of the patch's plane.
    shape : tuple of int
        (rows, columns) of the other plane.
    """
    if shape == patch.image_shape and np.allclose(to_patch, np.eye(2, 3), atol=1e-6):
        return patch
    bounds = patch.bounds()
    window = None if bounds is None else _window_around(bounds, to_patch, shape)
    if window is None:
        return Patch(np.zeros((1, 1), patch.values.dtype), Window(0, 0, 1, 1), shape)
    rows, cols = np.mgrid[window.slices]
    places = np.stack([rows, cols, np.ones_like(rows)])
    source = np.rint(np.tensordot(to_patch, places, axes=1)).astype(np.intp)
    source -= np.array([patch.window.top, patch.window.left])[:, np.newaxis, np.newaxis]
    height, width = patch.window.shape
    inside = (source[0] >= 0) & (source[0] < height) & (source[1] >= 0) & (source[1] < width)
    values = np.zeros(window.shape, patch.values.dtype)
    values[inside] = patch.values[source[0][inside], source[1][inside]]
    return Patch(values, window, shape)


def _window_around(
    bounds: Window, to_patch: NDArray[np.float64], shape: tuple[int, int]
) -> Window | None:
    """The window of the other plane that contains `bounds`."""
    square: Any = np.vstack([to_patch, [0, 0, 1]])
    corners = np.array(
        [
            (row, col, 1)
            for row in (bounds.top - 0.5, bounds.bottom - 0.5)
            for col in (bounds.left - 0.5, bounds.right - 0.5)
        ]
    )
    images = corners @ np.linalg.inv(square).T
    low = np.floor(images[:, :2].min(axis=0)).astype(int)
    high = np.ceil(images[:, :2].max(axis=0)).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, shape)
    if (high <= low).any():
        return None
    return Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
