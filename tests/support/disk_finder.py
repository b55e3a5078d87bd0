"""A finder whose proposals can be seen in one's head: disks at given places."""

from __future__ import annotations

import numpy as np

from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.engine.finding.proposals import Proposal, SearchProgress
from napari_cfr_icl.engine.windows import Patch, Window

RADIUS = 6


def disk(row, col, shape, radius=RADIUS):
    """A disk, cut off at the borders of its image."""
    box = Window(row - radius, col - radius, 2 * radius + 1, 2 * radius + 1)
    box = box.intersection(Window.whole(shape))
    rows, cols = np.mgrid[box.slices]
    return Patch((rows - row) ** 2 + (cols - col) ** 2 <= radius**2, box, shape)


class DiskFinder:
    """Finds a disk at each of `places`, (row, column): certainty, unless it lies on another object.

    `asked` holds the exemplars, what was taken and the region of every search. Where `may_step` is
    given, a step is taken each time that it is released.
    """

    def __init__(self, places, may_step=None):
        self.places = dict(places)
        self.may_step = may_step
        self.asked = []

    def find(self, source, exemplars, options=None, *, taken=(), region=None):
        self.asked.append((exemplars, list(taken), region))
        there = [*taken, *(exemplars.examples if exemplars.source is None else ())]
        for done, ((row, col), certainty) in enumerate(self.places.items()):
            if self.may_step is not None:
                assert self.may_step.acquire(timeout=10)
            yield SearchProgress(done, len(self.places))
            inside = region.top <= row < region.bottom and region.left <= col < region.right
            if inside and not any(mask.at(row, col) for mask in there):
                yield Proposal(disk(row, col, source.shape), certainty, Click(row, col))


class DiskMaker:
    """Makes a predictor and a finder that were made before."""

    def __init__(self, predictor, finder):
        self._predictor = predictor
        self._finder = finder

    def __call__(self, choice):
        return self._predictor

    def finder(self):
        return self._finder
