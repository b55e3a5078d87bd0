"""A driver of the viewer with real mouse and key events.

Used by the demo without a display, the pictures of the documentation and the tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import napari
from qtpy.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_cfr_icl.gui.app.segment_widget import SegmentWidget
from napari_cfr_icl.gui.layers.napari_private import canvas_position, canvas_widget

# PyQt's type stubs take these functions for methods.
_EVENTS: Any = QTest

PLUGIN = "napari-cfr-icl"

PATIENCE = 120.0
"""Seconds to wait for anything; loading torch on a busy machine takes most of a minute."""

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NO_BUTTON = Qt.MouseButton.NoButton
PLAIN, CONTROL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


CHECK_PAUSE = 2
"""Milliseconds between two checks of a condition."""


class ViewerDriver:
    """Clicks and types on the canvas of a viewer with an open dock.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer, shown.
    dock : SegmentWidget
        Its dock; places are given in pixels of the image that is chosen there.
    """

    def __init__(self, viewer: napari.Viewer, dock: SegmentWidget) -> None:
        self.viewer = viewer
        self.dock = dock
        self.session = dock.controller.session

    def click(
        self,
        row: float,
        col: float,
        positive: bool = True,
        modifier: Qt.KeyboardModifier = PLAIN,
    ) -> None:
        """Press and release the left button, or the right one for the background."""
        button = LEFT if positive else RIGHT
        _EVENTS.mouseClick(canvas_widget(self.viewer), button, modifier, self.place(row, col))

    def hover(self, row: float, col: float) -> None:
        """Move the mouse to a place, no button down."""
        self.wait(lambda: self._hovers(row, col))

    def type(self, key: Qt.Key, modifier: Qt.KeyboardModifier = PLAIN) -> None:
        """Press and release a key over the canvas."""
        _EVENTS.keyClick(canvas_widget(self.viewer), key, modifier)

    def place(self, row: float, col: float) -> QPoint:
        """The position of a pixel of the image on the canvas.

        Raises
        ------
        RuntimeError
            When no plane of an image is on the screen.
        """
        image, plane = self.dock.controller.workspace.image, self.dock.controller.workspace.plane
        if image is None or plane is None:
            raise RuntimeError("no plane of an image is on the screen")
        return canvas_position(self.viewer, image.data_to_world(plane.coordinates(row, col)))

    def _hovers(self, row: float, col: float) -> bool:
        """True where napari has the mouse there; sends the move again if not."""
        there = self.place(row, col)
        here = canvas_position(self.viewer, self.viewer.cursor.position)
        if (here - there).manhattanLength() <= 1:
            return True
        # Napari delays moves in quick succession, and a delayed drag may move the picture.
        canvas, where = canvas_widget(self.viewer), QPointF(there)
        event = QMouseEvent(QEvent.Type.MouseMove, where, where, NO_BUTTON, NO_BUTTON, PLAIN)
        QApplication.sendEvent(canvas, event)
        return False

    def open_beside(self, name: str) -> Any:
        """Open another dock of ours in front of this one, by its name in napari's menu."""
        _, dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        dock.parentWidget().raise_()
        return dock

    def wait(self, until: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Run the event loop until a condition is true.

        Raises
        ------
        TimeoutError
            When it does not become true in `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while not until():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {patience:g} s in vain")
            let_happen(CHECK_PAUSE)

    def wait_for_answer(self) -> None:
        """Run the event loop until the network is idle."""
        self.wait(lambda: not self.session.is_busy)


def let_happen(milliseconds: int) -> None:
    """Run the event loop for a while.

    QTest.qWait does so too, but with PySide6 it keeps Python to itself, and the network waits.
    """
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()
