"""The journal of one image layer, with the numbers of the labels layers that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Image

from napari_cfr_icl.autosave.event_log import EventLog, LabelsRecord, Operation, edit_event
from napari_cfr_icl.autosave.journal_writer import JournalWriter
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import EngineRecord, ObjectRecord, PictureRecord
from napari_cfr_icl.gui.autosave.label_watcher import LabelsWatcher
from napari_cfr_icl.gui.layers.planes import data_shape

PATH = "cfr_icl_path"
"""In an image layer's metadata: its file, where napari has not opened it itself."""


class ImageLog:
    """Turns changes of layers into events of one image.

    Parameters
    ----------
    writer : JournalWriter
        Writes the events.
    layers : sequence of str, optional
        Ids of the labels layers that a restored log has already, in its order.
    """

    def __init__(self, writer: JournalWriter, layers: Sequence[str] = ()) -> None:
        self.writer = writer
        self._numbers = {layer: number for number, layer in enumerate(layers)}
        self._undone: list[Operation] = []

    @property
    def event_log(self) -> EventLog:
        """The events."""
        return self.writer.log

    def has(self, layer: str) -> bool:
        """True when a labels layer of this id is in the log."""
        return layer in self._numbers

    @property
    def changed_layers(self) -> set[str]:
        """Ids of the labels layers that were changed, removed ones among them."""
        changed = self.event_log.changed
        return {layer for layer, number in self._numbers.items() if number in changed}

    def number(self, watcher: LabelsWatcher) -> int:
        """Number of a labels layer in the log; a new one is recorded."""
        if watcher.key not in self._numbers:
            self.record_labels(watcher)
        return self._numbers[watcher.key]

    def record_labels(self, watcher: LabelsWatcher) -> None:
        """Record the initial content of a labels layer, a new or a known one."""
        layer = watcher.layer
        number = self._numbers.setdefault(watcher.key, len(self.event_log.labels))
        record = LabelsRecord(layer.name, data_shape(layer), layer.dtype.name, watcher.start)
        self.writer.record({"event": "labels", "number": number, "labels": record})

    def record_change(
        self, watcher: LabelsWatcher, change: LabelDiff, made: ObjectRecord | None
    ) -> None:
        """Record a change of a labels layer: an object, painting, or undo and redo of such."""
        operation = Operation(self.number(watcher), change, made)
        operations = self.event_log.operations
        if made is None and operations and operation.takes_back(operations[-1]):
            self._undone.append(operations[-1])
            self.writer.record({"event": "undone", "index": len(operations) - 1}, wait=True)
            return
        if made is None and self._undone and operation.repeats(self._undone[-1]):
            operation = self._undone.pop()
        else:
            self._undone.clear()
        self.writer.record(edit_event(operation), wait=True)

    def record_object(self, record: ObjectRecord | None) -> None:
        """Record the current object; None where there is none any more."""
        if record is not None or self.event_log.current is not None:
            self.writer.record({"event": "object", "object": record})

    def index_of(self, kind: str, record: EngineRecord | PictureRecord) -> int:
        """Number of an "engine" or a "picture" in the log; a new one is recorded."""
        known: list[Any] = getattr(self.event_log, f"{kind}s")
        if record not in known:
            self.writer.record({"event": kind, kind: record})
        return known.index(record)


def path_of(image: Image) -> str | None:
    """The file of an image layer, if it has one."""
    path = image.metadata.get(PATH) or image.source.path
    return None if path is None else str(path)
