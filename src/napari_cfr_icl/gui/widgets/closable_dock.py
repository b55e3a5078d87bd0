"""Base of the docks: a widget that notices when it is closed."""

from __future__ import annotations

from contextlib import ExitStack

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget


class ClosableDock(QWidget):
    """Calls `close_work` once, when the dock or the whole window is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = ExitStack()
        self._closing.callback(self.close_work)
        # With the whole window the dock goes without a ParentChange. A slot of the dock itself
        # would not be called any more, nor may what is called touch anything of Qt.
        self.destroyed.connect(self._closing.close)

    def close_work(self) -> None:
        """Stop all work and disconnect from the viewer; for subclasses. May touch no widget."""

    def end(self) -> None:
        """Call `close_work`, unless that was done."""
        self._closing.close()

    def changeEvent(self, event: QEvent | None) -> None:
        """Stop the work when napari removes the dock, of which there is no other sign."""
        super().changeEvent(event)
        taken_away = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_away and self.parentWidget() is None and hasattr(self, "_closing"):
            self.end()
            self.deleteLater()
