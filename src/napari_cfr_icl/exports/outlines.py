"""Outlines of masks along the edges of their pixels: polygons that hold exactly those pixels.

Corners are whole numbers, (0, 0) the upper left corner of the first pixel: what QuPath, ImageJ and
COCO count from. A contour through pixel centres would lose half a pixel all around.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.windows import Patch

Corner = tuple[int, int]
Ring = list[Corner]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One connected part of a mask.

    Parameters
    ----------
    exterior : list of (row, column)
        Corners around it, clockwise on the screen; the first is not repeated at the end.
    holes : tuple of lists of (row, column)
        Corners around each hole, counterclockwise.
    """

    exterior: Ring
    holes: tuple[Ring, ...] = ()


def outlines(mask: Patch) -> list[Outline]:
    """The outlines of a mask, one for each part whose pixels touch along edges.

    Parameters
    ----------
    mask : Patch of bool
        The mask; corners are counted in its plane.
    """
    parts, count = ndimage.label(mask.values)
    exteriors: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {part: [] for part in range(1, count + 1)}
    top, left = mask.window.top, mask.window.left
    for ring in _rings(mask.values):
        part = int(parts[_pixel_inside(ring)])
        in_plane = [(row + top, col + left) for row, col in ring]
        if _doubled_area(ring) > 0:
            exteriors[part] = in_plane
        else:
            holes[part].append(in_plane)
    return [Outline(exteriors[part], tuple(holes[part])) for part in sorted(exteriors)]


def _rings(mask: NDArray[np.bool_]) -> Iterator[Ring]:
    """All closed ways along the mask's edge, the mask on the right hand; none crosses itself."""
    ways: dict[Corner, list[Corner]] = defaultdict(list)
    for start, end in _runs(mask):
        ways[start].append(end)
    while ways:
        first = next(iter(ways))
        yield from _simple(_walk(ways, first))


def _walk(ways: dict[Corner, list[Corner]], first: Corner) -> Ring:
    """One closed way, taken out of `ways`."""
    ring, here, heading = [first], first, (0, 0)
    while True:
        ends = ways[here]
        there = ends.pop(_rightmost(here, ends, heading))
        if not ends:
            del ways[here]
        heading = _direction(here, there)
        # Where two ways start at `first`, the one that was not begun with is another ring.
        if there == first:
            return ring
        ring.append(there)
        here = there


def _rightmost(here: Corner, ends: list[Corner], heading: Corner) -> int:
    """Index of the end to go on to: where two pixels touch at a corner, along the same pixel."""
    right = heading[1], -heading[0]
    for number, end in enumerate(ends):
        if _direction(here, end) == right:
            return number
    return 0


def _simple(ring: Ring) -> Iterator[Ring]:
    """The ring cut wherever it comes back to one of its corners."""
    way: Ring = []
    places: dict[Corner, int] = {}
    for corner in ring:
        if corner in places:
            start = places[corner]
            yield way[start:]
            for passed in way[start + 1 :]:
                del places[passed]
            del way[start + 1 :]
            continue
        places[corner] = len(way)
        way.append(corner)
    yield way


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[Corner, Corner]]:
    """Straight pieces of the edge, from corner to corner, the mask on the right hand."""
    padded = np.pad(mask, 1)
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    before, after = padded[1:-1, :-2], padded[1:-1, 2:]
    for row, start, stop in _stretches(mask & ~above):
        yield (row, start), (row, stop)
    for row, start, stop in _stretches(mask & ~below):
        yield (row + 1, stop), (row + 1, start)
    for col, start, stop in _stretches((mask & ~after).T):
        yield (start, col + 1), (stop, col + 1)
    for col, start, stop in _stretches((mask & ~before).T):
        yield (stop, col), (start, col)


def _stretches(edges: NDArray[np.bool_]) -> Iterable[tuple[int, int, int]]:
    """(row, first column, column after the last) of every unbroken stretch of true values."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, stops = np.argwhere(steps == 1), np.argwhere(steps == -1)
    return [
        (row, start, stop)
        for (row, start), (_, stop) in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def _direction(here: Corner, there: Corner) -> Corner:
    rows, cols = there[0] - here[0], there[1] - here[1]
    return (rows > 0) - (rows < 0), (cols > 0) - (cols < 0)


def _pixel_inside(ring: Ring) -> tuple[int, int]:
    """The pixel of the mask at the right hand of the ring's first piece."""
    (row, col), (down, right) = ring[0], _direction(ring[0], ring[1])
    return row - (down < 0 or right < 0), col - (down > 0 or right < 0)


def _doubled_area(ring: Ring) -> int:
    """Twice the enclosed area in pixels; positive where the way goes clockwise on the screen."""
    pieces = zip(ring, [*ring[1:], ring[0]], strict=True)
    return sum(col * next_row - next_col * row for (row, col), (next_row, next_col) in pieces)


def as_x_y(ring: Ring) -> list[list[Any]]:
    """The corners as [x, y], for formats that want columns first."""
    return [[col, row] for row, col in ring]
