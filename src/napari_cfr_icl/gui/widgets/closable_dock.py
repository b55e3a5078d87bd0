"""Base of the docks: a widget that notices when it is closed."""

from __future__ import annotations

from contextlib import ExitStack

from qtpy.QtCore import QEvent
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_cfr_icl.gui.widgets.single_shot import single_shot


class ClosableDock(QWidget):
    """Calls `close_work` once, when the dock or the whole window is closed.

    A second dock becomes a tab beside the first: napari would put it below, both of half height.
    """

    def __init__(self) -> None:
        super().__init__()
        self._placed = False
        self._settled = single_shot(self, 0, self._join)
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

    def showEvent(self, event: QShowEvent | None) -> None:
        """Choose the place in the window once napari has put the dock there."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self._settled.start()

    def _join(self) -> None:
        """Become a tab beside another dock of ours that is in the window already."""
        mine, window = _frame(self), self.window()
        if mine is None or not isinstance(window, QMainWindow):
            return
        frames = [_frame(dock) for dock in window.findChildren(ClosableDock) if dock is not self]
        for frame in frames:
            if frame is None or frame.isFloating() or not frame.isVisible():
                continue
            if mine not in window.tabifiedDockWidgets(frame):
                window.tabifyDockWidget(frame, mine)
            mine.raise_()
            return

    def changeEvent(self, event: QEvent | None) -> None:
        """Stop the work when napari removes the dock, of which there is no other sign."""
        super().changeEvent(event)
        taken_away = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_away and self.parentWidget() is None and hasattr(self, "_closing"):
            self.end()
            self.deleteLater()


def _frame(widget: QWidget) -> QDockWidget | None:
    """The dock widget of Qt's that holds a dock of ours."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
