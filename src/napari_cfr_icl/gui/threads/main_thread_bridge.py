"""Messages from the network's thread to the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal, Slot

from napari_cfr_icl.session.runner import Message

LONGEST_DRAWING = 0.1
"""Longest time in seconds that the network waits for the screen."""


class MainThreadBridge(QObject):
    """Calls a function with each message, in the bridge's own thread and in the order of delivery.

    `arrived` is emitted with a message in any thread; in the bridge's own it is delivered at once.

    Parameters
    ----------
    parent : QObject, optional
        The owner.
    """

    arrived = Signal(object)
    _asked = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._receive: Callable[[Any], None] | None = None
        self.arrived.connect(self._on_arrived)
        self._asked.connect(self._on_asked, Qt.ConnectionType.QueuedConnection)

    def connect(self, receive: Callable[[Any], None]) -> None:
        """Set the function that is called with each message."""
        self._receive = receive

    def wait_for_drawing(self) -> None:
        """Wait until the screen has drawn all changes so far; called in another thread.

        Without a graphics card the processor draws. A network that starts at once takes half of it:
        the user sees the click late, and the mask comes no sooner.
        """
        drawn = threading.Event()
        self._asked.emit(drawn)
        drawn.wait(LONGEST_DRAWING)

    def close(self) -> None:
        """Deliver nothing any more, not even messages under way."""
        self._receive = None

    @Slot(object)  # type: ignore[untyped-decorator]
    def _on_arrived(self, message: Message) -> None:
        if self._receive is not None:
            self._receive(message)

    @Slot(object)  # type: ignore[untyped-decorator]
    def _on_asked(self, drawn: threading.Event) -> None:
        # Qt draws when all its events have been dealt with, and minds its timers after that.
        QTimer.singleShot(0, drawn.set)
