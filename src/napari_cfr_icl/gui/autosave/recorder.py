"""Recorder of the user's steps: listens to the session and to the Labels layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import QObject

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.event_log import EventLog
from napari_cfr_icl.autosave.file_thread import FileThread
from napari_cfr_icl.autosave.fingerprint import ImageFingerprint, fingerprint_image
from napari_cfr_icl.autosave.journal import Journal, journals_folder
from napari_cfr_icl.autosave.journal_writer import JournalWriter
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import AnswerRecord, EngineRecord, ObjectRecord
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.gui.autosave.image_log import ImageLog, path_of
from napari_cfr_icl.gui.autosave.label_watcher import LabelsWatcher
from napari_cfr_icl.gui.autosave.provenance import ProvenanceTracker, lies_where
from napari_cfr_icl.gui.interaction.workspace import Workspace, plane_of
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.protocols import Answer
from napari_cfr_icl.session.session import Session

KEPT_IN = "cfr_icl_journal"
"""In a layer's metadata: the journal that has its changes, once the dock is closed."""

_NOTHING: tuple[Any, ...] = (Clicks(), None, None, None, ())


class Recorder:
    """Records the steps on every image of one dock, each in a journal of its own.

    Parameters
    ----------
    session : Session
        The session.
    workspace : Workspace
        Its layers.
    files : FileThread
        The thread for files.
    engine : callable
        Returns the record of the network that answers now, if it is known.
    failed : callable
        Called in that thread when nothing can be written any more.
    parent : QObject
        Owner of the timers.
    """

    def __init__(
        self,
        session: Session,
        workspace: Workspace,
        files: FileThread,
        engine: Callable[[], EngineRecord | None],
        failed: Callable[[OutputError], None],
        parent: QObject,
    ) -> None:
        self._session, self._workspace = session, workspace
        self._files = files
        self._engine = engine
        self._failed = failed
        self._parent = parent
        self._provenance = ProvenanceTracker()
        self._logs: dict[str, ImageLog] = {}
        self._watchers: dict[str, LabelsWatcher] = {}
        self._recorded = _NOTHING
        self._changes: list[tuple[LabelsWatcher, LabelDiff]] = []
        self._settled = single_shot(parent, 0, self.settle)
        session.object_changed.connect(self._on_object_changed)
        session.stepped.connect(self._on_stepped)
        session.wrote.connect(self._on_wrote)

    def log_of(self, image: Image) -> ImageLog:
        """The log of an image; a new one gets the fingerprint of the image in a while."""
        if image.unique_id not in self._logs:
            data = image.data[0] if image.multiscale else image.data
            unread = ImageFingerprint(image.name, path_of(image), tuple(data.shape), "", "")
            log = EventLog(unread)
            self._logs[image.unique_id] = ImageLog(self._writer(log))
            self._files.submit(_add_fingerprint, log, data)
        return self._logs[image.unique_id]

    @property
    def journals(self) -> list[Path]:
        """The journals of all images that have one."""
        paths = (log.writer.path for log in self._logs.values())
        return [path for path in paths if path is not None]

    def watch(self, layer: Labels) -> None:
        """Record the changes of a Labels layer from now on."""
        if layer.unique_id in self._watchers or layer.multiscale:
            return
        watcher = self._watchers[layer.unique_id] = LabelsWatcher(
            layer, self._files, self._on_labels_changed, self._on_labels_replaced, self._parent
        )
        # It may have been removed, changed and inserted again.
        self._on_labels_replaced(watcher)

    def forget(self, layer: Labels) -> None:
        """Stop watching a layer that was removed."""
        watcher = self._watchers.pop(layer.unique_id, None)
        if watcher is not None:
            watcher.close()

    def adopt(
        self, image: Image, log: EventLog, layers: Sequence[Labels], journal: Journal | None
    ) -> None:
        """Continue a log that was restored; changes since become a part of it.

        Parameters
        ----------
        image : napari.layers.Image
            Its image.
        log : EventLog
            The log.
        layers : sequence of napari.layers.Labels
            The layers that hold its labels, in their order.
        journal : Journal or None
            Its journal, to be discarded once the log is in another.
        """
        self.settle()
        before = self._logs.pop(image.unique_id, None)
        for layer in layers:
            self.watch(layer)
        writer = self._writer(log)
        adopted = ImageLog(writer, [layer.unique_id for layer in layers])
        self._logs[image.unique_id] = adopted
        writer.begin_anew()
        if before is not None:
            for key in before.changed_layers & self._watchers.keys():
                if not adopted.has(key):
                    # Its content by now is what it begins with.
                    self._watchers[key].begin()
                    self._number(adopted, self._watchers[key])
            writer.take_over(before.writer)
        if journal is not None:
            writer.replace(journal)
        if log.current is None:
            self._recorded = _NOTHING
            self._record_object()

    def release(self, image: Image, layer: Labels) -> None:
        """Close the log of an image whose labels are saved elsewhere now."""
        self.settle()
        log = self._logs.pop(image.unique_id, None)
        if log is not None:
            is_kept = log.writer.is_saved or log.changed_layers <= {layer.unique_id}
            self._close(log, keep=not is_kept)
        self.forget(layer)

    def settle(self) -> None:
        """Record the changes that belong to no object: painting, undo, redo."""
        self._record_changes(None, self._session.state)
        self._record_object()

    def close(self) -> None:
        """Stop listening. Work that nobody has saved is kept for the next time."""
        self.settle()
        self._session.object_changed.disconnect(self._on_object_changed)
        self._session.stepped.disconnect(self._on_stepped)
        self._session.wrote.disconnect(self._on_wrote)
        for watcher in self._watchers.values():
            watcher.close()
        for log in self._logs.values():
            self._close(log, keep=not (log.writer.is_saved or log.event_log.is_empty))

    def _writer(self, log: EventLog) -> JournalWriter:
        return JournalWriter(log, self._files, self._failed)

    def _close(self, log: ImageLog, *, keep: bool) -> None:
        """Close a log; marked layers need no restoring when the dock is opened again."""
        journal = log.writer.path
        for watcher in self._watchers.values():
            if keep and journal is not None and log.has(watcher.key):
                watcher.layer.metadata[KEPT_IN] = journal.name
        log.writer.close(keep=keep)

    def _on_stepped(self, answer: Answer, state: ObjectState) -> None:
        engine = self._engine() or EngineRecord("")
        self._provenance.note(state, answer, engine)
        self._on_object_changed(self._session.state)

    def _on_object_changed(self, state: ObjectState) -> None:
        # Where labels have just changed, this is a part of it.
        if self._changes or state.is_empty:
            self._settled.start()
        else:
            self._record_object()

    def _on_wrote(self, label: int, state: ObjectState) -> None:
        self._record_changes(label, replace(state, others=()))
        self._record_object()

    def _on_labels_changed(self, watcher: LabelsWatcher, change: LabelDiff) -> None:
        self._changes.append((watcher, change))
        self._settled.start()

    def _on_labels_replaced(self, watcher: LabelsWatcher) -> None:
        self._changes = [entry for entry in self._changes if entry[0].key != watcher.key]
        for log in self._logs.values():
            if log.has(watcher.key):
                log.record_labels(watcher)

    def _number(self, log: ImageLog, watcher: LabelsWatcher) -> int:
        """Number of a labels layer in a log; a new one takes over an earlier dock's journal."""
        is_new = not log.has(watcher.key)
        number = log.number(watcher)
        before = watcher.layer.metadata.pop(KEPT_IN, None) if is_new else None
        others = (other.layer.metadata.get(KEPT_IN) for other in self._watchers.values())
        if before is not None and before not in others:
            log.writer.replace(journals_folder() / before)
        return number

    def _record_changes(self, label: int | None, state: ObjectState) -> None:
        """Record the changes of labels, made by writing an object with this id, or by hand."""
        changes, self._changes = self._changes, []
        for watcher, change in changes:
            image = self._image_of(state) or (self._workspace.image if state.is_empty else None)
            if image is None or watcher.key not in self._watchers:
                continue
            log = self.log_of(image)
            self._number(log, watcher)
            made = None if label is None else self._made(log, state, label, change)
            log.record_change(watcher, change, made)

    def _record_object(self) -> None:
        state = self._session.state
        if state.is_empty and self._workspace.clicks is None:
            # Nobody dropped it: its layers went, and the viewer may be closing.
            return
        scene = None if state.is_empty else state.scene
        others = tuple((other.clicks, other.base) for other in state.others)
        recorded = (state.clicks, state.base, scene, state.label, others)
        if recorded == self._recorded:
            return
        self._recorded = recorded
        image = self._image_of(state)
        for layer in self._workspace.viewer.layers:
            # The object of an image that is gone is offered the next time.
            if layer is not image and layer.unique_id in self._logs:
                self._logs[layer.unique_id].record_object(None)
        if image is not None:
            log = self.log_of(image)
            origin = self._origin(log, state)
            log.record_object(self._record(state, label=state.label, labels=origin))

    def _origin(self, log: ImageLog, state: ObjectState) -> int | None:
        """Number of the labels that an object came from."""
        layer = state.origin.layer if isinstance(state.origin, LabelStore) else None
        if layer is None or layer.unique_id not in self._watchers:
            return None
        return self._number(log, self._watchers[layer.unique_id])

    def _made(
        self, log: ImageLog, state: ObjectState, label: int, change: LabelDiff
    ) -> ObjectRecord | None:
        if state.is_empty or state.scene is None:
            return None
        answers: tuple[AnswerRecord, ...] = ()
        mask = state.mask(self._session.threshold)
        if mask is not None and lies_where(mask, plane_of(state), change, label):
            answers = self._provenance.answers(state, log.index_of)
        return self._record(state, label=label, answers=answers)

    def _record(self, state: ObjectState, **others: Any) -> ObjectRecord:
        plane = plane_of(state)
        others |= {"threshold": self._session.threshold, "protect": self._session.protect}
        others |= {"written": state.written, "view": state.view}
        others["others"] = tuple(self._record(one, label=one.label) for one in state.others)
        return ObjectRecord(plane.axes, plane.index, state.clicks, base=state.base, **others)

    def _image_of(self, state: ObjectState) -> Image | None:
        """The image that an object lies on, if it is in the viewer."""
        if state.is_empty or state.scene is None:
            return None
        layers = self._workspace.viewer.layers
        return next((layer for layer in layers if layer.unique_id == state.scene.plane[0]), None)


def _add_fingerprint(log: EventLog, data: Any) -> None:
    log.image = fingerprint_image(data, log.image.name, log.image.path)
