"""Sees every change of a Labels layer: objects that are written, brushes, and napari's own undo."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.gui.layers.label_target import values_of
from napari_cfr_icl.gui.widgets.single_shot import single_shot

NAPARIS_UNDO_STEPS = 100
"""Napari remembers at most so many."""


class LabelsWatcher:
    """Tells of the changes of one layer, after they are made or right before.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    changed : callable
        Called with a `LabelDiff`.
    replaced : callable
        Called when the layer has other data, and nobody knows what changed.
    parent : QObject
        What the timer dies with.
    """

    def __init__(
        self,
        layer: Labels,
        changed: Callable[[LabelDiff], None],
        replaced: Callable[[], None],
        parent: QObject,
    ) -> None:
        self.layer = layer
        self._changed = changed
        self._replaced = replaced
        self._done: deque[list[LabelDiff]] = deque(maxlen=NAPARIS_UNDO_STEPS)
        self._undone: list[list[LabelDiff]] = []
        self._settled = single_shot(parent, 0, self.look_for_undo)
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_set_data)
        layer.events.data.connect(self._on_data)

    def close(self) -> None:
        """Stop listening to the layer."""
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.set_data.disconnect(self._on_set_data)
        self.layer.events.data.disconnect(self._on_data)

    def look_for_undo(self) -> None:
        """Find out what napari's undo or redo did, of which it tells nobody."""
        data = self.layer.data
        while self._done and all(change.holds_in(data, undone=True) for change in self._done[-1]):
            changes = self._done.pop()
            self._undone.append(changes)
            for change in reversed(changes):
                self._changed(change.reversed())
        while self._undone and all(
            change.holds_in(data, undone=False) for change in self._undone[-1]
        ):
            changes = self._undone.pop()
            self._done.append(changes)
            for change in changes:
                self._changed(change)

    def _on_paint(self, event: Any) -> None:
        changes = [change for atom in event.value if (change := _change(atom)) is not None]
        if changes:
            self._done.append(changes)
            self._undone.clear()
        for change in changes:
            self._changed(change)

    def _on_set_data(self) -> None:
        # Napari slices for many reasons, an undo among them; the change itself comes before it.
        if self._done or self._undone:
            self._settled.start()

    def _on_data(self) -> None:
        self._done.clear()
        self._undone.clear()
        self._replaced()


def _change(atom: Any) -> LabelDiff | None:
    """The change in an entry of napari's history."""
    before, after = values_of(atom)
    if not hasattr(atom, "slice_key"):
        indices = atom[0]
        if not len(indices) or not np.size(indices[0]):
            return None
        return LabelDiff.at(np.broadcast_arrays(*indices), before, after)
    corner = tuple(0 if part.start is None else int(part.start) for part in atom.slice_key)
    shape = np.shape(atom.old_values) if atom.mask is None else np.shape(atom.mask)
    pixels = np.ones(shape, bool) if atom.mask is None else np.asarray(atom.mask, bool)
    return LabelDiff.of(corner, pixels, before, after)
