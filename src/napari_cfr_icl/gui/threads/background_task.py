"""Background tasks without torch, such as writing files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal


class BackgroundTask(QObject):
    """Runs one function at a time in a thread of its own.

    `done` is emitted with what it returned, `failed` with the exception that ended it; neither
    after `forget`.

    Parameters
    ----------
    parent : QObject, optional
        The owner.
    """

    done = Signal(object)
    failed = Signal(object)
    _ended = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._newest = 0
        self._ended.connect(self._on_ended, Qt.ConnectionType.QueuedConnection)

    def run(self, work: Callable[[], Any]) -> None:
        """Start a task; the result of an earlier one is dropped."""
        self._newest += 1
        thread = threading.Thread(
            target=self._work, args=(self._newest, work), name="cfr-icl-task", daemon=True
        )
        thread.start()

    def forget(self) -> None:
        """Drop the result of the task under way."""
        self._newest += 1

    def _work(self, number: int, work: Callable[[], Any]) -> None:
        result: object = None
        error: Exception | None = None
        try:
            result = work()
        except Exception as fault:  # noqa: BLE001  a thread has no caller; the error is delivered
            error = fault
        if number == self._newest:
            self._ended.emit(number, result, error)

    def _on_ended(self, number: int, result: object, error: Exception | None) -> None:
        if number != self._newest:
            return
        if error is None:
            self.done.emit(result)
        else:
            self.failed.emit(error)
