"""Changes of a Labels layer: objects that are written, brushes, and napari's own undo."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_cfr_icl.autosave.event_log import StartLabels
from napari_cfr_icl.autosave.file_thread import FileThread
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.gui.layers.napari_private import values_of
from napari_cfr_icl.gui.widgets.single_shot import single_shot

NAPARIS_UNDO_STEPS = 100
"""Steps that napari remembers at most."""


class LabelsWatcher:
    """Announces the changes of one layer, after they are made or right before.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    files : FileThread
        Packs the layer's content.
    changed : callable
        Called with the watcher and a `LabelDiff`.
    replaced : callable
        Called with the watcher when the layer has other data, with unknown changes.
    parent : QObject
        Owner of the timer.

    Attributes
    ----------
    key : str
        The layer's id.
    start : StartLabels
        The content that the changes begin with.
    """

    def __init__(
        self,
        layer: Labels,
        files: FileThread,
        changed: Callable[[LabelsWatcher, LabelDiff], None],
        replaced: Callable[[LabelsWatcher], None],
        parent: QObject,
    ) -> None:
        self.layer = layer
        self.key: str = layer.unique_id
        self._files = files
        self._changed = changed
        self._replaced = replaced
        self._done: deque[list[LabelDiff]] = deque(maxlen=NAPARIS_UNDO_STEPS)
        self._undone: list[list[LabelDiff]] = []
        self._settled = single_shot(parent, 0, self._on_settled)
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_set_data)
        layer.events.data.connect(self._on_data)
        self.begin()

    def close(self) -> None:
        """Stop listening to the layer."""
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.set_data.disconnect(self._on_set_data)
        self.layer.events.data.disconnect(self._on_data)

    def begin(self) -> None:
        """Let the changes begin with the layer's content now."""
        # A lazy array keeps itself, or cannot be written at all.
        data = self.layer.data
        self.start = StartLabels(data if isinstance(data, np.ndarray) else None)
        self._files.submit(self.start.pack)

    def _tell(self, changes: list[LabelDiff]) -> None:
        self.start.exclude(changes)
        for change in changes:
            self._changed(self, change)

    def _on_settled(self) -> None:
        """Find the changes of napari's undo or redo, which sends no event."""
        data = self.layer.data
        while self._done and all(change.holds_in(data, undone=True) for change in self._done[-1]):
            changes = self._done.pop()
            self._undone.append(changes)
            self._tell([change.reversed() for change in reversed(changes)])
        while self._undone and all(
            change.holds_in(data, undone=False) for change in self._undone[-1]
        ):
            changes = self._undone.pop()
            self._done.append(changes)
            self._tell(changes)

    def _on_paint(self, event: Any) -> None:
        changes = [change for atom in event.value if (change := _change(atom)) is not None]
        if changes:
            self._done.append(changes)
            self._undone.clear()
            self._tell(changes)

    def _on_set_data(self) -> None:
        # Napari slices for many reasons, an undo among them; the change itself comes before it.
        if self._done or self._undone:
            self._settled.start()

    def _on_data(self) -> None:
        self._done.clear()
        self._undone.clear()
        self.begin()
        self._replaced(self)


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
