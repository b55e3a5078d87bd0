"""Batching: objects clicked side by side, a thread for each, their passes run together.

A graphics card is idle most of the time when it is given one window after the other. Here every
object has a thread of its own, and whenever all of them wait for the network, windows of one size
go through it as one batch. Which windows meet in a batch follows from the order of the objects
alone, never from the clock, so a run repeats itself.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_cfr_icl.engine.runtime.device import out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari_cfr_icl.engine.runtime.arithmetic import Run

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Pass:
    """A pass that a thread waits for."""

    job: int
    run: Run
    image: Tensor
    previous: Tensor
    points: Tensor
    logits: Tensor | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.logits is not None or self.error is not None


class SideBySide(Generic[T]):
    """Does jobs in several threads and runs their passes, gathered, in the caller's.

    Parameters
    ----------
    width : int
        Most jobs at once, and so most windows in a batch.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._jobs: Iterator[tuple[int, Callable[[], T]]] = iter(())
        self._changed = threading.Condition()
        self._waiting: list[_Pass] = []
        self._busy = 0
        self._done: list[tuple[int, T]] = []
        self._failed: list[BaseException] = []
        self._here = threading.local()

    def gathered(self, run: Run) -> Run:
        """Make what a job calls instead of `run`: waits until its turn comes with others."""

        def ask(image: Tensor, previous: Tensor, points: Tensor) -> Tensor:
            wanted = _Pass(self._here.job, run, image, previous, points)
            with self._changed:
                self._waiting.append(wanted)
                self._changed.notify_all()
                self._changed.wait_for(lambda: wanted.is_done)
            if wanted.logits is None:
                raise wanted.error or RuntimeError("the pass was dropped")
            return wanted.logits

        return ask

    def results(self, jobs: Iterable[Callable[[], T]]) -> Iterator[T]:
        """Do the jobs; their results, those of the same round in the order of the jobs.

        Parameters
        ----------
        jobs : iterable of callable
            Each takes nothing; drawn from one at a time, in order.

        Raises
        ------
        BaseException
            What a job raised; the others are ended at their next pass.
        """
        self._jobs = enumerate(jobs)
        with self._threads():
            while self._next_round():
                for group in _groups(self._waiting):
                    _run_together(group)
                with self._changed:
                    self._waiting = []
                    self._changed.notify_all()
                yield from self._finished()
        yield from self._finished()

    @contextmanager
    def _threads(self) -> Iterator[None]:
        names = [f"cfr-icl-object-{number}" for number in range(self._width)]
        threads = [threading.Thread(target=self._work, name=name) for name in names]
        # Before anyone runs: a round begins only when all of them wait.
        self._busy = len(threads)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._drop_all()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        try:
            while (job := self._next_job()) is not None:
                self._here.job, do = job
                result = do()
                with self._changed:
                    self._done.append((self._here.job, result))
        except BaseException as error:  # noqa: BLE001  raised again where the results are awaited
            self._failed.append(error)
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _next_job(self) -> tuple[int, Callable[[], T]] | None:
        with self._changed:
            return None if self._failed else next(self._jobs, None)

    def _next_round(self) -> bool:
        """Wait until every thread waits for a pass; False when none is left."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) == self._busy)
            if self._failed:
                raise self._failed[0]
            return bool(self._waiting)

    def _finished(self) -> list[T]:
        with self._changed:
            done, self._done = self._done, []
        return [result for _, result in sorted(done, key=lambda item: item[0])]

    def _drop_all(self) -> None:
        """Let every thread that still waits go on, with an error."""
        with self._changed:
            self._failed.append(_Dropped())
            while self._busy:
                for wanted in self._waiting:
                    wanted.error = wanted.error or _Dropped()
                self._waiting = []
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or not self._busy)


class _Dropped(BaseException):
    """Ends a job that nobody waits for any more."""


def _groups(waiting: list[_Pass]) -> list[list[_Pass]]:
    """Passes that fit one batch, in the order of their jobs."""
    groups: dict[tuple[object, ...], list[_Pass]] = {}
    for wanted in sorted(waiting, key=lambda item: item.job):
        key = (id(wanted.run), wanted.image.shape[1:])
        groups.setdefault(key, []).append(wanted)
    return list(groups.values())


@torch.inference_mode()
def _run_together(group: list[_Pass]) -> None:
    """Run the passes as one batch, or in halves where that is more than memory holds."""
    logits = None
    try:
        logits = group[0].run(
            torch.cat([wanted.image for wanted in group]),
            torch.cat([wanted.previous for wanted in group]),
            _together([wanted.points for wanted in group]),
        )
    except Exception as error:  # noqa: BLE001  raised in the threads that wait for it
        if len(group) == 1 or not out_of_memory(error):
            for wanted in group:
                wanted.error = error
            return
    if logits is None:
        middle = len(group) // 2
        _run_together(group[:middle])
        _run_together(group[middle:])
        return
    begin = 0
    for wanted in group:
        end = begin + len(wanted.image)
        wanted.logits, begin = logits[begin:end], end


def _together(points: list[Tensor]) -> Tensor:
    """Clicks of several passes, (B, 2N, 3): each half filled up with empty slots to the longest."""
    most = max(each.shape[1] for each in points) // 2
    filled = []
    for each in points:
        slots = each.shape[1] // 2
        halves = each.reshape(-1, 2, slots, 3)
        filled.append(F.pad(halves, (0, 0, 0, most - slots), value=-1.0))
    return torch.cat(filled).flatten(1, 2)
