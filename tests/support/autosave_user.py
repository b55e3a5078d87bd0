"""What a person does whose work is kept, and what a crash or a slow disk does to it."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager

import numpy as np
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl.autosave.journal import read_journal, unfinished

SHAPE = (120, 160)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 255, SHAPE, np.uint8)


def opened(open_dock, viewer):
    driver = open_dock(viewer)
    driver.wait_for_answer()
    settle(driver)
    return driver


def settle(driver):
    """Let the events turn, and the thread for files come to its end, twice."""
    for _ in range(2):
        done = []
        driver.dock.controller.autosave.files.do(lambda: None, done.append)
        driver.wait(lambda done=done: bool(done))


def labels(driver):
    return driver.dock.controller.workspace.labels


def write(driver, row, col):
    driver.click(row, col)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)


def grab(driver, row, col):
    driver.hover(row, col)
    driver.type(Qt.Key.Key_G)


def work_at(driver):
    """A journal as it is at this moment, read as after a crash."""
    settle(driver)
    (path,) = journals_of(driver)
    return read_journal(path)


def journals_of(driver):
    return driver.dock.controller.autosave.recorder.journals


def are_closed(data):
    """Whether no dock holds a journal any more."""
    return len(unfinished(data)) == len(list(data.glob("*.jsonl")))


def crash(driver, data, viewer):
    """What a kill leaves: the journals as they are now, unlocked; nothing of the viewer."""
    settle(driver)
    left = [path.read_bytes() for path in journals_of(driver)]
    driver.dock.controller.close()
    driver.wait(lambda: are_closed(data))
    shutil.rmtree(data)
    data.mkdir()
    for number, content in enumerate(left):
        (data / f"2020{number}.jsonl").write_bytes(content)
    viewer.window.remove_dock_widget(driver.dock)
    viewer.layers.clear()


def told():
    return [str(n.message) for n in notification_manager.records]


def choose(monkeypatch, path, kind=""):
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *args, **kwargs: (str(path), kind))


def export(driver, path, monkeypatch, kind=""):
    choose(monkeypatch, path, kind)
    notification_manager.records.clear()
    driver.dock.work.export.click()
    settle(driver)


@contextmanager
def slow_disk(driver):
    """Nothing is read or written in here; all that was asked for is done after it."""
    gate = threading.Event()
    driver.dock.controller.autosave.files.do(gate.wait, lambda _: None)
    try:
        yield
    finally:
        gate.set()
    settle(driver)


def cellpose(driver, label=12):
    """Labels of another program, with one object."""
    ids = np.zeros(SHAPE, np.uint8)
    ids[60:80, 60:90] = label
    layer = driver.viewer.add_labels(ids, name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    return layer
