"""Work in files of the user's own: labels exported, sessions saved and opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl._errors import InputError, OutputError
from napari_cfr_icl.autosave.event_log import identified, log_from
from napari_cfr_icl.autosave.session_file import SUFFIX, open_session, save_session
from napari_cfr_icl.exports.writing import FORMATS
from napari_cfr_icl.gui.autosave.descriptions import counted
from napari_cfr_icl.gui.autosave.export import chosen_path, export_layer
from napari_cfr_icl.gui.autosave.recorder import Recorder, path_of
from napari_cfr_icl.gui.autosave.recovery import RecoveryOffer
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.threads.io_worker import IoWorker

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock


class Saving:
    """Connects the buttons that save, open and export.

    Parameters
    ----------
    screen : Presenter
        What is shown, in which dock.
    files : IoWorker
        Does what takes its time.
    recorder : Recorder
        Has the work.
    restore : callable
        Puts the work of a session back.
    """

    def __init__(
        self,
        screen: Presenter,
        files: IoWorker,
        recorder: Recorder,
        restore: Callable[[RecoveryOffer], None],
    ) -> None:
        self._screen = screen
        self._dock: SegmentDock = screen.dock
        self._workspace = screen.workspace
        self._files = files
        self._recorder = recorder
        self._restore = restore
        self._dock.work.export_requested.connect(self._on_export)
        self._dock.work.save_requested.connect(self._on_save)
        self._dock.work.open_requested.connect(self._on_open)

    def _on_export(self) -> None:
        layer, image = self._workspace.labels, self._workspace.image
        if layer is None:
            no_layer = "There is no labels layer to export: choose one first."
            self._screen.show_trouble(OutputError(no_layer))
            return
        formats = ";;".join(FORMATS.values())
        start = str(self._folder() / f"{layer.name}.tif")
        file, kind = QFileDialog.getSaveFileName(self._dock, "Export labels", start, formats)
        if file:
            # What came of the last attempt must not stand beside what is wrong with this one.
            self._dock.work.say("")
            self._screen.attempt(lambda: self._export(chosen_path(file, kind), layer, image))

    def _export(self, path: Path, layer: Labels, image: Image | None) -> None:
        mark_saved = self._saved_by_export(layer, image)

        def exported(count: int) -> None:
            mark_saved()
            self._dock.work.say(f"{counted(count)} exported to {path.name}.")

        self._dock.work.say(f"Exporting to {path.name}…")
        self._files.do(lambda: export_layer(path, layer, image), exported, self._on_file_failed)

    def _saved_by_export(self, layer: Labels, image: Image | None) -> Callable[[], None]:
        """What to do once the layer, as it is now, is exported."""
        if image is None:
            return lambda: None
        self._recorder.settle()
        keeper = self._recorder.keeper_of(image)
        steps = keeper.steps
        # Nobody has an object under way, or one in other labels, in the file.
        is_all = keeper.work.current is None and self._recorder.is_all_in(layer, image)
        return lambda: keeper.mark_saved(steps if is_all else 0)

    def _on_save(self) -> None:
        image = self._workspace.image
        if image is None:
            no_image = "There is no image to save a session of: open one first."
            self._screen.show_trouble(InputError(no_image))
            return
        start = str(self._folder() / f"{Path(image.name).stem}{SUFFIX}")
        file, _ = QFileDialog.getSaveFileName(
            self._dock, "Save session", start, f"Sessions (*{SUFFIX})"
        )
        if file:
            self._save(Path(file if file.endswith(".json") else file + SUFFIX), image)

    def _save(self, path: Path, image: Image) -> None:
        self._recorder.settle()
        keeper = self._recorder.keeper_of(image)
        work = keeper.work
        # What is done meanwhile is not part of it.
        events, steps = list(work.events()), keeper.steps

        def save() -> None:
            save_session(path, log_from(identified(events, work.image)))

        def saved(_: None) -> None:
            keeper.mark_saved(steps)
            self._dock.work.say(f"Saved to {path.name}.")

        self._files.do(save, saved, self._on_file_failed)

    def _on_open(self) -> None:
        file, _ = QFileDialog.getOpenFileName(
            self._dock, "Open session", str(self._folder()), f"Sessions (*{SUFFIX} *.json)"
        )
        if not file:
            return
        image = self._workspace.image
        here = None if image is None else self._recorder.keeper_of(image).work

        def opened() -> RecoveryOffer:
            work = open_session(Path(file))
            is_here = here is not None and here.image.is_same_image(work.image)
            return RecoveryOffer(work, None, image if is_here else None)

        self._files.do(opened, lambda offer: self._screen.attempt(lambda: self._restore(offer)))

    def _on_file_failed(self, error: Exception) -> None:
        self._dock.work.say("")
        self._screen.show_trouble(error)

    def _folder(self) -> Path:
        """Where the image lies, if it lies anywhere."""
        image = self._workspace.image
        path = None if image is None else path_of(image)
        return Path(path).parent if path else Path.cwd()
