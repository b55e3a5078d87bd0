"""Base of the docks: a widget that notices when it is closed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget


class ClosableDock(QWidget):
    """Calls `close_work` once, when the dock or the whole window is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._ending = _Ending(self.close_work)
        # With the whole window the dock goes without a ParentChange. A slot of the dock itself
        # would not be called any more, nor may what is called touch anything of Qt.
        self.destroyed.connect(self._ending.come)

    def close_work(self) -> None:
        """Stop all work and disconnect from the viewer; for subclasses. May touch no widget."""

    def end(self) -> None:
        """Call `close_work`, unless that was done."""
        self._ending.come()

    def changeEvent(self, event: QEvent | None) -> None:
        """Stop the work when napari removes the dock, of which there is no other sign."""
        super().changeEvent(event)
        taken_away = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_away and self.parentWidget() is None and hasattr(self, "_ending"):
            self.end()
            self.deleteLater()


class _Ending:
    """Calls a function once."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def come(self) -> None:
        """Call it, unless that was done."""
        call, self._call = self._call, None
        if call is not None:
            call()
