"""Recovery of unfinished work: search, offer, and restoring."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.autosave.event_log import EventLog
from napari_cfr_icl.autosave.fingerprint import fingerprint_image
from napari_cfr_icl.autosave.journal import Journal, claim, discard, read_journal, unfinished
from napari_cfr_icl.gui.autosave.descriptions import contents, when
from napari_cfr_icl.gui.autosave.image_log import path_of
from napari_cfr_icl.gui.autosave.recorder import KEPT_IN, Recorder
from napari_cfr_icl.gui.autosave.restorer import RestoredLabels, Restorer, unpack_labels
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.threads.io_worker import IoWorker
from napari_cfr_icl.session.session import Session

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock

OpenImages = list[tuple[Image, EventLog]]
"""Image layers, each with its log."""

MOST_LOOKED_AT = 10
"""Journals that are searched for one of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class RecoveryOffer:
    """An event log that can be continued.

    Parameters
    ----------
    log : EventLog
        The log.
    path : Path or None
        Its journal; None for a session file, which stays unchanged.
    image : napari.layers.Image or None
        Its layer; None where its image has to be opened.
    changed : float
        Time of its last change, in seconds since 1970.
    """

    log: EventLog
    path: Path | None
    image: Image | None
    changed: float = 0.0


class Recovery:
    """Connects the row of the dock that offers unfinished work with the journals.

    Parameters
    ----------
    dock : SegmentDock
        The view.
    session : Session
        The session.
    workspace : Workspace
        Its layers.
    files : IoWorker
        Reads the journals.
    recorder : Recorder
        Continues a log that was restored.
    attempt : callable
        Calls a function; an error of the user's becomes one sentence on the screen.
    """

    def __init__(
        self,
        dock: SegmentDock,
        session: Session,
        workspace: Workspace,
        files: IoWorker,
        recorder: Recorder,
        attempt: Callable[[Callable[[], None]], None],
    ) -> None:
        self._dock = dock
        self._workspace = workspace
        self._files = files
        self._recorder = recorder
        self._attempt = attempt
        self._restorer = Restorer(session, workspace, dock.labels.choose)
        self._offer: RecoveryOffer | None = None
        dock.image.layer_chosen.connect(self._on_image_chosen)
        dock.offer.restore_requested.connect(self._on_restore)
        dock.offer.discard_requested.connect(self._on_discard)

    def look(self) -> None:
        """Look for unfinished work on the image that is shown, or on another."""
        image = self._workspace.image
        here = self.open_images()
        kept = {layer.metadata.get(KEPT_IN) for layer in self._workspace.viewer.layers}

        def found(offer: RecoveryOffer | None) -> None:
            # If another image was chosen meanwhile, another search is under way.
            if self._offer is None and image is self._workspace.image:
                self._show(offer)

        self._files.do(lambda: _find_offer(here, kept), found)

    def open_images(self) -> OpenImages:
        """The image that is shown and the other channels of its picture, with their logs."""
        shown, channels = self._workspace.image, self._workspace.channels
        if shown is None:
            return []
        path = path_of(shown)
        others = [
            layer
            for layer in self._workspace.viewer.layers
            if isinstance(layer, Image) and layer is not shown
            if layer in channels or (path is not None and path_of(layer) == path)
        ]
        return [(layer, self._recorder.log_of(layer).event_log) for layer in (shown, *others)]

    def restore(self, offer: RecoveryOffer) -> None:
        """Restore a log in the background.

        Raises
        ------
        InputError
            When its image is not there. Nothing was changed then.
        """
        image = offer.image or self._open_image(offer.log)
        if image is not self._workspace.image:
            self._dock.image.choose(image)
            self._dock.image.layer_chosen.emit(image)
        layer = self._workspace.labels

        def read() -> tuple[Journal | None, RestoredLabels]:
            labels = unpack_labels(offer.log, layer)
            journal = None if offer.path is None else claim(offer.path)
            if offer.path is not None and journal is None:
                raise InputError("This work was restored or discarded in another window.")
            return journal, labels

        def restored(found: tuple[Journal | None, RestoredLabels]) -> None:
            self._attempt(lambda: self._put_back(offer, *found, image))

        self._files.do(read, restored)

    def _on_image_chosen(self, image: Image | None) -> None:
        self._show(None)
        if image is not None:
            self.look()

    def _show(self, offer: RecoveryOffer | None) -> None:
        self._offer = offer
        if offer is None:
            self._dock.offer.show_offer("")
            return
        is_open = offer.image is not None
        where = "" if offer.image is self._workspace.image else f" on {offer.log.image.name}"
        text = f"Unfinished work{where} from {when(offer.changed)}: {contents(offer.log)}."
        self._dock.offer.show_offer(text, "Restore" if is_open else "Open and restore")

    def _on_discard(self) -> None:
        offer = self._offer
        self._show(None)
        if offer is not None and offer.path is not None:
            self._files.do(partial(discard, offer.path), lambda _: self.look())

    def _on_restore(self) -> None:
        offer = self._offer
        self._show(None)
        if offer is not None:
            self._attempt(lambda: self.restore(offer))

    def _put_back(
        self, offer: RecoveryOffer, journal: Journal | None, found: RestoredLabels, image: Image
    ) -> None:
        log, current = offer.log, offer.log.current
        with ExitStack() as failed:
            if journal is not None:
                failed.callback(journal.close)
            self._check_is_shown(image)
            layers = self._restorer.place_labels(log, found, image)
            failed.pop_all()
        self._recorder.adopt(image, log, layers, journal)
        if self._offer is not None and self._offer.path == offer.path:
            self._show(None)
        if current is not None:
            self._restorer.resume(current, image, layers)
        self._dock.work.say(f"Restored: {contents(log)}.")

    def _check_is_shown(self, image: Image) -> None:
        if image is not self._workspace.image:
            raise InputError(
                f"The work belongs to {image.name}, which is not shown any more; it is still kept: "
                "choose that image, then restore."
            )

    def _open_image(self, log: EventLog) -> Image:
        """Open the image of a log from its file, and choose it.

        Raises
        ------
        InputError
            When the file is gone, or has other pixels now.
        """
        path = log.image.path
        if path is None or not Path(path).exists():
            raise InputError(f"The image {log.image.name} is not there: open it, then restore.")
        try:
            opened = self._workspace.viewer.open(path, plugin="napari")
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"{path} cannot be opened ({error}).") from error
        image = next((layer for layer in opened if isinstance(layer, Image)), None)
        if image is None:
            raise InputError(f"{path} is no image.")
        data = image.data[0] if image.multiscale else image.data
        if not fingerprint_image(data, image.name, path).is_same_image(log.image):
            raise InputError(f"{path} has other pixels than when the work was begun.")
        return image


def _find_offer(here: OpenImages, kept: set[Any]) -> RecoveryOffer | None:
    """The newest unfinished work on the first image, on another one, or on one to be opened."""
    elsewhere: RecoveryOffer | None = None
    for path in unfinished()[:MOST_LOOKED_AT]:
        if path.name in kept:
            continue
        try:
            log, changed = read_journal(path), path.stat().st_mtime
        except (InputError, OSError):
            continue
        if log.is_empty:
            continue
        offer = RecoveryOffer(log, path, image_of(log, here), changed)
        if offer.image is not None and offer.image is here[0][0]:
            return offer
        can_open = log.image.path is not None and Path(log.image.path).exists()
        if elsewhere is None or (elsewhere.image is None and offer.image is not None):
            elsewhere = offer if offer.image is not None or can_open else elsewhere
    return elsewhere


def image_of(log: EventLog, here: OpenImages) -> Image | None:
    """The layer with the pixels of a log's image."""
    return next((layer for layer, other in here if other.image.is_same_image(log.image)), None)
