"""The input of a network that a gesture stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.draw import ellipse, polygon

from napari_cfr_icl._errors import ClickError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.prompts.gestures import Box, Gesture, Lasso, Point, Scribble
from napari_cfr_icl.engine.prompts.rough_mask import BoxMask, RoughMask
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.engine.zooming import view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.prediction import Prediction

STRENGTH = 0.7
"""Probability that the inside of a box or lasso is fed back with (measured: docs/gestures.md)."""

SCRIBBLE_CLICKS = 3
"""Clicks that a scribble stands for."""

_CORNER_DISTANCE = 2
"""Pixels from the corners of a box to the clicks on the background there."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The input of `Predictor.predict` besides the picture.

    Parameters
    ----------
    clicks : Clicks
        In pixels of the image.
    previous : Prediction, Patch or None
        The mask to feed back; of a gesture float32 probabilities, 0 to 1.
    view : Window or None
        The part of the image around the gesture.
    """

    clicks: Clicks
    previous: Prediction | Patch | None = None
    view: Window | None = None


def prompt_of(gesture: Gesture, image_shape: tuple[int, int]) -> Prompt:
    """The prompt for a gesture.

    A scribble becomes clicks along it. A box becomes the ellipse in it, a lasso its inside, fed
    back as a weak mask with a click deep in it, and clicks on the background beside the corners of
    its bounding box.

    Parameters
    ----------
    gesture : Gesture
        In pixels of the image; it may reach beyond it.
    image_shape : tuple of int
        (rows, columns).

    Raises
    ------
    ClickError
        When no pixel of the image is inside.
    """
    if isinstance(gesture, Scribble):
        stroke = [point for point in gesture.points if _is_in(point, image_shape)]
        if not stroke:
            raise ClickError(_outside("scribble", image_shape))
        places = spread(stroke, SCRIBBLE_CLICKS)
        return Prompt(Clicks(Click(row, col, gesture.positive) for row, col in places))
    area = _inside(gesture, image_shape)
    bounds = None if area is None else area.bounds()
    if area is None or bounds is None:
        name = "box" if isinstance(gesture, Box) else "lasso"
        raise ClickError(_outside(name, image_shape))
    inside = area.read(bounds)
    weak = inside * np.float32(STRENGTH)
    clicks = Clicks([_deepest(inside, bounds), *_beside_corners(bounds, image_shape)])
    if isinstance(gesture, Box):
        previous: RoughMask = BoxMask(weak, bounds, image_shape, clicks, gesture)
    else:
        previous = RoughMask(weak, bounds, image_shape, clicks)
    return Prompt(clicks, previous, view_of(bounds))


def spread(points: Sequence[Point], count: int) -> list[Point]:
    """At most `count` places along a stroke, evenly, from the middles of as many parts of it.

    Parameters
    ----------
    points : sequence of (float, float)
        (row, column) of at least one point, in the order drawn.
    count : int
        At least 1.
    """
    path = np.asarray(points, float)
    steps = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = (np.arange(count) + 0.5) / count * along[-1]
    places = [
        (round(np.interp(at, along, path[:, 0])), round(np.interp(at, along, path[:, 1])))
        for at in wanted
    ]
    return list(dict.fromkeys((float(row), float(col)) for row, col in places))


def _inside(gesture: Box | Lasso, image_shape: tuple[int, int]) -> Patch | None:
    """The pixels in a lasso, or in the ellipse of a box; None outside the image."""
    if isinstance(gesture, Box):
        rows, cols = (gesture.top, gesture.bottom), (gesture.left, gesture.right)
    else:
        rows, cols = zip(*gesture.points, strict=True)
    top, left = math.floor(min(rows)), math.floor(min(cols))
    box = Window(top, left, math.ceil(max(rows)) - top + 1, math.ceil(max(cols)) - left + 1)
    window = box.intersection(Window.whole(image_shape))
    if window is None:
        return None
    values = np.zeros(window.shape, bool)
    if isinstance(gesture, Box):
        row, col = _middle(rows, cols)
        height, width = (abs(a - b) / 2 + 0.5 for a, b in (rows, cols))
        drawn = ellipse(row - window.top, col - window.left, height, width, shape=window.shape)
    else:
        drawn = polygon(np.subtract(rows, window.top), np.subtract(cols, window.left), window.shape)
    values[drawn] = True
    return Patch(values, window, image_shape)


def _middle(rows: Sequence[float], cols: Sequence[float]) -> Point:
    return sum(rows) / len(rows), sum(cols) / len(cols)


def _deepest(inside: NDArray[np.bool_], bounds: Window) -> Click:
    """A click on the pixel farthest from the edge."""
    depths = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(np.argmax(depths)), depths.shape)
    return Click(bounds.top + int(row), bounds.left + int(col))


def _beside_corners(bounds: Window, image_shape: tuple[int, int]) -> list[Click]:
    """Clicks on the background beside the corners, as far as they are in the image."""
    rows = bounds.top - _CORNER_DISTANCE, bounds.bottom - 1 + _CORNER_DISTANCE
    cols = bounds.left - _CORNER_DISTANCE, bounds.right - 1 + _CORNER_DISTANCE
    corners = [(row, col) for row in rows for col in cols]
    return [Click(*corner, positive=False) for corner in corners if _is_in(corner, image_shape)]


def _is_in(point: Point, image_shape: tuple[int, int]) -> bool:
    return all(-0.5 <= place < side - 0.5 for place, side in zip(point, image_shape, strict=True))


def _outside(name: str, image_shape: tuple[int, int]) -> str:
    rows, cols = image_shape
    return f"The {name} holds no pixel of the image of {rows} rows and {cols} columns."
