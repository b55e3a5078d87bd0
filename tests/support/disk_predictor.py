"""A predictor whose answers can be seen in one's head: a disk around each click."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from napari_cfr_icl.engine.windows import Patch, Window

RADIUS = 4


@dataclass(frozen=True)
class DiskStep:
    index: int
    changed_pixels: int | None
    threshold_pixels: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class DiskAnswer:
    probabilities: Patch
    trace: tuple[DiskStep, ...]
    stopped: str

    @property
    def passes(self):
        return len(self.trace)


def disks(clicks, shape, radius):
    """Probability 0.8 around positive clicks, 0.1 around negative ones, newest on top."""
    rows, cols = np.indices(shape)
    values = np.zeros(shape, np.float32)
    for click in clicks:
        near = (rows - click.row) ** 2 + (cols - click.col) ** 2 <= radius**2
        values[near] = 0.8 if click.positive else 0.1
    return Patch.from_full(values)


class DiskPredictor:
    """Answers in `passes` passes with disks that grow by a pixel each.

    A previous mask stays where no disk is. `asked` holds the clicks and the previous mask of every
    request, `threads` the names of the threads that it ran in.
    """

    def __init__(self, passes=1, may_step=None):
        self.passes = passes
        self.may_step = may_step
        self.asked = []
        self.threads = set()

    def steps(self, source, clicks, previous=None, view=None):
        self.asked.append((clicks, previous))
        shape = source.shape[:2]
        before = np.zeros(shape, np.float32)
        if previous is not None:
            before = getattr(previous, "probabilities", previous).read(Window(0, 0, *shape))
        trace = ()
        for index in range(self.passes):
            if self.may_step is not None:
                assert self.may_step.acquire(timeout=10)
            self.threads.add(threading.current_thread().name)
            new = disks(clicks, shape, RADIUS + index).values
            values = np.where(new > 0, new, before * np.float32(0.9))
            trace = (*trace, DiskStep(index, 7 if index else None, 3 if index else None, 0.0))
            last = index == self.passes - 1
            yield DiskAnswer(Patch.from_full(values), trace, "limit" if last else "running")
