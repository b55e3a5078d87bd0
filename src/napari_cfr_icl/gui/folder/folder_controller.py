"""The way through a folder of images: saves the labels, shows the next image, reads ahead."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl._errors import ImageError, OutputError
from napari_cfr_icl.gui.autosave.recorder import Recorder
from napari_cfr_icl.gui.folder.folder_item import FolderItem, layers_of
from napari_cfr_icl.gui.folder.read_ahead import Read, ReadAhead
from napari_cfr_icl.gui.layers.click_layer import TAG
from napari_cfr_icl.gui.threads.io_worker import IoWorker
from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.session.folder import ImageFolder
from napari_cfr_icl.session.session import Session

CLOSING_WAIT = 1.0
"""Seconds that closing waits for the labels to be saved; unsaved ones are offered next time."""

UNDER_WAY = "Write this object ({write}) or drop it ({drop}) before you go on."

NO_FURTHER = "No further image of the folder can be read; this one stays."


class FolderController:
    """Shows the images of a folder one after the other, each with one labels layer.

    Parameters
    ----------
    dock : SegmentDock
        Its folder panel and its image menu.
    session : Session
        The object under way.
    viewer : napari.Viewer
        The layers.
    recorder : Recorder
        Releases the work on an image whose labels are saved.
    write : callable
        Writes the object under way.
    report : callable
        Reports an error.
    """

    def __init__(
        self,
        dock: SegmentDock,
        session: Session,
        viewer: napari.Viewer,
        recorder: Recorder,
        write: Callable[[], None],
        report: Callable[[Exception], None],
    ) -> None:
        self._dock = dock
        self._session = session
        self._viewer = viewer
        self._recorder = recorder
        self._write = write
        self._report = report
        # All of it changes together, when the next image is on the screen: until then every label
        # belongs to the image before, whatever is being opened.
        self._shown: FolderItem | None = None
        self._saved: NDArray[Any] | None = None
        self._going = False
        self._files = IoWorker(report, dock)
        self._ahead = ReadAhead()
        panel = dock.folder
        panel.open_requested.connect(self._on_open)
        panel.labels_requested.connect(self._on_labels)
        panel.go_requested.connect(self.leave)
        panel.unfinished_requested.connect(self._on_unfinished)
        panel.finished_changed.connect(self._on_finished_changed)

    @property
    def is_going(self) -> bool:
        """True while the next image is being read."""
        return self._going

    def close(self) -> None:
        """Save the labels; stop reading ahead. Touches no widget."""
        shown = self._shown
        if shown is not None and shown.has_work:
            keep = shown.keeping(np.array(shown.labels.data))
            kept = self._files.thread_pool.submit(keep)
            with suppress(TooLate, OutputError):
                kept.result(CLOSING_WAIT)
                # An object under way is in the journal alone.
                if self._session.state.is_empty:
                    self._recorder.release(shown.image, shown.labels)
        self._files.close()

    def open(self, path: Path, labels: Path | None = None) -> None:
        """Work through this folder, from where it was left."""
        self._begin(lambda: ImageFolder(path, labels))

    def leave(self, step: int, *, unfinished: bool = False) -> None:
        """Keep the labels, and go to another image of the folder; without one, do nothing."""
        shown = self._shown
        if shown is None or not self._is_free():
            return
        index = shown.folder.next_index(shown.index, step, unfinished=unfinished)
        if index is not None:
            self._save_then(partial(self._show, shown.folder, index, step))

    def _on_open(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self._dock, "Open a folder of images")
        if chosen:
            self.open(Path(chosen))

    def _on_labels(self) -> None:
        if self._shown is None:
            return
        folder = self._shown.folder
        chosen = QFileDialog.getExistingDirectory(
            self._dock, "Keep the labels in", str(folder.labels_folder)
        )
        if chosen:
            self.open(folder.path, Path(chosen))

    def _begin(self, make: Callable[[], ImageFolder]) -> None:
        if self._is_free():
            self._save_then(lambda: self._files.do(make, self._on_opened, self._on_failed))

    def _on_opened(self, folder: ImageFolder) -> None:
        self._show_skipped(folder)
        self._show(folder, folder.first_index, 1)

    def _on_failed(self, error: Exception) -> None:
        self._end_going()
        self._report(error)

    def _on_unfinished(self) -> None:
        self.leave(1, unfinished=True)

    def _on_finished_changed(self, finished: bool) -> None:
        shown = self._shown
        if shown is None:
            return
        if finished and not self._finish_object():
            self._show_place(shown)
            return
        names = shown.folder.finished
        (names.add if finished else names.discard)(shown.name)
        self._show_place(shown)
        if not finished or shown.labels not in self._viewer.layers or not shown.has_work:
            self._files.do(shown.folder.save_state, lambda _: None)
            return
        # What counts as finished is on the disk, also of the last image, which nobody leaves.
        keep = shown.keeping(np.array(shown.labels.data))
        path = shown.folder.labels_path(shown.folder.images[shown.index])

        def kept(_: None) -> None:
            if shown is self._shown:
                self._dock.folder.show_kept(f"Labels kept in {path.name}.")

        self._files.do(keep, kept, self._on_failed)

    def _is_free(self) -> bool:
        """True if another image may be shown: none is being read, and no object is under way."""
        return not self._going and self._finish_object()

    def _finish_object(self) -> bool:
        """Write the object under way; false, with a hint, if one is left."""
        state = self._session.state
        if not state.is_empty:
            self._write()
            state = self._session.state
        if not state.is_empty:
            self._dock.show_hint(UNDER_WAY)
        return state.is_empty

    def _save_then(self, go_on: Callable[[], None]) -> None:
        """Save the labels of the current image; go on only after that."""
        shown = self._shown
        self._going = True
        if shown is None or shown.labels not in self._viewer.layers:
            go_on()
            return
        self._saved = np.array(shown.labels.data)
        keep = shown.keeping(self._saved) if shown.has_work else shown.folder.save_state
        self._files.do(keep, lambda _: go_on(), self._on_failed)

    def _is_saved(self) -> bool:
        """True if the labels on the screen are as they were saved."""
        shown = self._shown
        if shown is None or shown.labels not in self._viewer.layers:
            return True
        return self._saved is not None and np.array_equal(self._saved, shown.labels.data)

    def _show(self, folder: ImageFolder, index: int, step: int) -> None:
        """Show an image of a folder once it is read; skip one that cannot be read."""
        self._going = True
        self._dock.show_busy(True)

        def read(found: Read) -> None:
            try:
                shown = layers_of(folder, index, found)
            except ImageError as error:
                failed(error)
            else:
                self._arrive(shown, step)

        def failed(error: Exception) -> None:
            if isinstance(error, ImageError):
                self._skip(folder, index, step, error)
            else:
                self._on_failed(error)

        self._files.do(partial(self._ahead.take, folder, index), read, failed)

    def _arrive(self, shown: FolderItem, step: int) -> None:
        """Show an image that was read, once all labels drawn meanwhile are saved."""
        self._end_going()
        if not self._finish_object():
            return
        if not self._is_saved():
            self._save_then(lambda: self._arrive(shown, step))
            return
        folder, before = shown.folder, self._shown
        if before is not None and before.folder is folder and step > 0 and before.holds_objects:
            folder.finished.add(before.name)
        self._replace(before, shown)
        self._shown, self._saved = shown, None
        folder.skipped.pop(shown.name, None)
        folder.last = shown.name
        self._show_skipped(folder)
        self._show_place(shown)
        if shown.read.note:
            self._dock.show_hint(shown.read.note)
        self._files.do(folder.save_state, lambda _: None)
        following = folder.next_index(shown.index, 1)
        if following is not None:
            self._files.do(partial(self._ahead.prepare, folder, following), lambda _: None)

    def _skip(self, folder: ImageFolder, index: int, step: int, error: ImageError) -> None:
        """Report an image as skipped, and go on to the next one."""
        self._end_going()
        name, why = folder.images[index].name, str(error)
        # Once is enough, however often one passes it.
        if folder.skipped.get(name) != why:
            self._report(error)
        folder.skipped[name] = why
        self._show_skipped(folder)
        beyond = folder.next_index(index, step)
        if beyond is not None:
            self._show(folder, beyond, step)
        elif self._shown is not None:
            self._dock.show_hint(NO_FURTHER)

    def _end_going(self) -> None:
        self._going = False
        self._dock.show_busy(False)

    def _replace(self, before: FolderItem | None, shown: FolderItem) -> None:
        """Replace the image and its labels in the viewer."""
        layers = self._viewer.layers
        if before is not None:
            there = [layer for layer in reversed(before.layers) if layer in layers]
            self._recorder.release(before.image, before.labels)
            for layer in there:
                layers.remove(layer)
            # They would keep the pixels of every image of the folder.
            self._session.forget_steps()
        if any(TAG not in layer.metadata for layer in layers):
            # Napari warns at every drawing of layers whose units differ.
            for layer in shown.layers:
                layer.units = ("pixel",) * layer.ndim
        # On top: other pictures in the viewer would hide them, and lend them their labels.
        layers.extend(shown.layers)
        self._viewer.reset_view()
        self._dock.image.choose(shown.image)
        self._dock.image.layer_chosen.emit(shown.image)

    def _show_skipped(self, folder: ImageFolder) -> None:
        """Show the skipped files, unless of a folder that is not on the screen yet."""
        if self._shown is None or self._shown.folder is folder:
            self._dock.folder.show_skipped(folder.skipped)

    def _show_place(self, shown: FolderItem) -> None:
        panel, folder, index = self._dock.folder, shown.folder, shown.index
        count = len(folder.images)
        panel.show_place(shown.name, index + 1, count)
        done = len(folder.finished & {image.name for image in folder.images})
        panel.show_progress(done, count, this_one=shown.name in folder.finished)
        panel.show_way(
            back=index > 0,
            on=index + 1 < count,
            unfinished=folder.next_index(index, 1, unfinished=True) is not None,
        )
