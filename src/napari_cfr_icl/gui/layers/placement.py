"""The places of layers in the world, and layers that keep theirs on an image that is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_cfr_icl.gui.layers.planes import GRID_TOLERANCE, data_shape

_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units")
_TRANSFORM = (*_EVENTS, "axis_labels")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The place of a layer: its affine matrix, (ndim + 1, ndim + 1), and its units."""

    matrix: NDArray[np.float64]
    units: Any

    @classmethod
    def of(cls, layer: Layer) -> Place:
        """The place of a layer now."""
        return cls(data_to_world(layer), getattr(layer, "units", None))

    def __eq__(self, other: object) -> bool:
        """True for the same place, up to rounding."""
        return (
            isinstance(other, Place)
            and self.units == other.units
            and self.matrix.shape == other.matrix.shape
            and np.allclose(self.matrix, other.matrix)
        )

    def shares_pixels(self, other: Place, shape: tuple[int, ...]) -> bool:
        """True where pixels of a layer of `shape` here are pixels of a layer at `other`."""
        axes = min(len(self.matrix), len(other.matrix))
        here, there = self.matrix[-axes:, -axes:], other.matrix[-axes:, -axes:]
        between = np.linalg.solve(there, here)
        whole = np.rint(between)
        corner = np.array([*shape[len(shape) - axes + 1 :], 1])
        off = np.abs(between - whole) @ corner
        return bool(off.max() < GRID_TOLERANCE and round(abs(np.linalg.det(whole))) == 1)


class Placement:
    """Watches the transforms of the image and of the layers on it.

    Labels that share the image's pixels follow it. What happens until the event loop turns is one
    move: a script that moves layer after layer moves none twice, and labels that it has moved
    before the image stay where it put them.

    Parameters
    ----------
    moved : callable
        Called at once when the image, a layer `on_top` of it or labels were moved.
    settled : callable
        Called after the event when the image was moved, with the labels layers that followed it.
    """

    def __init__(self, moved: Callable[[], None], settled: Callable[[list[Labels]], None]) -> None:
        self._moved = moved
        self._settled = settled
        self._image: Layer | None = None
        # Where each layer was before the move.
        self._labels: dict[Layer, Place] = {}
        self._watched: dict[Layer, Place] = {}
        self._stay: set[Layer] = set()
        self._followed: list[Layer] = []
        self._busy = self._due = False

    def watch(self, image: Layer | None, on_top: Iterable[Layer], labels: Iterable[Layer]) -> None:
        """Watch an image, the layers that always move with it, and labels that may."""
        self.settle()
        self._image = image
        self._labels = {layer: Place.of(layer) for layer in labels}
        wanted = {**self._labels, **{layer: Place.of(layer) for layer in on_top}}
        if image is not None:
            wanted[image] = Place.of(image)
        for layer in self._watched.keys() - wanted.keys():
            for name in _EVENTS:
                getattr(layer.events, name).disconnect(self._on_moved)
        for layer in wanted.keys() - self._watched.keys():
            for name in _EVENTS:
                getattr(layer.events, name).connect(self._on_moved)
        self._watched = wanted

    def settle(self) -> None:
        """End the move that is under way."""
        image = self._image
        if not self._due or image is None:
            return
        before, now = self._watched[image], Place.of(image)
        self._watched[image] = now
        self._labels = {layer: Place.of(layer) for layer in self._labels}
        followed = self._followed
        self._due, self._followed, self._stay = False, [], set()
        if now != before:
            self._settled(followed)

    def _on_moved(self, event: Any) -> None:
        if self._busy or self._image is None:
            return
        self._busy = True
        try:
            self._moved()
            if event.source in self._labels and event.source not in self._followed:
                self._stay.add(event.source)
            self._take_along(self._image)
        finally:
            self._busy = False
        if not self._due:
            self._due = True
            QTimer.singleShot(0, self.settle)

    def _take_along(self, image: Layer) -> None:
        """Have the labels follow the image to where it is now."""
        before, now = self._watched[image], Place.of(image)
        if now == before and not self._followed:
            return
        for layer, there in self._labels.items():
            if layer in self._stay or not there.shares_pixels(before, data_shape(layer)):
                continue
            if there == before:
                copy_transform(image, layer)
            else:
                _take_from(layer, there, before, now)
            if layer not in self._followed:
                self._followed.append(layer)


def _take_from(layer: Layer, there: Place, before: Place, now: Place) -> None:
    """Place a layer on the image as it lay before: it was at `there`, the image at `before`."""
    axes = min(len(there.matrix), len(now.matrix))
    step = np.eye(len(there.matrix))
    step[-axes:, -axes:] = np.linalg.solve(
        before.matrix[-axes:, -axes:].T, now.matrix[-axes:, -axes:].T
    ).T
    own = np.linalg.solve(layer.affine.affine_matrix, data_to_world(layer))
    layer.affine = step @ there.matrix @ np.linalg.inv(own)
    if len(there.matrix) == len(now.matrix):
        layer.units = now.units


def transform_of(layer: Layer) -> dict[str, Any]:
    """The arguments that give another layer the same transform."""
    return {name: getattr(layer, name) for name in _TRANSFORM if hasattr(layer, name)}


def copy_transform(layer: Layer, to: Layer) -> None:
    """Give a layer the transform of another with as many axes."""
    for name, value in transform_of(layer).items():
        _assign(to, name, value)


def place_at(layer: Layer, matrix: NDArray[np.float64], units: Any) -> None:
    """Place a layer by its affine matrix alone, (ndim + 1, ndim + 1)."""
    axes = layer.ndim
    wanted = {
        "scale": np.ones(axes),
        "translate": np.zeros(axes),
        "rotate": np.eye(axes),
        "shear": np.zeros(axes * (axes - 1) // 2),
        "affine": matrix,
        "units": units,
    }
    for name, value in wanted.items():
        _assign(layer, name, value)


def _assign(layer: Layer, name: str, value: Any) -> None:
    # Napari draws at every assignment, also of the value that is there already.
    if not _equal(getattr(layer, name), value):
        setattr(layer, name, value)


def _equal(one: Any, other: Any) -> bool:
    one, other = (getattr(value, "affine_matrix", value) for value in (one, other))
    return np.shape(one) == np.shape(other) and bool(np.all(one == other))


def data_to_world(layer: Layer, origin: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The layer's affine matrix, (ndim + 1, ndim + 1), with `origin` of its data as origin."""
    start = np.zeros(layer.ndim) if origin is None else origin
    matrix = np.eye(layer.ndim + 1)
    matrix[:-1, -1] = layer.data_to_world(start)
    for axis, unit in enumerate(np.eye(layer.ndim)):
        matrix[:-1, axis] = np.asarray(layer.data_to_world(start + unit)) - matrix[:-1, -1]
    return matrix
