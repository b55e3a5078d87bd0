"""A user of the dock in the tests, who also drags, and keeps keys down."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_cfr_icl.gui.app.viewer_driver import LEFT, PLAIN, ViewerDriver
from napari_cfr_icl.gui.layers.napari_private import canvas_widget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class DockUser(ViewerDriver):
    """Drives the viewer of a test."""

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 4) -> None:
        """Press the left button at one place, move in steps and release it at another."""
        (row, col), (to_row, to_col) = start, end
        shares = (step / steps for step in range(steps + 1))
        self.draw([(row + (to_row - row) * at, col + (to_col - col) * at) for at in shares], PLAIN)

    def draw(
        self,
        places: Sequence[tuple[float, float]],
        modifier: Qt.KeyboardModifier,
        button: Qt.MouseButton = LEFT,
    ) -> None:
        """Press a button at the first place, move through all and release it at the last."""
        for _ in self.drawing(places, modifier, button):
            # Napari leaves out moves in quick succession.
            self.settle()

    def drawing(
        self,
        places: Sequence[tuple[float, float]],
        modifier: Qt.KeyboardModifier,
        button: Qt.MouseButton = LEFT,
    ) -> Iterator[None]:
        """The same, with a pause at each place."""
        canvas = canvas_widget(self.viewer)
        QTest.mousePress(canvas, button, modifier, self.place(*places[0]))
        for place in places:
            move_pressed(canvas, self.place(*place), modifier, button)
            yield
        QTest.mouseRelease(canvas, button, modifier, self.place(*places[-1]))

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


def move_pressed(
    widget: QWidget,
    position: QPoint,
    modifier: Qt.KeyboardModifier = PLAIN,
    button: Qt.MouseButton = LEFT,
) -> None:
    """Move the mouse with a button down, which QTest.mouseMove does not say."""
    where = QPointF(position)
    event = QMouseEvent(QEvent.Type.MouseMove, where, where, button, button, modifier)
    QApplication.sendEvent(widget, event)
