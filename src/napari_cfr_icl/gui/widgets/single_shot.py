"""A timer that fires once after its last start."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def single_shot(parent: QObject, pause: int, call: Callable[[], None]) -> QTimer:
    """A timer, not started yet.

    Parameters
    ----------
    parent : QObject
        The owner.
    pause : int
        Milliseconds from its last start.
    call : callable
        The function to call.
    """
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(pause)
    timer.timeout.connect(call)
    return timer
