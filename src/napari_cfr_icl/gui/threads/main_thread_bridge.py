"""Between the network's thread and that of the screen: messages, and who goes first."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer, Signal, Slot

from napari_cfr_icl.session.runner import Message

LONGEST_DRAWING = 0.1
"""Seconds that the network waits for the screen, at most."""


class MainThreadBridge(QObject):
    """Calls `receive` in the thread that made the courier, in the order of delivery.

    Parameters
    ----------
    receive : callable
        What is called with each message.
    parent : QObject, optional
        What the courier dies with.
    """

    _arrived = Signal(object)
    _asked = Signal(object)

    def __init__(self, receive: Callable[[Message], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._receive: Callable[[Message], None] | None = receive
        self._home = threading.current_thread()
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)
        self._asked.connect(self._on_asked, Qt.ConnectionType.QueuedConnection)

    def deliver(self, message: Message) -> None:
        """Hand over a message; may be called in any thread."""
        if threading.current_thread() is self._home:
            self._on_arrived(message)
        else:
            self._arrived.emit(message)

    def wait_for_drawing(self) -> None:
        """Wait until the screen has drawn what changed so far; called in another thread.

        Without a graphics card the processor draws. A network that begins at once takes half of it,
        the user sees the click late, and the mask comes no sooner.
        """
        drawn = threading.Event()
        self._asked.emit(drawn)
        drawn.wait(LONGEST_DRAWING)

    def close(self) -> None:
        """Bring nothing any more, not even what is on its way."""
        self._receive = None

    @Slot(object)  # type: ignore[untyped-decorator]
    def _on_arrived(self, message: Message) -> None:
        if self._receive is not None:
            self._receive(message)

    @Slot(object)  # type: ignore[untyped-decorator]
    def _on_asked(self, drawn: threading.Event) -> None:
        # Qt draws when all its events have been dealt with, and minds its timers after that.
        QTimer.singleShot(0, drawn.set)
