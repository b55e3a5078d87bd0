"""Writing a finished object among others: what changes, and how to take it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_cfr_icl.engine.windows import Patch, Window, enclosing
from napari_cfr_icl.session.answer_cache import CompressedArray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SMALL_PLANE = 1 << 22
"""Pixels of a plane that is looked through as a whole for an object: some milliseconds."""


class LabelStore(Protocol):
    """The plane of a label image that finished objects are written into."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""

    def next_label(self) -> int:
        """The next free id.

        Raises
        ------
        OutputError
            When the label image's type has no id left.
        """

    def fit(self, mask: Patch) -> Patch:
        """A mask of the image's plane in the pixels of this one."""

    def to_image(self, mask: Patch) -> Patch:
        """A mask of this plane in the pixels of the image's."""

    def read(self, window: Window) -> NDArray[Any]:
        """The ids in `window`, as a copy."""

    def write(self, window: Window, changed: NDArray[np.bool_], ids: NDArray[Any] | int) -> None:
        """Set the pixels of `window` where `changed` is true to `ids`, in their order, or to one.

        Raises
        ------
        OutputError
            When the label image cannot be written.
        """


class Edit(Protocol):
    """A change of labels that can be taken back."""

    def apply(self) -> None:
        """Make the change."""

    def revert(self) -> None:
        """Take it back."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelEdit:
    """A change of some pixels of a label plane, with what they were before.

    Parameters
    ----------
    store : LabelStore
        Where.
    window : Window
        The box that holds the change.
    changed : CompressedArray
        Which pixels of the box: bool, (height, width).
    before, after : CompressedArray
        Their ids, in the order of `changed`.
    """

    store: LabelStore
    window: Window
    changed: CompressedArray
    before: CompressedArray
    after: CompressedArray

    def apply(self) -> None:
        """Make the change, sparing pixels that somebody else has changed since."""
        self._set(self.before, self.after)

    def revert(self) -> None:
        """Take it back, sparing pixels that somebody else has changed since."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Edits:
    """Several changes that are made and taken back together.

    Parameters
    ----------
    parts : tuple of Edit
        The changes, oldest first.
    """

    parts: tuple[Edit, ...]

    def apply(self) -> None:
        """Make all changes."""
        for part in self.parts:
            part.apply()

    def revert(self) -> None:
        """Take all back, the newest first."""
        for part in reversed(self.parts):
            part.revert()


def object_around(store: LabelStore, label: int, around: Window) -> Patch | None:
    """The pixels with id `label`, as a patch of bool of the label plane; None where there are none.

    On a small plane that is all of them. On a large one it is those that are found without reading
    all of it: the window grows from `around` until no pixel of the object touches its edges.

    Parameters
    ----------
    store : LabelStore
        The label plane.
    label : int
        The id.
    around : Window
        Where to begin, in its pixels.
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
        if window == whole or not _reaches_edge(bounds, window, whole):
            return Patch(found.read(bounds), bounds, store.shape)
        window = _doubled(window).intersection(whole)
    return None


def holds(store: LabelStore, mask: Patch, label: int) -> bool:
    """Whether any pixel of `mask`, on the image's plane, has the id `label`."""
    mask = store.fit(mask)
    bounds = mask.bounds()
    return bounds is not None and bool((mask.read(bounds) & (store.read(bounds) == label)).any())


def writing(
    store: LabelStore, mask: Patch, label: int, *, protect: bool, old: Patch | None = None
) -> LabelEdit | None:
    """The edit that writes an object with id `label`; None where no pixel would change.

    Parameters
    ----------
    store : LabelStore
        Where to; nothing is written yet.
    mask : Patch of bool
        The object, on the image's plane.
    label : int
        Its id.
    protect : bool
        Leave the pixels of other objects as they are; otherwise they are overwritten.
    old : Patch of bool, optional
        Where the object was before: its pixels that the new mask leaves out become background.
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


def _reaches_edge(bounds: Window, window: Window, whole: Window) -> bool:
    """Whether something in `window` reaches an edge of it beyond which the plane goes on."""
    return (
        bounds.top == window.top > whole.top
        or bounds.left == window.left > whole.left
        or bounds.bottom == window.bottom < whole.bottom
        or bounds.right == window.right < whole.right
    )


def _doubled(window: Window) -> Window:
    """The same window, twice as high and wide about its centre."""
    height, width = max(2, window.height), max(2, window.width)
    return Window(window.top - height // 2, window.left - width // 2, 2 * height, 2 * width)
