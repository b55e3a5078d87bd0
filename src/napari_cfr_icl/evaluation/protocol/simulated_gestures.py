"""Simulated gestures: a box, a scribble or a lasso, as a hurried hand draws them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours

from napari_cfr_icl.engine.prompts.gestures import Box, Gesture, Lasso, Point, Scribble
from napari_cfr_icl.engine.prompts.prompt import Prompt, prompt_of
from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.protocol.options import Protocol

JITTER = 0.1
"""Largest error of a side of a box, as a share of the box."""

LASSO_IOU = 0.7
"""IoU of a lasso's inside with the object."""

_CORE = 0.5
"""Least depth of a scribble, as a share of the object's greatest."""

_BISECTIONS = 14


def begun_with(protocol: Protocol, truth: NDArray[np.int8], object_key: str) -> Prompt | None:
    """The prompt of the protocol's gesture for an object; None for a click.

    Parameters
    ----------
    protocol : Protocol
        Gesture, and seed of the hand's errors.
    truth : ndarray of int8, shape (rows, columns)
        1 object, 0 background, -1 ignored.
    object_key : str
        Mixed into the seed, so that objects do not depend on each other.
    """
    if protocol.gesture == "click":
        return None
    rng = np.random.default_rng(zlib.crc32(f"{protocol.seed}:{object_key}".encode()))
    return prompt_of(gesture_for(protocol.gesture, truth == 1, rng), truth.shape)


def gesture_for(name: str, inside: NDArray[np.bool_], rng: np.random.Generator) -> Gesture:
    """The box, scribble or lasso for an object.

    Parameters
    ----------
    name : str
        "box", "scribble" or "lasso".
    inside : ndarray of bool, shape (rows, columns)
        Its pixels, at least one.
    rng : Generator
        The hand.
    """
    found = Patch.from_full(inside)
    bounds = found.bounds()
    if bounds is None:
        raise ValueError("an object without pixels")
    if name == "box":
        return _box(bounds, rng)
    margin = max(8, max(bounds.shape) // 2)
    height, width = (side + 2 * margin for side in bounds.shape)
    wanted = Window(bounds.top - margin, bounds.left - margin, height, width)
    around = wanted.intersection(Window.whole(inside.shape)) or bounds
    corner = around.top, around.left
    if name == "scribble":
        return Scribble(_centre_line(found.read(around), corner))
    return Lasso(_wandering_outline(found.read(around), corner, rng))


def _box(bounds: Window, rng: np.random.Generator) -> Box:
    """The bounding box, each side off by up to `JITTER` of the box."""
    errors = rng.uniform(-JITTER, JITTER, 4) * np.tile(bounds.shape, 2)
    sides = np.array([bounds.top, bounds.left, bounds.bottom - 1, bounds.right - 1]) + errors
    return Box(*sides.tolist())


def _centre_line(inside: NDArray[np.bool_], corner: tuple[int, int]) -> tuple[Point, ...]:
    """A stroke along the middle of the object's deepest part, from one end of it to the other."""
    depths = ndimage.distance_transform_edt(inside)
    parts, _ = ndimage.label(depths >= _CORE * depths.max())
    core = np.argwhere(parts == parts[np.unravel_index(int(np.argmax(depths)), depths.shape)])
    along = (core - core.mean(axis=0)) @ _main_axis(core)
    bins = np.digitize(along, np.linspace(along.min(), along.max(), 8)[1:-1])
    points = []
    for number in np.unique(bins):
        members = core[bins == number]
        points.append(members[np.argmax(depths[tuple(members.T)])])
    return tuple((float(row), float(col)) for row, col in np.array(points) + corner)


def _main_axis(places: NDArray[np.int64]) -> NDArray[np.float64]:
    centred = places - places.mean(axis=0)
    axis: NDArray[np.float64] = np.linalg.svd(centred, full_matrices=False)[2][0]
    return axis


def _wandering_outline(
    inside: NDArray[np.bool_], corner: tuple[int, int], rng: np.random.Generator
) -> tuple[Point, ...]:
    """An outline that wanders off the object's, so far that their IoU is `LASSO_IOU`."""
    depths = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    size = float(np.sqrt(np.count_nonzero(inside)))
    wander = ndimage.gaussian_filter(rng.normal(size=inside.shape), max(2.0, size / 4))
    wander /= wander.std()
    low, high = 0.0, size
    for _ in range(_BISECTIONS):
        far = (low + high) / 2
        drawn = _largest(depths + far * wander > 0)
        union = np.count_nonzero(drawn | inside)
        good = np.count_nonzero(drawn & inside) > LASSO_IOU * union
        low, high = (far, high) if good else (low, far)
    drawn = np.pad(_largest(depths + low * wander > 0), 1)
    outline = max(find_contours(drawn.astype(float), 0.5), key=len)
    places = outline[:-1] - 1 + corner
    return tuple((float(row), float(col)) for row, col in places)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    largest: NDArray[np.bool_] = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return largest
