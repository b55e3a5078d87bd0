"""Files of the user's own: exported labels, and session files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl._errors import InputError, OutputError
from napari_cfr_icl.autosave.event_log import EventLog, identified, log_from
from napari_cfr_icl.autosave.session_file import SUFFIX, open_session, save_session
from napari_cfr_icl.exports.writing import FORMATS
from napari_cfr_icl.gui.autosave.descriptions import counted
from napari_cfr_icl.gui.autosave.export import chosen_path, export_layer
from napari_cfr_icl.gui.autosave.image_log import path_of
from napari_cfr_icl.gui.autosave.recorder import Recorder
from napari_cfr_icl.gui.autosave.recovery import Recovery, RecoveryOffer, image_of
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.threads.io_worker import IoWorker

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock


class Saving:
    """Connects the buttons that save, open and export.

    Parameters
    ----------
    dock : SegmentDock
        The view.
    workspace : Workspace
        The layers.
    files : IoWorker
        Reads and writes files.
    recorder : Recorder
        Has the event logs.
    recovery : Recovery
        Restores the event log of a session file.
    attempt : callable
        Calls a function; an error of the user's becomes one sentence on the screen.
    """

    def __init__(
        self,
        dock: SegmentDock,
        workspace: Workspace,
        files: IoWorker,
        recorder: Recorder,
        recovery: Recovery,
        attempt: Callable[[Callable[[], None]], None],
    ) -> None:
        self._dock = dock
        self._workspace = workspace
        self._files = files
        self._recorder = recorder
        self._recovery = recovery
        self._attempt = attempt
        dock.work.export_requested.connect(self._on_export)
        dock.work.save_requested.connect(self._on_save)
        dock.work.open_requested.connect(self._on_open)
        # A sentence on the labels of another picture.
        dock.image.layer_chosen.connect(lambda _: dock.work.say(""))

    def _on_export(self) -> None:
        layer, image = self._workspace.labels, self._workspace.image
        if layer is None:
            no_layer = "There is no labels layer to export: choose one first."
            self._files.failed(OutputError(no_layer))
            return
        formats = ";;".join(FORMATS.values())
        stem = layer.name if image is None else f"{_stem(image)}_labels"
        start = str(self._folder() / f"{stem}.tif")
        file, kind = QFileDialog.getSaveFileName(self._dock, "Export labels", start, formats)
        if file:
            # The result of the last attempt must not stand beside the error of this one.
            self._dock.work.say("")
            self._attempt(lambda: self._export(chosen_path(file, kind), layer, image))

    def _export(self, path: Path, layer: Labels, image: Image | None) -> None:
        mark_saved = self._saved_by_export(layer, image)

        def exported(count: int) -> None:
            mark_saved()
            self._dock.work.say(f"{counted(count)} exported to {path.name}.")

        self._dock.work.say(f"Exporting to {path.name}…")
        self._files.do(lambda: export_layer(path, layer, image), exported, self._on_file_failed)

    def _saved_by_export(self, layer: Labels, image: Image | None) -> Callable[[], None]:
        """Callback for the end of the export of the layer, as it is now."""
        if image is None:
            return lambda: None
        self._recorder.settle()
        log = self._recorder.log_of(image)
        # The file has no object under way, and none in other labels.
        is_all = log.event_log.current is None and log.changed_layers <= {layer.unique_id}
        steps = log.writer.steps if is_all else 0
        return lambda: log.writer.mark_saved(steps)

    def _on_save(self) -> None:
        image = self._workspace.image
        if image is None:
            no_image = "There is no image to save a session of: open one first."
            self._files.failed(InputError(no_image))
            return
        start = str(self._folder() / f"{Path(image.name).stem}{SUFFIX}")
        file, _ = QFileDialog.getSaveFileName(
            self._dock, "Save session", start, f"Sessions (*{SUFFIX})"
        )
        if file:
            self._save(Path(file if file.endswith(".json") else file + SUFFIX), image)

    def _save(self, path: Path, image: Image) -> None:
        self._recorder.settle()
        writer = self._recorder.log_of(image).writer
        # Later steps are not part of it.
        events, steps = list(writer.log.events()), writer.steps

        def save() -> None:
            save_session(path, log_from(identified(events, writer.log.image)))

        def saved(_: None) -> None:
            writer.mark_saved(steps)
            self._dock.work.say(f"Saved to {path.name}.")

        self._files.do(save, saved, self._on_file_failed)

    def _on_open(self) -> None:
        file, _ = QFileDialog.getOpenFileName(
            self._dock, "Open session", str(self._folder()), f"Sessions (*{SUFFIX} *.json)"
        )
        if not file:
            return

        here = self._recovery.open_images()

        def opened(log: EventLog) -> None:
            offer = RecoveryOffer(log, None, image_of(log, here))
            self._attempt(lambda: self._recovery.restore(offer))

        self._files.do(lambda: open_session(Path(file)), opened)

    def _on_file_failed(self, error: Exception) -> None:
        self._dock.work.say("")
        self._files.failed(error)

    def _folder(self) -> Path:
        """Folder of the image's file, if any."""
        image = self._workspace.image
        path = None if image is None else path_of(image)
        return Path(path).parent if path else Path.cwd()


def _stem(image: Image) -> str:
    """The name of the picture, without the ending of its file."""
    path = path_of(image)
    return Path(path).stem.removesuffix(".ome") if path else image.name
