"""Work that lasts, as the dock offers it: kept all the time, offered back, saved and exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl._errors import CfrIclError, InputError, OutputError
from napari_cfr_icl.exports.writing import FORMATS
from napari_cfr_icl.gui.click_layer import TAG
from napari_cfr_icl.gui.notices import show_error
from napari_cfr_icl.gui.screen import Screen
from napari_cfr_icl.gui.work_export import chosen_path, export_layer
from napari_cfr_icl.gui.work_files import FileWork
from napari_cfr_icl.gui.work_recorder import KEPT_IN, Recorder, path_of
from napari_cfr_icl.gui.work_restorer import Arrays, Restorer, labels_of
from napari_cfr_icl.session.identity import identify
from napari_cfr_icl.session.journal import discard, read_journal, unfinished
from napari_cfr_icl.session.records import EngineRecord
from napari_cfr_icl.session.session_file import SUFFIX, open_session, save_session
from napari_cfr_icl.session.work import Work, work_from

if TYPE_CHECKING:
    from napari_cfr_icl.gui.segment_dock import SegmentDock

MOST_LOOKED_AT = 10
"""Journals that are looked through for one that belongs to the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Work that can be taken up again.

    Parameters
    ----------
    work : Work
        The work.
    journal : Path or None
        Where it was kept; None for a session file, which stays as it is.
    is_open : bool
        Whether its image is the one that is shown.
    """

    work: Work
    journal: Path | None
    is_open: bool


class WorkDesk:
    """Connects the panel, the offer and the recorder of one dock.

    Parameters
    ----------
    screen : Screen
        What is shown, in which dock.
    maker : object
        Makes the predictors; its `record` tells what the newest is.
    """

    def __init__(self, screen: Screen, maker: Any) -> None:
        self._screen = screen
        self._dock: SegmentDock = screen.dock
        self._workspace = screen.workspace
        self._viewer = screen.workspace.viewer
        self._maker = maker
        self._offer: Offer | None = None
        self.files = FileWork(show_error, screen.dock)
        self.recorder = Recorder(
            screen, self.files.thread_pool, self._engine, self._on_keeping_failed
        )
        self._restorer = Restorer(screen)
        for layer in self._viewer.layers:
            self._watch(layer)
        self._connect()

    def look_for_offer(self) -> None:
        """See whether work on the image that is shown, or on another, was left unfinished."""
        image = self._workspace.image
        here = None if image is None else self.recorder.keeper_of(image).work
        kept = {layer.metadata.get(KEPT_IN) for layer in self._viewer.layers}
        self.files.do(lambda: _find_offer(here, kept), self._on_offer_found)

    def close(self) -> None:
        """Stop keeping; what nobody has saved is offered the next time. Touches no widget."""
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._on_layer_inserted)
        layers.events.removed.disconnect(self._on_layer_removed)
        self.recorder.close()
        self.files.close()

    def _connect(self) -> None:
        layers = self._viewer.layers
        layers.events.inserted.connect(self._on_layer_inserted)
        layers.events.removed.connect(self._on_layer_removed)
        self._dock.image.layer_chosen.connect(self._on_image_chosen)
        self._dock.work.export_requested.connect(self._on_export)
        self._dock.work.save_requested.connect(self._on_save)
        self._dock.work.open_requested.connect(self._on_open)
        self._dock.offer.restore_requested.connect(self._on_restore)
        self._dock.offer.discard_requested.connect(self._on_discard)

    def _engine(self) -> EngineRecord:
        record = getattr(self._maker, "record", None)
        return record if isinstance(record, EngineRecord) else EngineRecord("")

    def _watch(self, layer: Any) -> None:
        if isinstance(layer, Labels) and layer.metadata.get(TAG) != "preview":
            self.recorder.watch(layer)

    def _on_layer_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _on_layer_removed(self, event: Any) -> None:
        if isinstance(event.value, Labels):
            self.recorder.forget(event.value)

    def _on_image_chosen(self, image: Image | None) -> None:
        self._show_offer(None)
        if image is not None:
            self.look_for_offer()

    def _on_keeping_failed(self, error: OutputError) -> None:
        self.files.tell(
            lambda: show_error(OutputError(f"{error} A crash would lose what you do from now on."))
        )

    # ------------------------------------------------------------------------------------- offers

    def _on_offer_found(self, offer: Offer | None) -> None:
        if self._offer is None:
            self._show_offer(offer)

    def _show_offer(self, offer: Offer | None) -> None:
        self._offer = offer
        if offer is None:
            self._dock.offer.show_offer("")
            return
        where = "" if offer.is_open else f" on {offer.work.image.name}"
        text = f"Unfinished work{where} from {when(offer.work.began)}: {contents(offer.work)}."
        self._dock.offer.show_offer(text, "Restore" if offer.is_open else "Open and restore")

    def _on_discard(self) -> None:
        offer = self._offer
        self._show_offer(None)
        if offer is not None and offer.journal is not None:
            self.files.do(partial(discard, offer.journal), lambda _: self.look_for_offer())

    def _on_restore(self) -> None:
        offer = self._offer
        self._show_offer(None)
        if offer is not None:
            self._attempt(lambda: self._restore(offer))

    def _restore(self, offer: Offer) -> None:
        image = self._workspace.image
        if not offer.is_open:
            image = self._open_image(offer.work)
        if image is None:
            return
        chosen, layer = image, self._workspace.labels

        def restored(found: tuple[Arrays, bool]) -> None:
            arrays, is_empty = found
            self._attempt(
                lambda: self._put_back(offer, arrays, chosen, layer if is_empty else None)
            )

        self.files.do(lambda: labels_of(offer.work, layer), restored)

    def _put_back(self, offer: Offer, arrays: Arrays, image: Image, empty: Labels | None) -> None:
        work, current = offer.work, offer.work.current
        layers = self._restorer.place_labels(work, arrays, image, empty)
        self.recorder.adopt(image, work, layers)
        if offer.journal is not None:
            self.files.do(partial(discard, offer.journal), lambda _: None)
        if current is not None:
            self._restorer.resume(current, image)
        self._dock.work.say(f"Restored: {contents(work)}.")

    def _open_image(self, work: Work) -> Image | None:
        """Open the image of a work from its file, and choose it.

        Raises
        ------
        InputError
            When the file is gone, or has other pixels now.
        """
        path = work.image.path
        if path is None or not Path(path).exists():
            raise InputError(f"The image {work.image.name} is not there: open it, then restore.")
        try:
            opened = self._viewer.open(path, plugin="napari")
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"{path} cannot be opened ({error}).") from error
        image = next((layer for layer in opened if isinstance(layer, Image)), None)
        if image is None:
            raise InputError(f"{path} is no image.")
        data = image.data[0] if image.multiscale else image.data
        if not identify(data, image.name, path).is_same_image(work.image):
            raise InputError(f"{path} has other pixels than when the work was begun.")
        self._dock.image.choose(image)
        self._dock.image.layer_chosen.emit(image)
        return image

    # -------------------------------------------------------------------------- save, open, export

    def _on_export(self) -> None:
        layer, image = self._workspace.labels, self._workspace.image
        if layer is None:
            show_error(OutputError("There is no labels layer to export: choose one first."))
            return
        formats = ";;".join(FORMATS.values())
        start = str(self._folder() / f"{layer.name}.tif")
        file, kind = QFileDialog.getSaveFileName(self._dock, "Export labels", start, formats)
        if file:
            # What came of the last attempt must not stand beside what is wrong with this one.
            self._dock.work.say("")
            self._attempt(lambda: self._export(chosen_path(file, kind), layer, image))

    def _export(self, path: Path, layer: Labels, image: Image | None) -> None:
        def exported(count: int) -> None:
            self._saved(image)
            self._dock.work.say(f"{counted(count)} exported to {path.name}.")

        self._dock.work.say(f"Exporting to {path.name}…")
        self.files.do(lambda: export_layer(path, layer, image), exported, self._on_file_failed)

    def _on_save(self) -> None:
        image = self._workspace.image
        if image is None:
            show_error(InputError("There is no image to save a session of: open one first."))
            return
        self.recorder.settle()
        start = str(self._folder() / f"{Path(image.name).stem}{SUFFIX}")
        file, _ = QFileDialog.getSaveFileName(
            self._dock, "Save session", start, f"Sessions (*{SUFFIX})"
        )
        if not file:
            return
        path = Path(file if file.endswith(".json") else file + SUFFIX)
        work = self.recorder.keeper_of(image).work
        # What is done meanwhile is not part of it.
        events = list(work.events())

        def save() -> None:
            snapshot = work_from([{**events[0], "image": work.image}, *events[1:]])
            save_session(path, snapshot)

        def saved(_: None) -> None:
            self._saved(image)
            self._dock.work.say(f"Saved to {path.name}.")

        self.files.do(save, saved, self._on_file_failed)

    def _on_open(self) -> None:
        file, _ = QFileDialog.getOpenFileName(
            self._dock, "Open session", str(self._folder()), f"Sessions (*{SUFFIX} *.json)"
        )
        if not file:
            return
        image = self._workspace.image
        here = None if image is None else self.recorder.keeper_of(image).work

        def opened() -> Offer:
            work = open_session(Path(file))
            return Offer(work, None, here is not None and here.image.is_same_image(work.image))

        self.files.do(opened, lambda offer: self._attempt(lambda: self._restore(offer)))

    def _saved(self, image: Image | None) -> None:
        if image is not None:
            self.recorder.keeper_of(image).is_saved = True

    def _on_file_failed(self, error: Exception) -> None:
        self._dock.work.say("")
        show_error(error)

    def _folder(self) -> Path:
        """Where the image lies, if it lies anywhere."""
        image = self._workspace.image
        path = None if image is None else path_of(image)
        return Path(path).parent if path else Path.cwd()

    def _attempt(self, call: Callable[[], None]) -> None:
        try:
            call()
        except CfrIclError as error:
            show_error(error)


def _find_offer(here: Work | None, kept: set[Any]) -> Offer | None:
    """The newest unfinished work on this image, or on one that can be opened."""
    elsewhere: Offer | None = None
    for path in unfinished()[:MOST_LOOKED_AT]:
        if path.name in kept:
            continue
        try:
            work = read_journal(path)
        except InputError:
            continue
        if work.is_empty:
            continue
        if here is not None and here.image.is_same_image(work.image):
            return Offer(work, path, is_open=True)
        if elsewhere is None and work.image.path is not None and Path(work.image.path).exists():
            elsewhere = Offer(work, path, is_open=False)
    return elsewhere


def when(began: str) -> str:
    """A time as people say it: the hour today, else the day, too."""
    try:
        time = datetime.fromisoformat(began)
    except ValueError:
        return began
    return f"{time:%H:%M}" if time.date() == datetime.now().date() else f"{time:%d %b, %H:%M}"


def contents(work: Work) -> str:
    """What is in a work, counted."""
    count = counted(work.object_count)
    return count if work.current is None else f"{count} and one under way"


def counted(count: int) -> str:
    """So many objects."""
    return f"{count} object{'' if count == 1 else 's'}"
