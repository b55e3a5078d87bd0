"""A dock that notices its end, however it comes."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget


class EndingDock(QWidget):
    """Calls `close_work` once: when napari takes the dock away, and when the whole window goes."""

    def __init__(self) -> None:
        super().__init__()
        self._work_is_closed = False

    def close_work(self) -> None:
        """Stop everything and let go of the viewer. May touch no widget; for subclasses."""

    def end(self) -> None:
        """Call `close_work`, unless that was done."""
        if not self._work_is_closed:
            self._work_is_closed = True
            self.close_work()

    def changeEvent(self, event: QEvent | None) -> None:
        """Stop the work when napari takes the dock away: it sends no other sign of that."""
        super().changeEvent(event)
        taken_away = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_away and self.parentWidget() is None and hasattr(self, "_work_is_closed"):
            self.end()
            self.deleteLater()
