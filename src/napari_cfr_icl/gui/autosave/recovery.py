"""Work that was left unfinished: looked for, offered, and put back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.autosave.event_log import EventLog
from napari_cfr_icl.autosave.fingerprint import fingerprint_image
from napari_cfr_icl.autosave.journal import discard, read_journal, unfinished
from napari_cfr_icl.gui.autosave.descriptions import contents, when
from napari_cfr_icl.gui.autosave.recorder import KEPT_IN, Recorder
from napari_cfr_icl.gui.autosave.restorer import Found, Restorer, labels_of
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.threads.io_worker import IoWorker

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock

MOST_LOOKED_AT = 10
"""Journals that are looked through for one that belongs to the image."""


@dataclass(frozen=True, slots=True, eq=False)
class RecoveryOffer:
    """Work that can be taken up again.

    Parameters
    ----------
    work : EventLog
        The work.
    journal : Path or None
        Where it was kept; None for a session file, which stays as it is.
    image : napari.layers.Image or None
        The layer that it belongs to; None where its image has to be opened.
    """

    work: EventLog
    journal: Path | None
    image: Image | None


class Recovery:
    """Connects the row of the dock that offers work with the journals.

    Parameters
    ----------
    screen : Presenter
        What is shown, in which dock.
    files : IoWorker
        Does what takes its time.
    recorder : Recorder
        Goes on with what was restored.
    """

    def __init__(self, screen: Presenter, files: IoWorker, recorder: Recorder) -> None:
        self._screen = screen
        self._dock: SegmentDock = screen.dock
        self._workspace = screen.workspace
        self._viewer = screen.workspace.viewer
        self._files = files
        self._recorder = recorder
        self._restorer = Restorer(screen)
        self._offer: RecoveryOffer | None = None
        self._dock.image.layer_chosen.connect(self._on_image_chosen)
        self._dock.offer.restore_requested.connect(self._on_restore)
        self._dock.offer.discard_requested.connect(self._on_discard)

    def look(self) -> None:
        """See whether work on the image that is shown, or on another, was left unfinished."""
        image = self._workspace.image
        here = None if image is None else self._recorder.keeper_of(image).work
        kept = {layer.metadata.get(KEPT_IN) for layer in self._viewer.layers}

        def found(offer: RecoveryOffer | None) -> None:
            # Another image may have been chosen since; it is looked for anew then.
            if self._offer is None and image is self._workspace.image:
                self._show(offer)

        self._files.do(lambda: _find_offer(image, here, kept), found)

    def restore(self, offer: RecoveryOffer) -> None:
        """Put work back, in a while.

        Raises
        ------
        InputError
            When its image is not there, or not the one that is shown. Nothing was changed then.
        """
        if offer.image is not None:
            self._check_is_shown(offer.image)
        image = offer.image or self._open_image(offer.work)
        layer = self._workspace.labels

        def restored(found: Found) -> None:
            self._screen.attempt(lambda: self._put_back(offer, found, image))

        self._files.do(lambda: labels_of(offer.work, layer), restored)

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
        where = "" if is_open else f" on {offer.work.image.name}"
        text = f"Unfinished work{where} from {when(offer.work.began)}: {contents(offer.work)}."
        self._dock.offer.show_offer(text, "Restore" if is_open else "Open and restore")

    def _on_discard(self) -> None:
        offer = self._offer
        self._show(None)
        if offer is not None and offer.journal is not None:
            self._files.do(partial(discard, offer.journal), lambda _: self.look())

    def _on_restore(self) -> None:
        offer = self._offer
        self._show(None)
        if offer is not None:
            self._screen.attempt(lambda: self.restore(offer))

    def _put_back(self, offer: RecoveryOffer, found: Found, image: Image) -> None:
        self._check_is_shown(image)
        work, current = offer.work, offer.work.current
        layers = self._restorer.place_labels(work, found, image)
        self._recorder.adopt(image, work, layers, offer.journal)
        if self._offer is not None and self._offer.journal == offer.journal:
            self._show(None)
        if current is not None:
            self._restorer.resume(current, image, layers)
        self._dock.work.say(f"Restored: {contents(work)}.")

    def _check_is_shown(self, image: Image) -> None:
        if image is not self._workspace.image:
            raise InputError(
                f"The work belongs to {image.name}, which is not shown any more; it is still kept: "
                "choose that image, then restore."
            )

    def _open_image(self, work: EventLog) -> Image:
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
        if not fingerprint_image(data, image.name, path).is_same_image(work.image):
            raise InputError(f"{path} has other pixels than when the work was begun.")
        self._dock.image.choose(image)
        self._dock.image.layer_chosen.emit(image)
        return image


def _find_offer(image: Image | None, here: EventLog | None, kept: set[Any]) -> RecoveryOffer | None:
    """The newest unfinished work on this image, or on one that can be opened."""
    elsewhere: RecoveryOffer | None = None
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
            return RecoveryOffer(work, path, image)
        if elsewhere is None and work.image.path is not None and Path(work.image.path).exists():
            elsewhere = RecoveryOffer(work, path, None)
    return elsewhere
