"""Writes down what the user does: listens to the session and to the Labels layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.event_log import (
    EventLog,
    LabelsRecord,
    Operation,
    StartLabels,
    edit_event,
)
from napari_cfr_icl.autosave.fingerprint import ImageFingerprint, fingerprint_image
from napari_cfr_icl.autosave.journal import journals_folder
from napari_cfr_icl.autosave.journal_writer import FileThread, JournalWriter
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import AnswerRecord, EngineRecord, ObjectRecord
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.gui.autosave.label_watcher import LabelsWatcher
from napari_cfr_icl.gui.autosave.provenance import ProvenanceTracker, lies_where
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.protocols import Answer

PATH = "cfr_icl_path"
"""In an image layer's metadata: its file, where napari has not opened it itself."""

KEPT_IN = "cfr_icl_journal"
"""In a layer's metadata: the journal that has what was done to it, once the dock is closed."""

START_WAIT = 0.2
"""Seconds that the first change of a layer waits for what was there before to be kept."""

_NOTHING_NOTED: tuple[Any, ...] = (Clicks(), None, None, None)


class Recorder:
    """Keeps the work on every image of one dock, each in a journal of its own.

    Parameters
    ----------
    screen : Presenter
        What is shown, and of which session.
    files : FileThread
        The thread for files.
    engine : callable
        Tells which network answers now.
    failed : callable
        Told, in that thread, when nothing can be kept any more.
    """

    def __init__(
        self,
        screen: Presenter,
        files: FileThread,
        engine: Callable[[], EngineRecord],
        failed: Callable[[OutputError], None],
    ) -> None:
        self._screen = screen
        self._files = files
        self._engine = engine
        self._failed = failed
        self._session, self._workspace = screen.session, screen.workspace
        self._recipes = ProvenanceTracker()
        self._keepers: dict[str, JournalWriter] = {}
        self._watchers: dict[str, LabelsWatcher] = {}
        self._starts: dict[str, StartLabels] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._state = ObjectState()
        self._written = ObjectState()
        self._noted = _NOTHING_NOTED
        self._changes: list[tuple[str, LabelDiff]] = []
        self._taken_back: list[Operation] = []
        self._settled = single_shot(screen.dock, 0, self.settle)
        self._session.object_changed.connect(self._on_object_changed)
        self._session.stepped.connect(self._on_stepped)
        self._session.wrote.connect(self._on_wrote)

    def keeper_of(self, image: Image) -> JournalWriter:
        """The keeper of the work on an image; a new one knows the image in a while."""
        if image.unique_id not in self._keepers:
            data = image.data[0] if image.multiscale else image.data
            path = path_of(image)
            work = EventLog(ImageFingerprint(image.name, path, tuple(data.shape), "", ""))
            self._keepers[image.unique_id] = JournalWriter(work, self._files, self._failed)
            self._files.submit(_identify, work, data)
        return self._keepers[image.unique_id]

    def watch(self, layer: Labels) -> None:
        """See what is done to a Labels layer from now on."""
        if layer.unique_id in self._watchers or layer.multiscale:
            return
        key = layer.unique_id

        def changed(change: LabelDiff) -> None:
            self._on_labels_changed(key, change)

        def replaced() -> None:
            self._begin_labels(key)

        parent: QObject = self._screen.dock
        self._watchers[key] = LabelsWatcher(layer, changed, replaced, parent)
        self._begin_labels(key)

    def forget(self, layer: Labels) -> None:
        """Let go of a layer that was removed."""
        watcher = self._watchers.pop(layer.unique_id, None)
        if watcher is not None:
            watcher.close()

    def adopt(
        self, image: Image, work: EventLog, layers: list[Labels], journal: Path | None
    ) -> None:
        """Go on with work that was restored; what was drawn since is a part of it from now on.

        Parameters
        ----------
        image : napari.layers.Image
            Its image.
        work : EventLog
            The work.
        layers : list of napari.layers.Labels
            They hold its labels, in their order.
        journal : Path or None
            Where it was kept; not needed any more once it is kept anew.
        """
        self.settle()
        self._taken_back.clear()
        drawn = self._changed_on(image)
        before = self._keepers.pop(image.unique_id, None)
        keeper = self._keepers[image.unique_id] = JournalWriter(work, self._files, self._failed)
        self._numbers = {key: n for key, n in self._numbers.items() if key[0] != image.unique_id}
        for number, layer in enumerate(layers):
            self.watch(layer)
            self._numbers[image.unique_id, layer.unique_id] = number
        keeper.begin_anew()
        for key in (drawn & set(self._watchers)) - {layer.unique_id for layer in layers}:
            # What it holds by now is what it begins with.
            self._begin_labels(key)
            self._number(keeper, image.unique_id, key)
        if before is not None:
            keeper.take_over(before)
        if journal is not None:
            keeper.replaces(journal)
        if work.current is None:
            self._noted = _NOTHING_NOTED
            self._note_object()

    def release(self, image: Image, layer: Labels) -> None:
        """Let go of the work on an image that is kept elsewhere now, and of its labels."""
        self.settle()
        keeper = self._keepers.get(image.unique_id)
        if keeper is not None:
            is_kept = keeper.is_saved or self.is_all_in(layer, image)
            if not is_kept:
                self._leave_mark(image.unique_id, keeper)
            keeper.close(keep=not is_kept)
            del self._keepers[image.unique_id]
        self._numbers = {key: n for key, n in self._numbers.items() if key[0] != image.unique_id}
        self._taken_back.clear()
        self.forget(layer)

    def is_all_in(self, layer: Labels, image: Image) -> bool:
        """Whether no other labels were changed by the work on an image."""
        return self._changed_on(image) <= {layer.unique_id}

    def settle(self) -> None:
        """Write down what has changed and belongs to no object: painting, undo, redo."""
        self._note_changes(None)
        self._note_object()

    def close(self) -> None:
        """Stop listening. Work that nobody has saved is kept for the next time."""
        self.settle()
        for signal, slot in (
            (self._session.object_changed, self._on_object_changed),
            (self._session.stepped, self._on_stepped),
            (self._session.wrote, self._on_wrote),
        ):
            signal.disconnect(slot)
        for watcher in self._watchers.values():
            watcher.close()
        for image, keeper in self._keepers.items():
            keep = not keeper.is_saved and not keeper.work.is_empty
            if keep:
                self._leave_mark(image, keeper)
            keeper.close(keep=keep)

    def _leave_mark(self, image: str, keeper: JournalWriter) -> None:
        """Let a dock that is opened again know that these layers need no restoring."""
        for owner, layer in self._numbers:
            journal = keeper.path
            if owner == image and layer in self._watchers and journal is not None:
                self._watchers[layer].layer.metadata[KEPT_IN] = journal.name

    def _on_stepped(self, answer: Answer) -> None:
        self._recipes.note(self._session.state, answer, self._session.view, self._engine())

    def _on_object_changed(self, state: ObjectState) -> None:
        self._state = state
        # Where labels have just changed, this is a part of it, and told together.
        if not self._changes:
            self._note_object()

    def _on_wrote(self, label: int) -> None:
        self._note_changes((self._written, label))
        self._note_object()

    def _on_labels_changed(self, key: str, change: LabelDiff) -> None:
        self._starts[key].wait(START_WAIT)
        # The session writes an object before it lets go of it.
        self._written = self._session.state
        self._changes.append((key, change))
        self._settled.start()

    def _begin_labels(self, key: str) -> None:
        data = self._watchers[key].layer.data
        # A lazy array keeps itself, or cannot be written at all.
        start = StartLabels(data if isinstance(data, np.ndarray) else None)
        self._starts[key] = start
        self._files.submit(start.pack)
        for known, number in self._numbers.items():
            if known[1] == key:
                self._note_labels(known, number)

    def _note_labels(self, key: tuple[str, str], number: int) -> None:
        layer = self._watchers[key[1]].layer
        record = LabelsRecord(layer.name, data_shape(layer), layer.dtype.name, self._starts[key[1]])
        self._numbers[key] = number
        keeper = self._keepers[key[0]]
        before = layer.metadata.pop(KEPT_IN, None)
        others = (watcher.layer.metadata.get(KEPT_IN) for watcher in self._watchers.values())
        keeper.note({"event": "labels", "number": number, "labels": record})
        if before is not None and before not in others:
            # From now on this journal has it all.
            keeper.replaces(journals_folder() / before)

    def _changed_on(self, image: Image) -> set[str]:
        """The labels layers that the work on an image has changed, removed ones among them."""
        keeper = self._keepers.get(image.unique_id)
        changed = set() if keeper is None else {op.labels for op in keeper.work.operations}
        return {
            layer
            for (owner, layer), number in self._numbers.items()
            if owner == image.unique_id and number in changed
        }

    def _origin(self, keeper: JournalWriter, image: Image, state: ObjectState) -> int | None:
        """Number of the labels that an object came from."""
        origin = state.origin
        if not isinstance(origin, LabelStore) or origin.layer.unique_id not in self._watchers:
            return None
        return self._number(keeper, image.unique_id, origin.layer.unique_id)

    def _number(self, keeper: JournalWriter, image: str, layer: str) -> int:
        if (image, layer) not in self._numbers:
            self._note_labels((image, layer), len(keeper.work.labels))
        return self._numbers[image, layer]

    def _note_changes(self, written: tuple[ObjectState, int] | None) -> None:
        changes, self._changes = self._changes, []
        for key, change in changes:
            image = self._image_of(written[0] if written else self._state)
            if image is None or key not in self._watchers:
                continue
            keeper = self.keeper_of(image)
            number = self._number(keeper, image.unique_id, key)
            made = None if written is None else self._made(keeper, *written, change)
            self._note_change(keeper, Operation(number, change, made))

    def _note_change(self, keeper: JournalWriter, operation: Operation) -> None:
        operations = keeper.work.operations
        last = operations[-1] if operations else None
        again = self._taken_back[-1] if self._taken_back else None
        if operation.made is None and last is not None and operation.takes_back(last):
            self._taken_back.append(last)
            keeper.note({"event": "undone", "index": len(operations) - 1}, wait=True)
            return
        if operation.made is None and again is not None and operation.repeats(again):
            operation = self._taken_back.pop()
        else:
            self._taken_back.clear()
        keeper.note(edit_event(operation), wait=True)

    def _note_object(self) -> None:
        state = self._state
        noted = (state.clicks, state.base, None if state.is_empty else state.scene, state.label)
        if noted == self._noted:
            return
        self._noted = noted
        image = self._image_of(state)
        for keeper in self._keepers.values():
            if keeper.work.current is not None and (
                image is None or keeper is not self._keepers.get(image.unique_id)
            ):
                keeper.note({"event": "object", "object": None})
        if image is not None and not state.is_empty:
            keeper = self.keeper_of(image)
            record = self._record(state, state.label, (), self._origin(keeper, image, state))
            keeper.note({"event": "object", "object": record})
        elif image is not None and self.keeper_of(image).work.current is not None:
            self.keeper_of(image).note({"event": "object", "object": None})

    def _made(
        self, keeper: JournalWriter, state: ObjectState, label: int, change: LabelDiff
    ) -> ObjectRecord | None:
        if state.is_empty or state.scene is None:
            return None

        def number_of(kind: str, record: Any) -> int:
            known: list[Any] = getattr(keeper.work, f"{kind}s")
            if record not in known:
                keeper.note({"event": kind, kind: record})
            return known.index(record)

        answers: tuple[AnswerRecord, ...] = ()
        mask = state.mask(self._session.threshold)
        if mask is not None and lies_where(mask, _plane(state), change, label):
            answers = self._recipes.answers(state, number_of)
        return self._record(state, label, answers)

    def _record(
        self, state: ObjectState, label: int | None, answers: Any, labels: int | None = None
    ) -> ObjectRecord:
        plane = _plane(state)
        return ObjectRecord(
            plane.axes,
            plane.index,
            state.clicks,
            label,
            self._session.threshold,
            self._session.protect,
            state.base,
            answers,
            labels,
        )

    def _image_of(self, state: ObjectState) -> Image | None:
        """The image that an object lies on; the one that is worked on where there is none."""
        if state.scene is None or state.is_empty:
            return self._workspace.image
        layers = self._workspace.viewer.layers
        return next((lay for lay in layers if lay.unique_id == state.scene.plane[0]), None)


def path_of(image: Image) -> str | None:
    """The file of an image layer, if it has one."""
    path = image.metadata.get(PATH) or image.source.path
    return None if path is None else str(path)


def _identify(work: EventLog, data: Any) -> None:
    work.image = fingerprint_image(data, work.image.name, work.image.path)


def _plane(state: ObjectState) -> LayerPlane:
    if state.scene is None:
        raise ValueError("the object is nowhere")
    plane: LayerPlane = state.scene.plane[1]
    return plane
