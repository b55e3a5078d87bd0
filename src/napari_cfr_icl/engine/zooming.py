"""Zooming: choice of the network's window from clicks and mask.

Pure functions. The `paper` preset follows the public code's arithmetic to the pixel (inclusive
boxes, Python's rounding, clamping and all), because its published numbers depend on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_cfr_icl.engine.clicks import Click, Clicks
    from napari_cfr_icl.engine.settings import Zoom

Span = tuple[int, int]
"""First and last pixel of a side, both inside."""

MARGIN, SMALLEST_VIEW = 1.4, 128
"""Side of the view of a known object over its own, and its least in pixels."""

OBJECT_THRESHOLD = 0.5
"""Probability above which a pixel counts as object when a window is chosen around it."""


def choose_window(
    clicks: Clicks,
    seen: Patch | None,
    stored: Window | None,
    zoom: Zoom,
    image_shape: tuple[int, int],
    view: Window | None = None,
) -> Window | None:
    """The window for the next pass.

    Parameters
    ----------
    clicks : Clicks
        All clicks of the object, in image pixels; at least one.
    seen : Patch or None
        Probabilities of the object so far, 0 to 1.
    stored : Window or None
        The window of the last pass, if it was zoomed.
    zoom : Zoom
        The policy.
    image_shape : tuple of int
        (rows, columns).
    view : Window, optional
        The part of the image on the screen; a first click looks no farther.

    Returns
    -------
    Window or None
        In image pixels; None means the whole image, without zooming.
    """
    if len(clicks) <= zoom.skip_clicks:
        return None
    box = None if seen is None else object_box(seen, clicks)
    if box is None and zoom.skip_clicks >= 0:
        return None
    if box is None or seen is None:
        wanted = first_window(clicks, image_shape, zoom, view)
    else:
        cut_off = stored is not None and reaches_edge(box, stored, image_shape)
        wanted = expanded(box, zoom, image_shape, zoom.growth if cut_off else 1.0)
    if stored is not None and keeps(stored, wanted, clicks, zoom.keep_iou):
        return stored
    return wanted


def object_box(probabilities: Patch, clicks: Clicks) -> Window | None:
    """The box around the object and its positive clicks; None where there is no object."""
    box = probabilities.threshold(OBJECT_THRESHOLD).bounds()
    if box is None:
        return None
    rows = [box.top, box.bottom - 1, *(int(click.row) for click in clicks.positives)]
    cols = [box.left, box.right - 1, *(int(click.col) for click in clicks.positives)]
    return _window((min(rows), max(rows)), (min(cols), max(cols)))


def expanded(box: Window, zoom: Zoom, image_shape: tuple[int, int], growth: float = 1.0) -> Window:
    """`box` expanded about its centre by the policy's factor and `growth`, kept in the image."""
    factor = zoom.expansion * growth
    spans = [
        _grown((start, start + side - 1), factor, zoom, limit)
        for start, side, limit in (
            (box.top, box.height, image_shape[0]),
            (box.left, box.width, image_shape[1]),
        )
    ]
    return _window(*spans)


def first_window(
    clicks: Clicks, image_shape: tuple[int, int], zoom: Zoom, view: Window | None
) -> Window:
    """Window without an object: the user's view, or a part of a large image around the click."""
    whole = Window.whole(image_shape)
    if zoom.first_side is None or not clicks:
        return whole
    region = whole if view is None else (view.intersection(whole) or whole)
    side = zoom.first_side if view is None else zoom.max_side
    rows = _around(clicks[-1].row, side, (region.top, region.bottom - 1))
    cols = _around(clicks[-1].col, side, (region.left, region.right - 1))
    return _window(rows, cols)


def view_of(bounds: Window) -> Window:
    """The network's view of an object with these bounds; it may reach beyond the image."""
    return bounds.about(*(max(round(MARGIN * side), SMALLEST_VIEW) for side in bounds.shape))


def reaches_edge(box: Window, stored: Window, image_shape: tuple[int, int]) -> bool:
    """True if an object's box touches an edge of its window inside the image."""
    return (
        box.top <= stored.top > 0
        or box.left <= stored.left > 0
        or box.bottom >= stored.bottom < image_shape[0]
        or box.right >= stored.right < image_shape[1]
    )


def keeps(stored: Window, wanted: Window, clicks: Sequence[Click], keep_iou: float) -> bool:
    """True if the last window holds every positive click and overlaps the wanted one enough."""
    last_row, last_col = stored.bottom - 1, stored.right - 1
    # The upper bound is strict in the public code: a click on the last row or column moves on.
    inside = all(
        stored.top <= click.row < last_row and stored.left <= click.col < last_col
        for click in clicks
        if click.positive
    )
    return inside and overlap(stored, wanted) >= keep_iou


def overlap(a: Window, b: Window) -> float:
    """Product of the row-wise and the column-wise intersection over union, 0 to 1."""
    rows = _span_iou((a.top, a.bottom), (b.top, b.bottom))
    return rows * _span_iou((a.left, a.right), (b.left, b.right))


def _span_iou(a: Span, b: Span) -> float:
    common = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return common / max(1e-6, max(a[1], b[1]) - min(a[0], b[0]))


def _grown(span: Span, factor: float, zoom: Zoom, limit: int) -> Span:
    centre = 0.5 * (span[0] + span[1])
    side = max(factor * (span[1] - span[0] + 1), zoom.min_side)
    if zoom.max_side is not None:
        side = min(side, zoom.max_side)
    first, last = round(centre - 0.5 * side), round(centre + 0.5 * side)
    if zoom.shift:
        moved = max(0, -first) - max(0, last - (limit - 1))
        first, last = first + moved, last + moved
    return max(0, first), min(limit - 1, last)


def _around(place: float, side: int | None, region: Span) -> Span:
    """A span of at most `side` pixels about `place`, moved so that it lies in `region`."""
    length = region[1] - region[0] + 1
    if side is None or length <= side:
        return region
    first = min(max(round(place) - side // 2, region[0]), region[1] + 1 - side)
    return first, first + side - 1


def _window(rows: Span, cols: Span) -> Window:
    return Window(rows[0], cols[0], rows[1] - rows[0] + 1, cols[1] - cols[0] + 1)
