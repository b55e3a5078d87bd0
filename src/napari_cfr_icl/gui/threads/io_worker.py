"""Work with files in one thread, in order; the results come back to the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Qt, Signal

from napari_cfr_icl.autosave.file_thread import FileThread

T = TypeVar("T")


class IoWorker(QObject):
    """Runs jobs one after the other, and calls back in the GUI thread.

    Parameters
    ----------
    failed : callable
        Called with the exception that ended a job, unless the job has a callback of its own.
    parent : QObject, optional
        Its owner.
    """

    _arrived = Signal(object)

    def __init__(self, failed: Callable[[Exception], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.thread_pool = FileThread()
        self.failed = failed
        self._closed = False
        self._arrived.connect(_call, Qt.ConnectionType.QueuedConnection)

    def do(
        self,
        job: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `job` after all others; then `done` is called with its result."""
        if not self._closed:
            future = self.thread_pool.submit(job)
            future.add_done_callback(lambda ended: self._tell(ended, done, failed or self.failed))

    def tell(self, call: Callable[[], None]) -> None:
        """Call a function in the GUI thread; may be called in any."""
        if not self._closed:
            self._arrived.emit(call)

    def close(self) -> None:
        """Call back no more; jobs that were submitted still run."""
        self._closed = True
        self.thread_pool.shutdown(wait=False)

    def _tell(
        self,
        ended: Future[Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        error = ended.exception()

        def call() -> None:
            if self._closed:
                return
            if error is None:
                done(ended.result())
            elif isinstance(error, Exception):
                failed(error)

        self.tell(call)


def _call(call: Callable[[], None]) -> None:
    call()
