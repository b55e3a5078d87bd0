"""Work is kept while it is done, whichever way the labels change."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import SHAPE, journals_of, labels, picture, settle, work_at, write
from napari_cfr_icl.autosave import event_log
from napari_cfr_icl.autosave.journal import read_journal
from napari_cfr_icl.gui.app.viewer_driver import SHIFT
from sample_event_log import final_labels


def test_nothing_is_offered_and_nothing_kept_at_first(start, data):
    driver = start()
    assert driver.dock.offer.isHidden()
    assert not list(data.glob("*.jsonl"))


def test_each_step_is_in_the_journal(start):
    driver = start()
    driver.click(40, 60)
    driver.wait_for_answer()
    assert [(round(c.row), round(c.col)) for c in work_at(driver).current.clicks] == [(40, 60)]
    driver.click(60, 60, positive=False)
    driver.wait_for_answer()
    assert [c.positive for c in work_at(driver).current.clicks] == [True, False]
    driver.type(Qt.Key.Key_W)
    work = work_at(driver)
    assert work.current is None
    assert np.array_equal(final_labels(work, 0), labels(driver).data)
    driver.click(80, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_Q)
    assert work_at(driver).current is None


def test_an_object_is_on_the_disk_as_soon_as_the_key_is_up(start):
    driver = start()
    write(driver, 40, 60)
    (path,) = journals_of(driver)
    assert read_journal(path).object_count == 1


def test_undo_redo_painting_and_naparis_own_undo_are_in_the_journal(start):
    driver = start()
    walk = [
        lambda: write(driver, 40, 60),
        lambda: write(driver, 44, 64),
        lambda: driver.type(Qt.Key.Key_U),
        lambda: driver.type(Qt.Key.Key_U, SHIFT),
        lambda: labels(driver).fill((40, 60), 9),
        lambda: labels(driver).undo(),
        lambda: labels(driver).redo(),
        lambda: labels(driver).paint((100, 100), 5),
        lambda: driver.type(Qt.Key.Key_U),
        lambda: driver.type(Qt.Key.Key_U),
        lambda: driver.type(Qt.Key.Key_Q),
        lambda: write(driver, 20, 20),
        lambda: labels(driver).undo(),
    ]
    for number, act in enumerate(walk):
        act()
        driver.wait_for_answer()
        assert np.array_equal(final_labels(work_at(driver), 0), labels(driver).data), number


def test_an_object_that_comes_back_by_redo_keeps_its_clicks(start):
    driver = start()
    write(driver, 40, 60)
    driver.type(Qt.Key.Key_U)
    work = work_at(driver)
    assert work.object_count == 0
    assert len(work.current.clicks) == 1
    driver.type(Qt.Key.Key_U, SHIFT)
    assert work_at(driver).object_count == 1


def test_replaced_labels_begin_anew(start):
    driver = start()
    write(driver, 40, 60)
    other = np.zeros(SHAPE, np.uint8)
    other[100:110, 100:110] = 77
    labels(driver).data = other
    write(driver, 20, 20)
    assert np.array_equal(final_labels(work_at(driver), 0), labels(driver).data)
    assert final_labels(work_at(driver), 0)[105, 105] == 77


def test_changes_of_replaced_labels_are_forgotten(start):
    driver = start()
    write(driver, 40, 60)
    labels(driver).paint((100, 100), 5)
    labels(driver).data = np.zeros((60, 80), np.uint8)
    write(driver, 20, 20)
    assert np.array_equal(final_labels(work_at(driver), 0), labels(driver).data)


def test_labels_that_are_inserted_again_begin_anew(start, viewer):
    driver = start()
    write(driver, 40, 60)
    layer = labels(driver)
    viewer.layers.remove(layer)
    layer.data = np.full(SHAPE, 7, np.uint8)
    viewer.layers.append(layer)
    layer.paint((100, 100), 5)
    assert np.array_equal(final_labels(work_at(driver), 0), layer.data)


def test_a_walk_through_a_stack_is_in_the_journal(start):
    driver = start(np.stack([picture(i) for i in range(5)]))
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    driver.wait_for_answer()
    kept = work_at(driver)
    assert len(np.unique(np.nonzero(labels(driver).data)[0])) == 2
    assert np.array_equal(final_labels(kept, 0), labels(driver).data)
    driver.type(Qt.Key.Key_U)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_U)
    driver.wait_for_answer()
    assert np.array_equal(final_labels(work_at(driver), 0), labels(driver).data)


@pytest.fixture
def slow_packing(monkeypatch):
    """Labels are packed once this is set, as if they were huge."""
    gate = threading.Event()

    def pack(array, most=None, real=event_log.pack_array):
        assert gate.wait(20)
        return real(array, most)

    monkeypatch.setattr(event_log, "pack_array", pack)
    yield gate
    gate.set()


def test_an_undone_object_that_was_packed_does_not_come_back(slow_packing, start_unsettled):
    driver = start_unsettled()
    write(driver, 40, 60)
    assert labels(driver).data.any()
    slow_packing.set()
    settle(driver)
    driver.type(Qt.Key.Key_U)
    assert not labels(driver).data.any()
    assert not final_labels(work_at(driver), 0).any()


def test_painting_does_not_wait_for_labels_to_be_packed(slow_packing, start_unsettled):
    driver = start_unsettled()
    seconds = []
    for row in range(20, 100, 20):
        begun = time.perf_counter()
        labels(driver).paint((row, 100), 5)
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.15
    slow_packing.set()
    assert np.array_equal(final_labels(work_at(driver), 0), labels(driver).data)


@pytest.fixture
def start_unsettled(viewer, open_dock, disks, data):
    """A dock on an image, whose files are not waited for."""

    def start():
        viewer.add_image(picture(), name="grey", contrast_limits=(0, 255))
        driver = open_dock(viewer)
        driver.wait_for_answer()
        return driver

    return start
