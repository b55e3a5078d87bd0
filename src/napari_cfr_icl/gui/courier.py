"""Brings messages of the network's thread into the thread of the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal, Slot

from napari_cfr_icl.session.runner import Message


class Courier(QObject):
    """Calls `receive` in the thread that made the courier, in the order of delivery.

    Parameters
    ----------
    receive : callable
        What is called with each message.
    parent : QObject, optional
        What the courier dies with.
    """

    _arrived = Signal(object)

    def __init__(self, receive: Callable[[Message], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._receive: Callable[[Message], None] | None = receive
        self._home = threading.current_thread()
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def deliver(self, message: Message) -> None:
        """Hand over a message; may be called in any thread."""
        if threading.current_thread() is self._home:
            self._on_arrived(message)
        else:
            self._arrived.emit(message)

    def close(self) -> None:
        """Bring nothing any more, not even what is on its way."""
        self._receive = None

    @Slot(object)  # type: ignore[untyped-decorator]
    def _on_arrived(self, message: Message) -> None:
        if self._receive is not None:
            self._receive(message)
