"""Takes the user through a folder of images: keeps the labels, shows the next, reads ahead."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl._errors import CfrIclError, ImageError, OutputError
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.writing import write_labels
from napari_cfr_icl.gui.click_layer import TAG, transform_of
from napari_cfr_icl.gui.notices import show_error
from napari_cfr_icl.gui.planes import data_shape
from napari_cfr_icl.gui.screen import Screen
from napari_cfr_icl.gui.work_files import FileWork
from napari_cfr_icl.gui.work_recorder import PATH, Recorder
from napari_cfr_icl.gui.workspace import LABEL_TYPE
from napari_cfr_icl.session.folder import ImageFolder, read_image, read_labels

if TYPE_CHECKING:
    from napari_cfr_icl.gui.segment_dock import SegmentDock

Read = tuple[NDArray[Any], NDArray[Any] | None]
"""An image, and its labels if there are some already."""

CLOSING_WAIT = 1.0
"""Seconds that closing waits for the labels to be kept; what was not kept is offered next time."""

UNDER_WAY = "Write this object ({write}) or drop it ({drop}) before you go on."

NO_FURTHER = "No further image of the folder can be read; this one stays."


class FolderWalk:
    """Goes through a folder, one image and one labels layer at a time.

    Parameters
    ----------
    screen : Screen
        What is shown, in which dock.
    recorder : Recorder
        Lets go of the work on an image whose labels are kept.
    write : callable
        Writes the object under way.
    """

    def __init__(self, screen: Screen, recorder: Recorder, write: Callable[[], None]) -> None:
        self._screen = screen
        self._dock: SegmentDock = screen.dock
        self._viewer = screen.workspace.viewer
        self._recorder = recorder
        self._write = write
        self._folder: ImageFolder | None = None
        self._index = -1
        self._image: Image | None = None
        self._labels: Labels | None = None
        self._going = False
        self._files = FileWork(show_error, screen.dock)
        self._ahead = _ReadAhead()
        self._left_out: dict[str, str] = {}
        panel = self._dock.folder
        panel.open_requested.connect(self._on_open)
        panel.labels_requested.connect(self._on_labels)
        panel.go_requested.connect(self._on_go)
        panel.unfinished_requested.connect(self._on_unfinished)
        panel.finished_changed.connect(self._on_finished_changed)

    @property
    def is_going(self) -> bool:
        """Whether the next image is on its way."""
        return self._going

    def close(self) -> None:
        """Keep the labels; stop reading ahead. Touches no widget."""
        folder, labels = self._folder, self._labels
        if folder is not None and labels is not None and self._has_work(folder, labels):
            kept = self._files.thread_pool.submit(self._keeping(folder, labels))
            with suppress(TooLate, OutputError):
                kept.result(CLOSING_WAIT)
                if self._image is not None:
                    self._recorder.release(self._image, labels)
        self._files.close()

    def open(self, path: Path, labels: Path | None = None) -> None:
        """Work through this folder, from where it was left."""
        self._begin(lambda: ImageFolder(path, labels))

    def _on_open(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self._dock, "Open a folder of images")
        if chosen:
            self.open(Path(chosen))

    def _on_labels(self) -> None:
        folder = self._folder
        if folder is None:
            return
        chosen = QFileDialog.getExistingDirectory(
            self._dock, "Keep the labels in", str(folder.labels_folder)
        )
        if chosen:
            self.open(folder.path, Path(chosen))

    def _begin(self, make: Callable[[], ImageFolder]) -> None:
        if not self._is_free():
            return

        def opened(folder: ImageFolder) -> None:
            self._folder = folder
            self._note_left_out({})
            self._show(folder.first_index, 1)

        def look() -> None:
            self._going = True
            self._files.do(make, opened, self._on_failed)

        self._keep_then(look)

    def _on_failed(self, error: Exception) -> None:
        self._end_going()
        show_error(error)

    def _on_go(self, step: int) -> None:
        folder = self._folder
        if folder is not None and self._is_free():
            self._leave(folder, folder.next_index(self._index, step), step)

    def _on_unfinished(self) -> None:
        folder = self._folder
        if folder is not None and self._is_free():
            found = folder.next_index(self._index, 1, unfinished=True)
            self._leave(folder, found, 1)

    def _on_finished_changed(self, finished: bool) -> None:
        folder = self._folder
        if folder is None or self._index < 0:
            return
        name = folder.images[self._index].name
        (folder.finished.add if finished else folder.finished.discard)(name)
        self._show_place()
        self._files.do(folder.save_state, lambda _: None)

    def _is_free(self) -> bool:
        """Whether one can go on: nothing is on its way, and no object is half done."""
        if self._going:
            return False
        if not self._screen.session.state.is_empty:
            self._write()
        if not self._screen.session.state.is_empty:
            self._dock.show_hint(UNDER_WAY)
            return False
        return True

    def _leave(self, folder: ImageFolder, index: int | None, step: int) -> None:
        if index is None:
            return
        labels = self._labels
        if step > 0 and labels is not None and self._holds_objects(labels):
            folder.finished.add(folder.images[self._index].name)
        self._keep_then(lambda: self._show(index, step))

    def _keep_then(self, go_on: Callable[[], None]) -> None:
        """Keep the labels of the image that is shown; only where that worked, go on."""
        folder, labels = self._folder, self._labels
        if folder is None or labels is None or labels not in self._viewer.layers:
            go_on()
            return

        def kept(_: None) -> None:
            self._going = False
            go_on()

        self._going = True
        keep = folder.save_state
        if self._has_work(folder, labels):
            keep = self._keeping(folder, labels)
        self._files.do(keep, kept, self._on_failed)

    def _keeping(self, folder: ImageFolder, labels: Labels) -> Callable[[], None]:
        image = folder.images[self._index]
        copy = LabelImage(np.array(labels.data), image.name)

        def keep() -> None:
            folder.save_state()
            write_labels(folder.labels_path(image), copy)

        return keep

    def _has_work(self, folder: ImageFolder, labels: Labels) -> bool:
        """Whether there is something to keep: objects, or a file whose objects were removed."""
        path = folder.labels_path(folder.images[self._index])
        return self._holds_objects(labels) or path.exists()

    def _holds_objects(self, labels: Labels) -> bool:
        return bool(np.any(labels.data))

    def _show(self, index: int, step: int) -> None:
        """Show an image of the folder, once it is read; one that cannot be is left out."""
        folder = self._folder
        if folder is None:
            return
        path = folder.images[index]
        self._going = True
        self._dock.show_busy(True)

        def read(found: Read) -> None:
            self._end_going()
            self._replace(path, *found)
            self._note_left_out({n: why for n, why in self._left_out.items() if n != path.name})
            self._index = index
            folder.last = path.name
            self._show_place()
            self._files.do(folder.save_state, lambda _: None)
            self._read_ahead(folder, index)

        def failed(error: Exception) -> None:
            if not isinstance(error, ImageError):
                self._on_failed(error)
                return
            self._end_going()
            # Once is enough, however often one passes it.
            if self._left_out.get(path.name) != str(error):
                show_error(error)
            self._note_left_out({**self._left_out, path.name: str(error)})
            beyond = folder.next_index(index, step)
            if beyond is not None:
                self._show(beyond, step)
            elif self._index >= 0:
                self._dock.show_hint(NO_FURTHER)

        self._files.do(partial(self._ahead.take, path, folder.labels_path(path)), read, failed)

    def _note_left_out(self, reasons: dict[str, str]) -> None:
        self._left_out = reasons
        self._dock.folder.show_left_out(reasons)

    def _end_going(self) -> None:
        self._going = False
        self._dock.show_busy(False)

    def _read_ahead(self, folder: ImageFolder, index: int) -> None:
        following = folder.next_index(index, 1)
        if following is not None:
            path = folder.images[following]
            job = partial(self._ahead.prepare, path, folder.labels_path(path))
            self._files.do(job, lambda _: None)

    def _replace(self, path: Path, pixels: NDArray[Any], labels: NDArray[Any] | None) -> None:
        """Put the image and its labels in the place of those before."""
        before = [layer for layer in (self._labels, self._image) if layer in self._viewer.layers]
        if self._image is not None and self._labels is not None:
            self._recorder.release(self._image, self._labels)
        for layer in before:
            self._viewer.layers.remove(layer)
        # Its place in the file system: napari's own note of it is for its readers alone.
        image = Image(pixels, name=path.stem, metadata={PATH: str(path)})
        shape = data_shape(image)
        if labels is None or labels.shape != shape:
            labels = np.zeros(shape, LABEL_TYPE)
        layer = Labels(labels, name="objects", metadata={TAG: "objects"}, **transform_of(image))
        self._viewer.layers.insert(0, layer)
        self._viewer.layers.insert(0, image)
        self._image, self._labels = image, layer
        self._viewer.reset_view()
        self._dock.image.choose(image)
        self._dock.image.layer_chosen.emit(image)

    def _show_place(self) -> None:
        folder = self._folder
        if folder is None or self._index < 0:
            return
        panel, images = self._dock.folder, folder.images
        name = images[self._index].name
        panel.show_place(name, self._index + 1, len(images))
        done = len(folder.finished & {image.name for image in images})
        panel.show_progress(done, len(images), this_one=name in folder.finished)
        panel.show_way(
            back=self._index > 0,
            on=self._index + 1 < len(images),
            unfinished=folder.next_index(self._index, 1, unfinished=True) is not None,
        )


class _ReadAhead:
    """One image that was read before it is wanted. All in the thread for files."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._read: Read | None = None

    def prepare(self, path: Path, labels: Path) -> None:
        """Read an image; what is wrong with it is said once it is wanted."""
        try:
            self._read, self._path = self._fresh(path, labels), path
        except CfrIclError:
            self._read = self._path = None

    def take(self, path: Path, labels: Path) -> Read:
        """The image, perhaps read already."""
        read, self._read = self._read, None
        if read is None or path != self._path:
            read = self._fresh(path, labels)
        self._path = None
        return read

    def _fresh(self, path: Path, labels: Path) -> Read:
        pixels, kept = read_image(path), read_labels(labels)
        if kept is not None and kept.shape not in (pixels.shape, pixels.shape[:-1]):
            raise ImageError(f"{labels.name} does not fit {path.name}; both are left out.")
        return pixels, kept
