"""Napari's brush on the mask of the object under way: the painted mask is the object."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import crash, grab, labels, opened, picture, settle, write
from napari_cfr_icl.gui.layers.napari_private import look_at
from napari_cfr_icl.gui.views import messages

SHAPE = (120, 160)


@pytest.fixture
def driver(start):
    return start()


def choose_brush(driver, mode="paint", size=11):
    layer = driver.dock.controller.workspace.preview.layer
    driver.viewer.layers.selection.active = layer
    layer.mode, layer.brush_size = mode, size
    return layer


def stroke(driver, row, cols):
    """Dabs of the brush: napari delays the moves of a drag, and may leave some out."""
    for col in cols:
        driver.click(row, col)


def test_paint_joins_the_mask_and_clicks_go_on_from_it(driver, disks):
    driver.click(40, 60)
    driver.wait_for_answer()
    before = driver.session.mask.full()
    choose_brush(driver)
    assert driver.dock.hint.text() == messages.PAINT.replace("{write}", "W")
    stroke(driver, 80, (60, 85, 110))
    painted = driver.session.mask.full()
    assert painted[80, [60, 85, 110]].all()
    assert (painted & before).sum() == before.sum()
    driver.dock.resume.click()
    driver.click(20, 20)
    driver.wait_for_answer()
    clicks, previous = disks.asked[-1]
    assert np.array_equal(previous.read(driver.session.mask.window) > 0.5, painted)
    assert len(clicks) == 1
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert (ids[80, [60, 85, 110]] == 1).all()
    assert ids[40, 60] == ids[20, 20] == 1
    for _ in range(5):
        driver.type(Qt.Key.Key_U)
    assert not ids.any()
    assert np.array_equal(driver.session.mask.full(), before)
    assert len(driver.session.state.clicks) == 1


def test_naparis_own_undo_on_the_mask_is_ours(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    before = driver.session.mask.full()
    layer = choose_brush(driver)
    driver.click(90, 90)
    assert driver.session.mask.full()[90, 90]
    driver.type(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(driver.session.mask.full(), before)
    assert layer.data.sum() == before.sum()
    control_shift = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    driver.type(Qt.Key.Key_Z, control_shift)
    assert driver.session.mask.full()[90, 90]
    assert layer.data[90, 90] == 1


def test_an_object_can_begin_with_the_brush_on_any_plane(viewer, open_dock, disks, data):
    viewer.add_image(np.zeros((5, *SHAPE), np.uint8), contrast_limits=(0, 255))
    driver = opened(open_dock, viewer)
    choose_brush(driver)
    viewer.dims.set_current_step(0, 3)
    stroke(driver, 50, (50, 70, 90))
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert (ids[3, 50, [50, 70, 90]] == 1).all()
    assert not ids[[0, 1, 2, 4]].any()
    for _ in range(4):
        driver.type(Qt.Key.Key_U)
    assert not ids.any()
    assert driver.session.state.is_empty


def test_the_brush_reaches_what_is_on_the_screen_of_a_large_image(viewer, open_dock, disks, data):
    viewer.add_image(np.zeros((9000, 9000), np.uint8), contrast_limits=(0, 255))
    driver = opened(open_dock, viewer)
    look_at(viewer, (8500, 8600), side=300)
    driver.settle()
    choose_brush(driver)
    stroke(driver, 8500, (8600, 8640))
    driver.type(Qt.Key.Key_W)
    assert labels(driver).data[8500, 8640] == 1


def test_what_is_erased_from_a_grabbed_object_is_gone_from_the_labels_too(driver):
    write(driver, 40, 60)
    area = (labels(driver).data == 1).sum()
    grab(driver, 40, 60)
    choose_brush(driver, "erase", size=3)
    driver.click(40, 60)
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert ids[40, 60] == 0
    assert 0 < (ids == 1).sum() < area
    driver.type(Qt.Key.Key_U)
    assert (ids == 1).sum() == area


def test_a_painted_mask_survives_a_crash(driver, viewer, open_dock, data):
    write(driver, 40, 60)
    area = (labels(driver).data == 1).sum()
    grab(driver, 40, 60)
    choose_brush(driver, "erase", size=3)
    driver.click(40, 60)
    wanted = driver.session.mask.full()
    crash(driver, data, viewer)
    viewer.add_image(picture(), name="grey", contrast_limits=(0, 255))
    again = opened(open_dock, viewer)
    again.dock.offer.restore.click()
    settle(again)
    again.wait_for_answer()
    assert np.array_equal(again.session.mask.full(), wanted)
    again.type(Qt.Key.Key_W)
    assert (labels(again).data == 1).sum() < area
    assert labels(again).data[40, 60] == 0


def test_what_a_script_paints_is_written_too(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    layer = driver.dock.controller.workspace.preview.layer
    layer.paint((90, 90), 1)
    layer.data_setitem((np.array([100, 100]), np.array([20, 21])), 1)
    layer.fill((40, 60), 0)
    shown = layer.data.copy()
    assert np.array_equal(driver.session.mask.full(), shown)
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data, shown)
    assert [shown[90, 90], shown[100, 21], shown[40, 60]] == [1, 1, 0]
