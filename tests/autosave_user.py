"""What a person does whose work is kept, and what a crash or a slow disk does to it."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager

import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl.autosave.journal import read_journal

SHAPE = (120, 160)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 255, SHAPE, np.uint8)


def opened(open_dock, viewer):
    hand = open_dock(viewer)
    hand.wait_for_answer()
    settle(hand)
    return hand


def settle(hand):
    """Let the events turn, and the thread for files come to its end, twice."""
    for _ in range(2):
        done = []
        hand.dock.controller.work.files.do(lambda: None, done.append)
        hand.wait(lambda done=done: bool(done))


def labels(hand):
    return hand.dock.controller.workspace.labels


def write(hand, row, col):
    hand.click(row, col)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)


def work_at(hand):
    """A journal as it is at this moment, read as after a crash."""
    settle(hand)
    (path,) = journals_of(hand)
    return read_journal(path)


def journals_of(hand):
    keepers = hand.dock.controller.work.recorder._keepers.values()
    return [keeper.path for keeper in keepers if keeper.path is not None]


def crash(hand, data, viewer):
    """What a kill leaves: the journals as they are now, unlocked; nothing of the viewer."""
    settle(hand)
    left = [path.read_bytes() for path in journals_of(hand)]
    hand.dock.controller.close()
    hand.wait(lambda: not list(data.glob("*.lock")))
    shutil.rmtree(data)
    data.mkdir()
    for number, content in enumerate(left):
        (data / f"2020{number}.jsonl").write_bytes(content)
    viewer.window.remove_dock_widget(hand.dock)
    viewer.layers.clear()


def told():
    return [str(n.message) for n in notification_manager.records]


def choose(monkeypatch, path, kind=""):
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *args, **kwargs: (str(path), kind))


def export(hand, path, monkeypatch, kind=""):
    choose(monkeypatch, path, kind)
    notification_manager.records.clear()
    hand.dock.work.export.click()
    settle(hand)


@contextmanager
def slow_disk(hand):
    """Nothing is read or written in here; all that was asked for is done after it."""
    gate = threading.Event()
    hand.dock.controller.work.files.do(gate.wait, lambda _: None)
    try:
        yield
    finally:
        gate.set()
    settle(hand)


def cellpose(hand, label=12):
    """Labels of another program, with one object."""
    ids = np.zeros(SHAPE, np.uint8)
    ids[60:80, 60:90] = label
    layer = hand.viewer.add_labels(ids, name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    return layer
