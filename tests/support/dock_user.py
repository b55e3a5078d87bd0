"""A user of the dock in the tests, who also drags, and keeps keys down."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_cfr_icl.gui.app.viewer_driver import LEFT, PLAIN, ViewerDriver
from napari_cfr_icl.gui.layers.napari_private import canvas_widget


class DockUser(ViewerDriver):
    """Drives the viewer of a test."""

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 4) -> None:
        """Press the left button at one place, move in steps and release it at another."""
        canvas = canvas_widget(self.viewer)
        here, there = self.place(*start), self.place(*end)
        QTest.mousePress(canvas, LEFT, PLAIN, here)
        for step in range(1, steps + 1):
            move_pressed(canvas, here + (there - here) * (step / steps))
        QTest.mouseRelease(canvas, LEFT, PLAIN, there)

    def press(self, key: Qt.Key) -> None:
        """Press a key and keep it down."""
        QTest.keyPress(canvas_widget(self.viewer), key)

    def release(self, key: Qt.Key) -> None:
        """Release a key."""
        QTest.keyRelease(canvas_widget(self.viewer), key)

    def settle(self, pauses: bool = False) -> None:
        """Let everything happen that is due: posted events and what they ask the network for.

        Parameters
        ----------
        pauses : bool
            Take the dock's pauses, after which something would happen by itself, as over.
        """
        if pauses:
            for timer in self.dock.findChildren(QTimer):
                if timer.isSingleShot() and timer.isActive():
                    timer.start(0)
        for _ in range(2):
            turned: list[bool] = []
            # Qt minds its timers when all events have been dealt with.
            QTimer.singleShot(0, partial(turned.append, True))
            self.wait(partial(bool, turned))
            self.wait_for_answer()


def move_pressed(widget: QWidget, position: QPoint) -> None:
    """Move the mouse with the left button down, which QTest.mouseMove does not say."""
    where = QPointF(position)
    event = QMouseEvent(QEvent.Type.MouseMove, where, where, LEFT, LEFT, PLAIN)
    QApplication.sendEvent(widget, event)
