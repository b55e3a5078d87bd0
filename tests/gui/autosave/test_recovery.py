"""Work that was left unfinished is offered and put back, and nothing is lost on the way."""

from __future__ import annotations

import datetime
import itertools
import os
import threading

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from autosave_user import (
    are_closed,
    cellpose,
    crash,
    grab,
    journals_of,
    labels,
    opened,
    picture,
    settle,
    slow_disk,
    told,
    work_at,
    write,
)
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave import event_log, journal_writer
from napari_cfr_icl.autosave.journal import claim, read_journal
from napari_cfr_icl.gui.autosave import recovery
from sample_event_log import final_labels


def test_after_a_crash_everything_is_offered_and_restored(start, open_dock, viewer, data):
    driver = start(scale=(0.5, 0.5))
    write(driver, 40, 60)
    write(driver, 60, 100)
    driver.click(90, 30)
    driver.click(94, 30, positive=False)
    driver.wait_for_answer()
    before, mask = labels(driver).data.copy(), driver.session.mask.full()
    crash(driver, data, viewer)

    viewer.add_image(picture(), name="again", contrast_limits=(0, 255), scale=(0.5, 0.5))
    driver = opened(open_dock, viewer)
    driver.wait(lambda: not driver.dock.offer.isHidden())
    text = driver.dock.offer.text.text()
    assert text.startswith("Unfinished work from ")
    assert text.endswith(": 2 objects and one under way.")
    driver.dock.offer.restore.click()
    driver.wait(lambda: len(driver.session.state.clicks) == 2)
    driver.wait_for_answer()
    assert np.array_equal(labels(driver).data, before)
    assert [c.positive for c in driver.session.state.clicks] == [True, False]
    assert driver.session.mask.full().sum() == mask.sum()
    assert driver.dock.offer.isHidden()
    # It is kept on, in one journal, and the ids go on.
    driver.type(Qt.Key.Key_W)
    work = work_at(driver)
    assert work.object_count == 3
    assert labels(driver).data[86, 30] == 3
    assert np.array_equal(final_labels(work, 0), labels(driver).data)
    driver.wait(lambda: len(list(data.glob("*.jsonl"))) == 1)


def test_an_offer_can_be_discarded(start, open_dock, viewer, data):
    driver = start()
    write(driver, 40, 60)
    crash(driver, data, viewer)
    viewer.add_image(picture(), contrast_limits=(0, 255))
    driver = opened(open_dock, viewer)
    driver.wait(lambda: not driver.dock.offer.isHidden())
    driver.dock.offer.discard.click()
    assert driver.dock.offer.isHidden()
    settle(driver)
    assert not list(data.glob("*.jsonl"))
    assert not labels(driver).data.any()


def test_another_image_gets_no_offer_but_one_with_a_file_is_opened(
    start, open_dock, viewer, data, tmp_path
):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, picture(1))
    viewer.open(str(path), plugin="napari")
    driver = opened(open_dock, viewer)
    write(driver, 40, 60)
    before = labels(driver).data.copy()
    crash(driver, data, viewer)
    driver = start()
    driver.wait(lambda: not driver.dock.offer.isHidden())
    assert "Unfinished work on cells from " in driver.dock.offer.text.text()
    assert driver.dock.offer.restore.text() == "Open and restore"
    driver.dock.offer.restore.click()
    driver.wait(lambda: labels(driver) is not None and np.array_equal(labels(driver).data, before))
    assert driver.dock.image.currentText() == "cells"
    settle(driver)
    assert driver.dock.offer.isHidden()


def test_without_its_file_an_image_is_not_offered(start, open_dock, viewer, data):
    driver = start(picture(1))
    write(driver, 40, 60)
    crash(driver, data, viewer)
    assert start().dock.offer.isHidden()


@pytest.mark.bindings
def test_closing_and_opening_the_dock_needs_no_restoring(start, open_dock, viewer, data):
    driver = start()
    write(driver, 40, 60)
    settle(driver)
    viewer.window.remove_dock_widget(driver.dock)
    again = opened(open_dock, viewer)
    assert again.dock.offer.isHidden()
    write(again, 80, 100)
    assert np.array_equal(final_labels(work_at(again), 0), labels(again).data)
    again.wait(lambda: len(list(data.glob("*.jsonl"))) == 1)


def test_an_object_of_other_labels_is_kept_with_them(start, open_dock, viewer, data):
    driver = start()
    write(driver, 20, 20)
    others = cellpose(driver).data.copy()
    grab(driver, 70, 70)
    assert driver.session.state.label == 12
    driver.click(90, 100)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    changed = viewer.layers["cellpose"].data.copy()
    ours = labels(driver).data.copy()
    assert (changed != others).any()
    work = work_at(driver)
    assert np.array_equal(final_labels(work, 0), ours)
    assert np.array_equal(final_labels(work, 1), changed)
    crash(driver, data, viewer)
    driver = start()
    driver.wait(lambda: not driver.dock.offer.isHidden())
    driver.dock.offer.restore.click()
    driver.wait(lambda: bool(driver.dock.work.said.text()))
    assert np.array_equal(labels(driver).data, ours)
    assert np.array_equal(viewer.layers["cellpose"].data, changed)


def offered(start):
    """A dock on the same image, with the offer on the screen."""
    driver = start()
    driver.wait(lambda: not driver.dock.offer.isHidden())
    return driver


def restored(driver):
    driver.dock.offer.restore.click()
    driver.wait(lambda: bool(driver.dock.work.said.text()))
    driver.wait_for_answer()


def choose_image(driver, layer):
    driver.dock.image.choose(layer)
    driver.dock.image.layer_chosen.emit(layer)


@pytest.fixture
def two_images(start, open_dock, viewer, data):
    """A dock on the image B; on A, which is open as well, work was left unfinished."""
    driver = start()
    write(driver, 40, 60)
    crash(driver, data, viewer)
    for seed, name in enumerate("AB"):
        viewer.add_image(picture(seed), name=name, contrast_limits=(0, 255))
    driver = opened(open_dock, viewer)
    assert driver.dock.controller.workspace.image.name == "B"
    assert driver.dock.offer.isHidden()
    return driver


@pytest.mark.bindings
def test_an_offer_that_comes_late_is_for_its_own_image(two_images, viewer):
    driver = two_images
    with slow_disk(driver):
        choose_image(driver, viewer.layers["A"])
        choose_image(driver, viewer.layers["B"])
    assert driver.dock.offer.isHidden()
    choose_image(driver, viewer.layers["A"])
    driver.wait(lambda: not driver.dock.offer.isHidden())


def test_work_is_not_put_onto_an_image_chosen_meanwhile(two_images, viewer, data):
    driver = two_images
    choose_image(driver, viewer.layers["A"])
    driver.wait(lambda: not driver.dock.offer.isHidden())
    notification_manager.records.clear()
    with slow_disk(driver):
        driver.dock.offer.restore.click()
        choose_image(driver, viewer.layers["B"])
    assert len(told()) == 1
    assert "belongs to A, which is not shown any more" in told()[0]
    assert not labels(driver).data.any()
    choose_image(driver, viewer.layers["A"])
    driver.wait(lambda: not driver.dock.offer.isHidden())
    restored(driver)
    assert labels(driver).data[40, 60] == 1


def test_work_that_cannot_be_kept_anew_stays_where_it_was(
    start, open_dock, viewer, data, monkeypatch
):
    driver = start()
    write(driver, 40, 60)
    crash(driver, data, viewer)
    (before,) = data.glob("*.jsonl")
    driver = offered(start)

    def full(*args):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(journal_writer.Journal, "append", full)
    notification_manager.records.clear()
    restored(driver)
    settle(driver)
    assert labels(driver).data[40, 60] == 1
    assert told() == ["The disk is full. A crash would lose what you do from now on."]
    assert list(data.glob("*.jsonl")) == [before]
    assert read_journal(before).object_count == 1


def test_the_journal_of_a_closed_dock_stays_until_there_is_another(
    start, open_dock, viewer, data, monkeypatch
):
    driver = start()
    write(driver, 40, 60)
    settle(driver)
    (before,) = data.glob("*.jsonl")
    viewer.window.remove_dock_widget(driver.dock)
    driver = opened(open_dock, viewer)

    def full(*args):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(journal_writer.Journal, "append", full)
    write(driver, 80, 100)
    settle(driver)
    assert read_journal(before).object_count == 1


def test_restoring_leaves_what_was_drawn_meanwhile(start, viewer, data, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    before = labels(driver).data.copy()
    crash(driver, data, viewer)
    driver = offered(start)
    looked, gate = threading.Event(), threading.Event()

    def slow(*args, real=recovery.unpack_labels):
        found = real(*args)
        looked.set()
        assert gate.wait(20)
        return found

    monkeypatch.setattr(recovery, "unpack_labels", slow)
    driver.dock.offer.restore.click()
    driver.wait(looked.is_set)
    write(driver, 80, 100)
    drawn = labels(driver).data.copy()
    gate.set()
    driver.wait(lambda: bool(driver.dock.work.said.text()))
    assert drawn[80, 100] == 1
    assert np.array_equal(labels(driver).data, before)
    # A crash loses neither from now on.
    crash(driver, data, viewer)
    driver = offered(start)
    restored(driver)
    kept = [layer.data for layer in viewer.layers if layer.name.startswith("objects")]
    for array in (before, drawn):
        assert any(np.array_equal(array, one) for one in kept)


def test_what_was_under_way_meanwhile_is_not_mixed_up_and_undo_brings_it_back(start, viewer, data):
    driver = start()
    driver.click(40, 60)
    driver.wait_for_answer()
    crash(driver, data, viewer)
    driver = offered(start)
    cellpose(driver)
    grab(driver, 70, 70)
    assert driver.session.state.label == 12
    restored(driver)
    assert driver.session.state.label is None
    assert [(round(c.row), round(c.col)) for c in driver.session.state.clicks] == [(40, 60)]
    driver.dock.controller.undo()
    driver.dock.controller.undo()
    assert driver.session.state.label == 12


@pytest.mark.parametrize("is_first", [True, False], ids=["it-alone", "after-another"])
def test_an_object_under_way_goes_back_to_its_own_labels(start, viewer, data, is_first):
    driver = start()
    if not is_first:
        write(driver, 20, 20)
    ours = labels(driver).data.copy()
    others = cellpose(driver, label=1).data.copy()
    grab(driver, 70, 70)
    driver.click(90, 100)
    driver.wait_for_answer()
    crash(driver, data, viewer)
    driver = offered(start)
    restored(driver)
    assert labels(driver).name == "objects"
    assert np.array_equal(viewer.layers["cellpose"].data, others)
    driver.type(Qt.Key.Key_W)
    driver.wait_for_answer()
    assert np.array_equal(labels(driver).data, ours)
    assert (viewer.layers["cellpose"].data == 1).sum() > (others == 1).sum()


def test_labels_without_objects_need_no_layer_of_their_own(start, viewer, data):
    driver = start()
    write(driver, 40, 60)
    driver.type(Qt.Key.Key_U)
    crash(driver, data, viewer)
    driver = offered(start)
    restored(driver)
    assert len(driver.session.state.clicks) == 1
    assert [layer.name for layer in viewer.layers if layer.name.startswith("objects")] == [
        "objects"
    ]


def test_an_object_that_is_deleted_after_a_restore_stays_deleted(start, viewer, data):
    driver = start()
    write(driver, 40, 60)
    labels(driver).fill((40, 60), 9)
    crash(driver, data, viewer)
    driver = offered(start)
    restored(driver)
    labels(driver).fill((40, 60), 0)
    assert not labels(driver).data.any()
    assert not final_labels(work_at(driver), 0).any()


def test_labels_that_were_replaced_are_offered(start, viewer, data):
    driver = start()
    write(driver, 40, 60)
    labels(driver).data = wider = labels(driver).data.astype(np.uint32)
    crash(driver, data, viewer)
    driver = offered(start)
    restored(driver)
    assert labels(driver).dtype == np.uint32
    assert np.array_equal(labels(driver).data, wider)


def test_two_windows_do_not_restore_one_journal(start, viewer, data):
    driver = start()
    write(driver, 40, 60)
    crash(driver, data, viewer)
    driver = offered(start)
    (path,) = data.glob("*.jsonl")
    elsewhere = claim(path)
    notification_manager.records.clear()
    driver.dock.offer.restore.click()
    settle(driver)
    assert told() == ["This work was restored or discarded in another window."]
    assert not labels(driver).data.any()
    elsewhere.discard()


def test_labels_are_unpacked_once_to_be_restored(start, viewer, data, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    log = work_at(driver)
    unpacked = []

    def unpack(packed, real=event_log.unpack_array):
        unpacked.append(packed)
        return real(packed)

    monkeypatch.setattr(event_log, "unpack_array", unpack)
    found = recovery.unpack_labels(log, None)
    assert len(unpacked) == 1
    assert not found.starts[0].any()
    assert np.array_equal(found.arrays[0], labels(driver).data)


def handle_events():
    """A callback that handles Qt's events, and gives up where layers come back for ever."""
    calls = itertools.count()

    def handle():
        assert next(calls) < 20, "layers come back while the viewer is closed"
        QApplication.processEvents()

    return handle


@pytest.mark.own_viewer
@pytest.mark.parametrize("how", ["script", "exit", "events between", "events last"])
def test_an_object_under_way_when_the_viewer_is_closed_is_offered(start, viewer, data, how):
    driver = start()
    write(driver, 40, 60)
    driver.click(80, 100)
    driver.wait_for_answer()
    settle(driver)
    (path,) = journals_of(driver)
    if how.startswith("events"):
        # As napari does whenever a bar of its activities comes or goes.
        position = "last" if how == "events last" else "first"
        viewer.layers.events.removed.connect(handle_events(), position=position)
    if how != "exit":
        viewer.close()
    else:
        viewer.window._qt_window.close()
        viewer.close()
    driver.wait(lambda: are_closed(data))
    log = read_journal(path)
    assert log.object_count == 1
    assert [(round(c.row), round(c.col)) for c in log.current.clicks] == [(80, 100)]


@pytest.fixture
def two_channels(viewer, open_dock, disks, data):
    """Opens a picture of two channels, with the dock on one of them."""

    def start(channel):
        pixels = np.stack([picture(0), picture(1)])
        layers = viewer.add_image(pixels, channel_axis=0, name=["actin", "dna"])
        driver = opened(open_dock, viewer)
        choose_image(driver, layers[channel])
        settle(driver)
        return driver

    return start


@pytest.mark.parametrize(("begun", "shown"), [(0, 1), (1, 0), (0, 0)])
def test_work_on_one_channel_is_offered_on_every_other(two_channels, viewer, data, begun, shown):
    driver = two_channels(begun)
    write(driver, 40, 60)
    driver.click(80, 100)
    driver.wait_for_answer()
    before = labels(driver).data.copy()
    crash(driver, data, viewer)
    driver = two_channels(shown)
    driver.wait(lambda: not driver.dock.offer.isHidden())
    driver.dock.offer.restore.click()
    driver.wait(lambda: len(driver.session.state.clicks) == 1)
    driver.wait_for_answer()
    assert driver.dock.image.currentText() == ["actin", "dna"][begun]
    assert np.array_equal(labels(driver).data, before)


def test_an_offer_tells_the_time_of_the_last_change(start, viewer, data):
    driver = start()
    write(driver, 40, 60)
    crash(driver, data, viewer)
    (path,) = data.glob("*.jsonl")
    monday = datetime.datetime.now() - datetime.timedelta(days=3)
    os.utime(path, (monday.timestamp(),) * 2)
    driver = offered(start)
    assert f"Unfinished work from {monday:%d %b, %H:%M}: " in driver.dock.offer.text.text()
