"""Strokes on the canvas and shapes of a Shapes layer, as gestures on a plane of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.components import Dims
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_cfr_icl.engine.prompts.gestures import Box, Gesture, Lasso, Point, Scribble
from napari_cfr_icl.gui.layers.planes import LayerPlane

OPEN_SHARE = 0.25
"""Gap between the ends of a closed stroke, at most, as a share of its length."""

LEAST_ROUNDNESS = 0.1
"""4 pi area / length^2 of a closed stroke, at least: 1 for a circle, 0.12 for a rectangle 24 times
as long as it is wide. A hand that goes to and fro encloses less."""

SKEW = 0.02
"""Share of a rectangle that its corners may be off the rows and columns of the image."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A drag of the mouse with a modifier.

    Parameters
    ----------
    positive : bool
        True on the object, False on the background.
    is_box : bool
        True for a box between its ends.
    is_another : bool
        True for an object besides the current one.
    screen : tuple of (float, float)
        (x, y) of the mouse in pixels of the canvas, in the order drawn.
    worlds : tuple of tuple of float
        The same places in the world, one coordinate for each of its axes.
    displayed : tuple of int
        The axes of the world on the screen.
    is_torn : bool
        True where the image was moved under it, so that its places are not those that were drawn.
    """

    positive: bool
    is_box: bool
    is_another: bool = False
    screen: tuple[tuple[float, float], ...] = ()
    worlds: tuple[tuple[float, ...], ...] = ()
    displayed: tuple[int, ...] = ()
    is_torn: bool = False

    def to(self, pos: Any, world: Sequence[float], displayed: Sequence[int]) -> Stroke:
        """The stroke, drawn on to another place."""
        x, y = (float(value) for value in pos[:2])
        screen, worlds = (*self.screen, (x, y)), (*self.worlds, tuple(world))
        return replace(self, screen=screen, worlds=worlds, displayed=tuple(displayed))

    @property
    def is_closed(self) -> bool:
        """True for one that goes around the object."""
        path = np.array(self.screen)
        length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
        if self.is_box or not self.positive or len(path) < 3:
            return self.is_box
        x, y = path.T
        area = abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
        gap = float(np.linalg.norm(path[-1] - path[0]))
        return gap <= OPEN_SHARE * length and 4 * np.pi * area >= LEAST_ROUNDNESS * length**2

    def outline(self) -> list[tuple[float, float]]:
        """(x, y) of its corners in pixels of the canvas."""
        return _corners(*self.screen[:: len(self.screen) - 1]) if self.is_box else [*self.screen]

    def gesture(self, image: Image, plane: LayerPlane) -> Gesture | None:
        """The gesture on `plane` of `image`; None where that is not on the screen."""
        worlds = [np.array(world) for world in self.worlds]
        if self.is_box and len(worlds) > 1:
            first, second = worlds[0], worlds[-1].copy()
            crossed = first.copy(), second.copy()
            row_axis = self.displayed[-2]
            crossed[0][row_axis], crossed[1][row_axis] = second[row_axis], first[row_axis]
            worlds = [first, crossed[0], second, crossed[1]]
        points = _on_plane(worlds, image, plane)
        if points is None:
            return None
        if self.is_box:
            return _box(points) if len(self.screen) > 1 else Scribble(points[:1])
        return Lasso(points) if self.is_closed else Scribble(points, self.positive)


def gestures_of(layer: Shapes, image: Image, plane: LayerPlane, dims: Dims) -> list[Gesture]:
    """The selected shapes on a plane of the image, or all where none is selected.

    A rectangle or an ellipse is a box, a polygon a lasso, and a line or a path a scribble.
    """
    chosen = sorted(layer.selected_data) or range(len(layer.data))
    found = []
    for number in chosen:
        worlds = []
        for vertex in layer.data[number]:
            world = np.array(dims.point, float)
            world[dims.ndim - layer.ndim :] = layer.data_to_world(vertex)
            worlds.append(world)
        points = _on_plane(worlds, image, plane)
        if points is not None:
            found.append(_gesture(layer.shape_type[number], points))
    return found


def _gesture(kind: str, points: tuple[Point, ...]) -> Gesture:
    if kind in ("rectangle", "ellipse"):
        return _box(points)
    return Lasso(points) if kind == "polygon" else Scribble(points)


def _box(corners: tuple[Point, ...]) -> Gesture:
    """A box; a lasso where it is turned against the rows of the image."""
    places = np.array(corners)
    low, high = places.min(axis=0), places.max(axis=0)
    off = np.minimum(places - low, high - places).max()
    if off > SKEW * (high - low).max():
        return Lasso(corners)
    return Box(*low.tolist(), *high.tolist())


def _corners(one: tuple[float, float], other: tuple[float, float]) -> list[tuple[float, float]]:
    return [one, (other[0], one[1]), other, (one[0], other[1])]


def _on_plane(
    worlds: Sequence[NDArray[np.float64]], image: Image, plane: LayerPlane
) -> tuple[Point, ...] | None:
    """(row, column) of points in the world; None where one lies on another plane."""
    places = [plane.at(np.asarray(image.world_to_data(world))) for world in worlds]
    there = tuple(place for place in places if place is not None)
    return there if len(there) == len(places) else None
