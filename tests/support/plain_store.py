"""A label plane in an ordinary array."""

from __future__ import annotations

import numpy as np


class PlainStore:
    """Keeps the ids in `labels`, and in `read_windows` what was looked at."""

    def __init__(self, shape):
        self.labels = np.zeros(shape, np.int32)
        self.read_windows = []
        self.is_there = True

    @property
    def shape(self):
        return self.labels.shape

    def next_label(self):
        return int(self.labels.max()) + 1

    def fit(self, mask):
        return mask

    def to_image(self, mask):
        return mask

    def read(self, window):
        self.read_windows.append(window)
        return self.labels[window.slices].copy()

    def write(self, window, changed, ids):
        self.labels[window.slices][changed] = ids
