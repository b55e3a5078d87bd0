"""Autosave of one dock: recording, recovery, and the buttons that save and export."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.records import EngineRecord
from napari_cfr_icl.gui.autosave.recorder import Recorder
from napari_cfr_icl.gui.autosave.recovery import Recovery
from napari_cfr_icl.gui.autosave.saving import Saving
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.layers.click_layer import is_objects
from napari_cfr_icl.gui.threads.io_worker import IoWorker
from napari_cfr_icl.session.session import Session

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock


class AutosaveManager:
    """Lets the recorder of one dock watch all labels, and connects the buttons of the dock.

    Parameters
    ----------
    dock : SegmentDock
        The view.
    session : Session
        The session.
    workspace : Workspace
        Its layers.
    engine : callable
        Returns the record of the newest predictor, or None.
    attempt : callable
        Calls a function; an error of the user's becomes one sentence on the screen.
    show_trouble : callable
        Shows an error of work in the background.
    """

    def __init__(
        self,
        dock: SegmentDock,
        session: Session,
        workspace: Workspace,
        engine: Callable[[], EngineRecord | None],
        attempt: Callable[[Callable[[], None]], None],
        show_trouble: Callable[[Exception], None],
    ) -> None:
        self._layers = workspace.viewer.layers
        self.files = IoWorker(show_trouble, dock)
        self.recorder = Recorder(
            session, workspace, self.files.thread_pool, engine, self._on_recording_failed, dock
        )
        self.recovery = Recovery(dock, session, workspace, self.files, self.recorder, attempt)
        self._saving = Saving(dock, workspace, self.files, self.recorder, self.recovery, attempt)
        for layer in self._layers:
            self._watch(layer)
        self._layers.events.inserted.connect(self._on_layer_inserted)
        self._layers.events.removed.connect(self._on_layer_removed)

    def close(self) -> None:
        """Stop recording; unsaved work is offered the next time. Touches no widget."""
        self._layers.events.inserted.disconnect(self._on_layer_inserted)
        self._layers.events.removed.disconnect(self._on_layer_removed)
        self.recorder.close()
        self.files.close()

    def _watch(self, layer: Any) -> None:
        if is_objects(layer):
            self.recorder.watch(layer)

    def _on_layer_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _on_layer_removed(self, event: Any) -> None:
        if isinstance(event.value, Labels):
            self.recorder.forget(event.value)

    def _on_recording_failed(self, error: OutputError) -> None:
        trouble = OutputError(f"{error} A crash would lose what you do from now on.")
        self.files.tell(lambda: self.files.failed(trouble))
