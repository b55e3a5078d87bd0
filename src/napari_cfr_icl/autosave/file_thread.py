"""One thread for files, which may be slow."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class FileThread(ThreadPoolExecutor):
    """A thread for files; the screen's thread never waits for a disk.

    It runs one job after the other. When the program ends, Python ends the thread before the
    screen; jobs that the screen submits after that run at once.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="cfr-icl-files")
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a job after all others; none once it was shut down."""
        done: Future[Any] = Future()
        if self._closed:
            done.set_result(None)
            return done
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            # Python has waited for the thread, so all earlier jobs are done.
            done.set_result(fn(*args, **kwargs))
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more jobs; those submitted still run."""
        self._closed = True
        super().shutdown(wait, cancel_futures=cancel_futures)
