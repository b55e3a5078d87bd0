"""Finished objects joined, split and deleted: the next current object, and edits of the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.windows import Patch, Window, united
from napari_cfr_icl.session.labels import LabelEdit, writing
from napari_cfr_icl.session.objects import ObjectState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.session.protocols import LabelPlane

THICK = 3.0
"""Pixels from its edge to its middle that a part needs, for thin pieces of it to be a rim."""

LEAST_PART = 0.02
"""Share of an object beyond which what a mask leaves of it is a part: a corrected edge is none."""

Step = tuple[ObjectState, list[LabelEdit]]


def joined(state: ObjectState, shown: Patch | None, other: ObjectState) -> Step:
    """The current object with another one, whose pixels get its id at once.

    Parameters
    ----------
    state : ObjectState
        The current object. A new one, that has no id yet, becomes a part of the other.
    shown : Patch of bool or None
        Its mask.
    other : ObjectState
        The other, as it was picked from the labels.
    """
    added = _pixels(other)
    if state.is_empty or shown is None:
        return other, []
    mask = united(shown, added)
    if state.label is None or state.origin is None:
        return replace(other, base=mask, written=added), []
    edit = writing(state.origin, added, state.label, protect=False)
    whole = united(_pixels(state), added)
    base = replace(other, base=mask, written=whole, label=state.label, origin=state.origin)
    return base, [edit] if edit is not None else []


def deleted(state: ObjectState) -> Step:
    """No object, and the pixels of the current one as background.

    Raises
    ------
    MaskError
        When it was not picked from labels.
    """
    store, label = _home(state, "delete")
    there = _pixels(state)
    edit = writing(store, _empty(there), label, protect=True, old=there)
    return ObjectState(), [edit] if edit is not None else []


def split(state: ObjectState, shown: Patch | None) -> Step:
    """No object, and the pixels of the current one shared out, the first part with its id.

    With several clicks on it each gets the part around it, cut where the object is narrow.
    Otherwise the mask is one part, and what it leaves of the object the other; neither keeps
    a thin rim around the other one.

    Raises
    ------
    MaskError
        When it was not picked from labels, or does not fall into parts.
    """
    store, _ = _home(state, "split")
    there = _pixels(state)
    window = there.bounds() or there.window
    parts = _parts(state, shown, there.read(window), window)
    if len(parts) < 2:
        raise MaskError(
            "There is nothing to split: click on each of the parts, or correct the mask to be one."
        )
    first = store.next_label()
    edits = [
        writing(store, Patch(part, window, there.image_shape), number, protect=False)
        for number, part in enumerate(parts[1:], first)
    ]
    return ObjectState(), [edit for edit in edits if edit is not None]


def _parts(
    state: ObjectState, shown: Patch | None, pixels: NDArray[np.bool_], window: Window
) -> list[NDArray[np.bool_]]:
    """Masks of the parts, in the window of the object."""
    markers = np.zeros(pixels.shape, np.int32)
    for click in state.clicks:
        row, col = round(click.row) - window.top, round(click.col) - window.left
        inside = 0 <= row < window.height and 0 <= col < window.width
        if click.positive and inside and pixels[row, col] and not markers[row, col]:
            markers[row, col] = markers.max() + 1
    if markers.max() > 1:
        regions = _watershed(pixels, markers)
        return [regions == number for number in range(1, int(markers.max()) + 1)]
    if shown is None or (not state.clicks and state.written is None):
        return []
    kept = pixels & shown.read(window)
    rest = _without_rim(pixels & ~kept, kept)
    kept = _without_rim(pixels & ~rest, rest)
    least = LEAST_PART * pixels.sum()
    return [part for part in (kept, pixels & ~kept) if part.sum() > least]


def _without_rim(part: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A part of an object without its thin pieces that lie along the other part."""
    from scipy.ndimage import distance_transform_edt, label

    depth = distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    deepest = depth.max()
    if not other.any() or deepest < THICK:
        return part
    core = distance_transform_edt(depth <= deepest / 2) <= deepest / 2
    away = distance_transform_edt(~other)
    pieces, count = label(part & ~core)
    along = [n for n in range(1, count + 1) if away[pieces == n].max() <= deepest]
    return part & ~np.isin(pieces, along)


def _watershed(pixels: NDArray[np.bool_], markers: NDArray[np.int32]) -> NDArray[Any]:
    # Imported where it is needed: it would delay the dock.
    from scipy.ndimage import distance_transform_edt
    from skimage.segmentation import watershed

    depth = distance_transform_edt(np.pad(pixels, 1))[1:-1, 1:-1]
    regions: NDArray[Any] = watershed(-depth, markers, mask=pixels)
    return regions


def _home(state: ObjectState, action: str) -> tuple[LabelPlane, int]:
    if state.origin is None or state.label is None or state.in_labels is None:
        raise MaskError(f"There is no finished object to {action}: grab one first.")
    return state.origin, state.label


def _pixels(state: ObjectState) -> Patch:
    if state.in_labels is None:
        raise MaskError("This object is not in the labels yet.")
    return state.in_labels.threshold(0.5)


def _empty(mask: Patch) -> Patch:
    corner = Window(mask.window.top, mask.window.left, 1, 1)
    return Patch(np.zeros((1, 1), bool), corner, mask.image_shape)
