"""Two hundred steps of undo on a huge label plane stay small, and undo still finds its way back."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from disk_predictor import DiskAnswer
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.session.objects import Scene
from napari_cfr_icl.session.session import Session
from plain_store import PlainStore

SIDE = 20_000
WINDOW_SIDE = 900
CLICKS_EACH = 4
STEPS = 200
MEGABYTE = 1e6


class BlobPredictor:
    """Answers with a soft disk about the first click, never quite the same twice."""

    def __init__(self):
        self.random = np.random.default_rng(0)
        rows, cols = np.mgrid[:WINDOW_SIDE, :WINDOW_SIDE] - WINDOW_SIDE / 2
        self.distance = np.hypot(rows, cols).astype(np.float32)

    def steps(self, source, clicks, previous=None, view=None):
        noise = self.random.random(self.distance.shape, np.float32)
        radius = 300 + 10 * len(clicks)
        values = 1 / (1 + np.exp((self.distance - radius) / 8)) * (0.98 + 0.02 * noise)
        top, left = (int(place) - WINDOW_SIDE // 2 for place in (clicks[0].row, clicks[0].col))
        window = Window(top, left, WINDOW_SIDE, WINDOW_SIDE)
        patch = Patch(values.astype(np.float32), window, (SIDE, SIDE))
        yield DiskAnswer(patch, (), "limit")


@pytest.mark.slow
def test_two_hundred_steps(monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_SYNC", "1")
    session = Session(lambda engine: BlobPredictor(), lambda message: session.receive(message))
    scene, store = Scene("plane", None, (SIDE, SIDE)), PlainStore((SIDE, SIDE))
    store.labels = np.zeros((SIDE, SIDE), np.uint16)
    tracemalloc.start()
    places = [(row, col) for row in range(1000, 19_000, 2500) for col in range(1000, 19_000, 3000)]
    done = 0
    for row, col in places:
        clicks = Clicks()
        for number in range(CLICKS_EACH):
            clicks = clicks.added(Click(row + number, col))
            session.set_clicks(clicks, scene)
        session.write(store)
        done += CLICKS_EACH + 1
        if done >= STEPS:
            break
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 160 answers of 3 MB each, and 40 objects of a third of a million pixels.
    assert held < 100 * MEGABYTE
    while session.can_undo:
        session.undo()
    assert not store.labels.any()
    assert session.state.is_empty
