"""Writing of a finished object among others, as an edit that can be reverted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.windows import Patch, Window, enclosing
from napari_cfr_icl.session.answer_cache import CompressedArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_cfr_icl.session.objects import ObjectState
    from napari_cfr_icl.session.protocols import LabelPlane

LEFT_OUT = "Objects without a pixel of their own were left out; undo brings them back."

SMALL_PLANE = 1 << 22
"""Pixels of a plane that is looked through as a whole for an object: some milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelEdit:
    """A change of some pixels of a label plane.

    Parameters
    ----------
    store : LabelPlane
        The label plane.
    window : Window
        The box that holds the change.
    changed : CompressedArray
        Mask of the box's changed pixels: bool, (height, width).
    before, after : CompressedArray
        Their ids, in the order of `changed`.
    """

    store: LabelPlane
    window: Window
    changed: CompressedArray
    before: CompressedArray
    after: CompressedArray

    def apply(self) -> None:
        """Make the change, except for pixels that others have changed since."""
        self._set(self.before, self.after)

    def revert(self) -> None:
        """Revert it, except for pixels that others have changed since."""
        self._set(self.after, self.before)

    def _set(self, expected: CompressedArray, wanted: CompressedArray) -> None:
        values, changed = self.store.read(self.window), self.changed.array()
        if expected.is_uniform:
            ours = changed & (values == expected.item)
        else:
            ours = changed.copy()
            ours[changed] = values[changed] == expected.array()
        tight = Patch(ours, self.window, self.store.shape).bounds()
        if tight is None:
            return
        ids = wanted.item if wanted.is_uniform else wanted.array()[ours[changed]]
        self.store.write(tight, ours[tight.relative_to(self.window).slices], ids)


def object_around(store: LabelPlane, label: int, around: Window) -> Patch | None:
    """The pixels with id `label`, as a patch of bool of the label plane; None where there are none.

    On a small plane that is all of them. On a large one it is those that are found without reading
    all of it: the window grows from `around` until no pixel of the object touches its edges.

    Parameters
    ----------
    store : LabelPlane
        The label plane.
    label : int
        The id.
    around : Window
        First window, in its pixels.
    """
    whole = Window.whole(store.shape)
    window = around.intersection(whole)
    if whole.height * whole.width <= SMALL_PLANE:
        window = whole
    while window is not None:
        found = Patch(store.read(window) == label, window, store.shape)
        bounds = found.bounds()
        if bounds is None:
            return None
        if window == whole or not reaches_edge(bounds, window, whole):
            return Patch(found.read(bounds), bounds, store.shape)
        window = doubled(window).intersection(whole)
    return None


def holds(store: LabelPlane, mask: Patch, label: int) -> bool:
    """True when any pixel of `mask`, on the image's plane, has the id `label`."""
    mask = store.fit(mask)
    bounds = mask.bounds()
    return bounds is not None and bool((mask.read(bounds) & (store.read(bounds) == label)).any())


def writing(
    store: LabelPlane, mask: Patch, label: int, *, protect: bool, old: Patch | None = None
) -> LabelEdit | None:
    """The edit that writes an object with id `label`; None where no pixel would change.

    Parameters
    ----------
    store : LabelPlane
        Destination; nothing is written yet.
    mask : Patch of bool
        The object, on the image's plane.
    label : int
        Its id.
    protect : bool
        Leave the pixels of other objects as they are; otherwise they are overwritten.
    old : Patch of bool, optional
        Earlier mask of the object: its pixels that the new mask leaves out become background.
    """
    mask = store.fit(mask)
    old = None if old is None else store.fit(old)
    bounds = [patch.bounds() for patch in (mask, old) if patch is not None]
    boxes = [box for box in bounds if box is not None]
    if not boxes:
        return None
    window = enclosing(boxes)
    before, wanted = store.read(window), mask.read(window)
    gained = wanted & (before == 0 if protect else before != label)
    changed = gained if old is None else gained | (old.read(window) & ~wanted & (before == label))
    if not changed.any():
        return None
    after = gained[changed] * before.dtype.type(label)
    ids = CompressedArray.of(before[changed]), CompressedArray.of(after)
    return LabelEdit(store, window, CompressedArray.of(changed), *ids)


def writing_all(
    store: LabelPlane, masks: Sequence[Patch], first: int, *, protect: bool
) -> LabelEdit | None:
    """The edit that writes new objects with the ids from `first` on; None where nothing changes.

    Parameters
    ----------
    store : LabelPlane
        Destination; nothing is written yet.
    masks : sequence of Patch of bool
        The objects, on the image's plane. Where two overlap, the first has the pixels.
    first : int
        Id of the first one.
    protect : bool
        Leave the pixels of other objects as they are; otherwise they are overwritten.
    """
    fitted = [store.fit(mask) for mask in masks]
    boxes = [box for mask in fitted if (box := mask.bounds()) is not None]
    if not boxes:
        return None
    window = enclosing(boxes)
    before = store.read(window)
    new = np.zeros(before.shape, np.int64)
    for label, mask in enumerate(fitted, first):
        if (box := mask.bounds()) is not None:
            part = new[box.relative_to(window).slices]
            part[mask.read(box) & (part == 0)] = label
    changed = (new > 0) & (before == 0) if protect else new > 0
    if not changed.any():
        return None
    after = new[changed]
    if after.max() <= np.iinfo(before.dtype).max:
        after = after.astype(before.dtype)
    ids = CompressedArray.of(before[changed]), CompressedArray.of(after)
    return LabelEdit(store, window, CompressedArray.of(changed), *ids)


def write_object(
    state: ObjectState, mask: Patch | None, store: LabelPlane, *, protect: bool
) -> tuple[int, LabelEdit | None]:
    """Write an object with its mask into the labels that it came from, or into `store`.

    Returns its id and the edit, which is None where the very same pixels were there before.

    Raises
    ------
    OutputError
        When the labels cannot take it; nothing has changed then.
    MaskError
        When the object has no pixel that could be written.
    """
    store = state.origin or store
    label = state.label if state.label is not None else store.next_label()
    edit = None
    if mask is not None:
        there = state.in_labels
        old = None if there is None else there.threshold(0.5)
        edit = writing(store, mask, label, protect=protect, old=old)
    if edit is not None:
        edit.apply()
    elif mask is None or not holds(store, mask, label):
        raise MaskError(f"There is nothing to write: {_why_nothing(store, mask)}.")
    return label, edit


def write_others(
    states: Sequence[ObjectState], store: LabelPlane, threshold: float, *, protect: bool
) -> Iterator[tuple[ObjectState, int, LabelEdit]]:
    """Write objects that were begun together, but those without a pixel of their own.

    Yields each with its id and its edit; raises OutputError as `write_object` does.
    """
    for state in states:
        with suppress(MaskError):
            label, edit = write_object(state, state.mask(threshold), store, protect=protect)
            if edit is not None:
                yield state, label, edit


def _why_nothing(store: LabelPlane, mask: Patch | None) -> str:
    """The reason why a mask changes no pixel of the labels."""
    if mask is None or mask.bounds() is None:
        return "the mask is empty"
    if store.fit(mask).bounds() is None:
        return "the mask lies outside the labels layer"
    return "other objects cover the mask"


def reaches_edge(bounds: Window, window: Window, whole: Window) -> bool:
    """True when `bounds` reach an edge of `window` that is no edge of the plane."""
    return (
        bounds.top == window.top > whole.top
        or bounds.left == window.left > whole.left
        or bounds.bottom == window.bottom < whole.bottom
        or bounds.right == window.right < whole.right
    )


def doubled(window: Window) -> Window:
    """The same window, twice as high and wide about its centre."""
    height, width = max(2, window.height), max(2, window.width)
    return Window(window.top - height // 2, window.left - width // 2, 2 * height, 2 * width)
