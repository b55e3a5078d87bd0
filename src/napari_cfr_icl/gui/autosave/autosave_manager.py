"""Work that lasts, as the dock offers it: kept all the time, offered back, saved and exported."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.records import EngineRecord
from napari_cfr_icl.gui.autosave.recorder import Recorder
from napari_cfr_icl.gui.autosave.recovery import Recovery
from napari_cfr_icl.gui.autosave.saving import Saving
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.layers.click_layer import is_objects
from napari_cfr_icl.gui.threads.io_worker import IoWorker


class AutosaveManager:
    """Has the recorder of one dock hear all labels, and connects what the dock offers of it.

    Parameters
    ----------
    screen : Presenter
        What is shown, in which dock.
    maker : object
        Makes the predictors; its `record` tells what the newest is.
    """

    def __init__(self, screen: Presenter, maker: Any) -> None:
        self._screen = screen
        self._layers = screen.workspace.viewer.layers
        self._maker = maker
        self.files = IoWorker(screen.show_trouble, screen.dock)
        self.recorder = Recorder(
            screen, self.files.thread_pool, self._engine, self._on_keeping_failed
        )
        self._offers = Recovery(screen, self.files, self.recorder)
        self._saving = Saving(screen, self.files, self.recorder, self._offers.restore)
        for layer in self._layers:
            self._watch(layer)
        self._layers.events.inserted.connect(self._on_layer_inserted)
        self._layers.events.removed.connect(self._on_layer_removed)

    def look_for_offer(self) -> None:
        """See whether work on the image that is shown, or on another, was left unfinished."""
        self._offers.look()

    def close(self) -> None:
        """Stop keeping; what nobody has saved is offered the next time. Touches no widget."""
        self._layers.events.inserted.disconnect(self._on_layer_inserted)
        self._layers.events.removed.disconnect(self._on_layer_removed)
        self.recorder.close()
        self.files.close()

    def _engine(self) -> EngineRecord:
        record = getattr(self._maker, "record", None)
        return record if isinstance(record, EngineRecord) else EngineRecord("")

    def _watch(self, layer: Any) -> None:
        if is_objects(layer):
            self.recorder.watch(layer)

    def _on_layer_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _on_layer_removed(self, event: Any) -> None:
        if isinstance(event.value, Labels):
            self.recorder.forget(event.value)

    def _on_keeping_failed(self, error: OutputError) -> None:
        trouble = OutputError(f"{error} A crash would lose what you do from now on.")
        self.files.tell(lambda: self._screen.show_trouble(trouble))
