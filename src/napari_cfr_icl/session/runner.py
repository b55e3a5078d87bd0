"""One worker thread for the network: the newest request wins, and nothing else runs torch.

Measured (two cores): a network that is warmed in one thread and run in another is half as fast,
because a second team of arithmetic threads competes with the first. So the predictor is made,
warmed and run in this one thread, and torch is imported in it too.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.windows import Patch, Window
    from napari_cfr_icl.session.protocols import Answer, PredictorLike

SYNCHRONOUS_VARIABLE = "NAPARI_CFR_ICL_SYNC"
NICENESS = 5
"""Niceness of the worker and its arithmetic threads: the screen's thread comes first, but other
programs do not take the network's time."""
_log = logging.getLogger(__name__)


def _lower_priority() -> None:
    """Let other threads of this process go first, where threads have priorities (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Input of a prediction; immutable.

    Parameters
    ----------
    engine : hashable
        Key of the predictor, for the function that makes them.
    source : object
        Source of the pixels.
    clicks : Clicks
        The object's clicks.
    previous : Answer, Patch or None
        The mask fed back.
    view : Window or None
        The part of the plane that is on the screen.
    keep : callable or None
        Takes the probabilities of an answer, and returns what is kept of them. Called in the
        worker, where pixels may be read.
    """

    engine: Hashable
    source: Any
    clicks: Clicks
    previous: Answer | Patch | None = None
    view: Window | None = None
    keep: Callable[[Patch], Patch] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the worker about the request of this `number`."""

    number: int


@dataclass(frozen=True, slots=True)
class Preparing(Message):
    """A predictor is being made, which can take a while. Sent for cancelled requests, too."""


@dataclass(frozen=True, slots=True)
class Prepared(Message):
    """No predictor is being made any more. Sent as often as `Preparing`."""


@dataclass(frozen=True, slots=True, eq=False)
class Stepped(Message):
    """One pass is done; `kept` is what the request's `keep` returned, if it has one."""

    answer: Answer
    seconds: float = 0.0
    kept: Patch | None = None


@dataclass(frozen=True, slots=True)
class Finished(Message):
    """No further pass will come."""


@dataclass(frozen=True, slots=True, eq=False)
class Failed(Message):
    """The predictor could not be made, or not used."""

    error: Exception


class Runner:
    """Runs requests one at a time, dropping all but the newest.

    Parameters
    ----------
    make : callable
        Makes the predictor for a request's `engine`; called in the worker, and again only when
        `engine` changes.
    deliver : callable
        Receives every `Message`, called in the worker: hand over to your own thread there.
    settle : callable, optional
        Called in the worker before each prediction, to wait for the click to be drawn.
    synchronous : bool, optional
        Do all work inside `submit`, in the caller's thread; for tests and for debugging. By default
        what the environment variable NAPARI_CFR_ICL_SYNC says.
    """

    def __init__(
        self,
        make: Callable[[Any], PredictorLike],
        deliver: Callable[[Message], None],
        *,
        settle: Callable[[], None] | None = None,
        synchronous: bool | None = None,
    ) -> None:
        self._make = make
        self._deliver = deliver
        if synchronous is None:
            synchronous = os.environ.get(SYNCHRONOUS_VARIABLE, "0") not in ("", "0")
        self._settle = None if synchronous else settle
        self._engine: Hashable = None
        self._predictor: PredictorLike | None = None
        self._changed = threading.Condition()
        self._waiting: tuple[int, Request] | None = None
        self._chores: deque[Callable[[], None]] = deque()
        self._newest = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        if not synchronous:
            self._thread = threading.Thread(target=self._work, name="cfr-icl-network", daemon=True)
            self._thread.start()
            _CLOSE_AT_EXIT.add(self)
            _RUNNING.add(self._thread)

    @property
    def newest(self) -> int:
        """Number of the newest request; messages about others are stale."""
        return self._newest

    def submit(self, request: Request) -> int:
        """Request a prediction, replacing any pending request. Returns its number.

        A request with neither clicks nor a previous mask only prepares its predictor.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the runner is closed")
            self._newest += 1
            number = self._newest
            self._waiting = (number, request)
            self._changed.notify()
        if self._thread is None:
            self._waiting = None
            self._run(number, request)
        return number

    def do_when_idle(self, chore: Callable[[], None]) -> None:
        """Run a small chore in the worker when no request waits; dropped by `close`."""
        if self._thread is None:
            self._chores.append(chore)
            # A chore may ask for another, many times: they come after it, not inside it.
            while self._chores and self._chores[0] is chore:
                try:
                    chore()
                finally:
                    self._chores.popleft()
                chore = self._chores[0] if self._chores else chore
            return
        with self._changed:
            self._chores.append(chore)
            self._changed.notify()

    def stop(self) -> None:
        """Cancel the pending request; a loop under way ends before its next pass."""
        with self._changed:
            self._newest += 1
            self._waiting = None

    def close(self, timeout: float = 1.0) -> bool:
        """End the thread after the pass under way. Returns True if it ended within `timeout` s.

        A thread that is still loading a network ends when that is done; only the end of the program
        waits for it.
        """
        with self._changed:
            self._closed = True
            self._newest += 1
            self._waiting = None
            self._changed.notify()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        _lower_priority()
        while (job := self._next()) is not None:
            job()
            # The request holds an image, which must not live until the next request.
            del job
        self._predictor = None

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting is not None or self._chores or self._closed
            )
            if self._closed:
                return None
            job, self._waiting = self._waiting, None
            return self._chores.popleft() if job is None else partial(self._run, *job)

    def _run(self, number: int, request: Request) -> None:
        try:
            predictor = self._predictor_for(number, request.engine)
            if request.clicks or request.previous is not None:
                self._predict(number, request, predictor)
        except Exception as error:  # noqa: BLE001  a thread has no caller; the error is delivered
            _log.debug("request %d failed", number, exc_info=error)
            self._tell(Failed(number, error))
        else:
            self._tell(Finished(number))

    def _predictor_for(self, number: int, engine: Hashable) -> PredictorLike:
        if self._predictor is None or engine != self._engine:
            self._deliver(Preparing(number))
            # The old one first: two large networks may not fit the device together.
            self._predictor = None
            try:
                self._predictor = self._make(engine)
            finally:
                self._deliver(Prepared(number))
            self._engine = engine
        return self._predictor

    def _predict(self, number: int, request: Request, predictor: PredictorLike) -> None:
        if self._settle is not None and number == self._newest:
            self._settle()
        if number != self._newest:
            return
        steps = predictor.steps(request.source, request.clicks, request.previous, request.view)
        begun = time.perf_counter()
        for answer in steps:
            if number != self._newest:
                return
            seconds = time.perf_counter() - begun
            kept = None if request.keep is None else request.keep(answer.probabilities)
            self._tell(Stepped(number, answer, seconds, kept))
            begun = time.perf_counter()

    def _tell(self, message: Message) -> None:
        if message.number == self._newest:
            self._deliver(message)


# A daemon thread that is inside torch when the interpreter goes down crashes it.
_RUNNING: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_CLOSE_AT_EXIT: weakref.WeakSet[Runner] = weakref.WeakSet()
LONGEST_WAIT_AT_EXIT = 300.0


@atexit.register
def _close_all() -> None:
    for runner in list(_CLOSE_AT_EXIT):
        runner.close(timeout=0)
    for thread in list(_RUNNING):
        thread.join(LONGEST_WAIT_AT_EXIT)
