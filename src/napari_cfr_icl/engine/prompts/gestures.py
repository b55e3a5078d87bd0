"""Gestures: a box, a scribble, a lasso, in (row, column) pixels of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import ClickError

if TYPE_CHECKING:
    from collections.abc import Iterable

Point = tuple[float, float]
"""(row, column); pixel centres are whole numbers."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around an object.

    Parameters
    ----------
    top, left, bottom, right : float
        Places of its first and last pixels; top and bottom, left and right may be exchanged.

    Raises
    ------
    ClickError
        When one of them is not a finite number.
    """

    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        _check("box", [(self.top, self.left), (self.bottom, self.right)], 2)


@dataclass(frozen=True, slots=True)
class Scribble:
    """A stroke on the object, or on the background.

    Parameters
    ----------
    points : tuple of (float, float)
        (row, column) of at least one point, in the order drawn.
    positive : bool, optional
        True on the object (the default), False on the background.

    Raises
    ------
    ClickError
        When there is no point, or a coordinate is not a finite number.
    """

    points: tuple[Point, ...]
    positive: bool = True

    def __post_init__(self) -> None:
        _check("scribble", self.points, 1)


@dataclass(frozen=True, slots=True)
class Lasso:
    """A closed stroke around an object; its last point is joined to its first.

    Parameters
    ----------
    points : tuple of (float, float)
        (row, column) of at least three points, in the order drawn.

    Raises
    ------
    ClickError
        When there are fewer points, or a coordinate is not a finite number.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        _check("lasso", self.points, 3)


Gesture = Box | Scribble | Lasso


def _check(name: str, points: Iterable[Point], fewest: int) -> None:
    given = list(points)
    if len(given) < fewest:
        wanted = "one point" if fewest == 1 else f"{fewest} points"
        raise ClickError(f"A {name} needs at least {wanted}, not {len(given)}.")
    for row, col in given:
        if not (math.isfinite(row) and math.isfinite(col)):
            raise ClickError(f"A {name} needs finite coordinates, not ({row}, {col}).")
