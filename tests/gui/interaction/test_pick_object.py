"""G takes an object out of any labels layer; W puts it back there, undo brings everything back."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

SHAPE = (120, 160)
SQUARE = (slice(30, 51), slice(50, 71))


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on a grey image, with the disk predictor."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def cells(dtype=np.int32):
    """Object 7, with a neighbour 9 that touches it on the right, and 300 far away."""
    labels = np.zeros(SHAPE, dtype)
    labels[SQUARE] = 7
    labels[30:51, 71:80] = 9
    labels[100:110, 100:110] = 300 % (np.iinfo(dtype).max + 1)
    return labels


def grab(driver, row, col):
    driver.hover(row, col)
    driver.type(Qt.Key.Key_G)


def said():
    return notification_manager.records[-1].message


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_an_object_of_another_layer_is_corrected_and_goes_back_there(driver, dtype):
    layer = driver.viewer.add_labels(cells(dtype), name="cellpose")
    driver.viewer.layers.selection.active = driver.dock.controller.workspace.clicks.points
    before = layer.data.copy()
    grab(driver, 40, 60)
    state = driver.session.state
    assert state.label == 7
    assert np.array_equal(driver.session.mask.full(), before == 7)
    driver.click(40, 60, positive=False)
    driver.click(50, 70)
    driver.wait_for_answer()
    wanted = driver.session.mask.full()
    assert not wanted[40, 60]
    assert wanted[52, 70]
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(layer.data == 7, wanted & (before != 9))
    assert np.array_equal(layer.data == 9, before == 9)
    assert layer.data[40, 60] == 0
    assert layer.data.dtype == dtype
    assert not driver.dock.controller.workspace.labels.data.any()
    for _ in range(4):
        driver.type(Qt.Key.Key_U)
    assert np.array_equal(layer.data, before)
    assert driver.session.state.is_empty
    assert not driver.session.can_undo


def test_the_grabbed_mask_is_what_the_network_gets_back(driver, disks):
    layer = driver.viewer.add_labels(cells(), name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    assert disks.asked == []
    driver.click(60, 60)
    driver.wait_for_answer()
    (_, previous), *_ = disks.asked
    assert np.array_equal(previous.full(), layer.data == 7)


def test_the_button_lets_the_next_click_grab_and_adds_no_point(driver):
    driver.viewer.add_labels(cells(), name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    driver.dock.object.grab_object.click()
    assert driver.dock.hint.text() == "Click the object that you want to correct."
    driver.click(40, 60)
    assert driver.session.state.label == 7
    assert len(driver.dock.controller.workspace.clicks.points.data) == 0
    assert not driver.dock.object.grab_object.isChecked()
    driver.click(60, 60)
    driver.wait_for_answer()
    assert len(driver.session.state.clicks) == 1


def test_the_chosen_layer_comes_before_others(driver):
    chosen = driver.dock.controller.workspace.labels
    chosen.data[SQUARE] = 5
    driver.viewer.add_labels(cells(), name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    assert driver.session.state.label == 5
    driver.type(Qt.Key.Key_W)
    grab(driver, 40, 75)
    assert driver.session.state.label == 9


def test_a_hidden_layer_is_left_alone(driver):
    driver.viewer.add_labels(cells(), name="cellpose", visible=False)
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    assert driver.session.state.is_empty
    assert driver.dock.hint.text().startswith("There is no object under the mouse")


def test_what_was_under_way_is_written_first(driver):
    driver.viewer.add_labels(cells(), name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    driver.click(90, 30)
    driver.wait_for_answer()
    grab(driver, 40, 60)
    assert driver.dock.controller.workspace.labels.data[90, 30] == 1
    assert driver.session.state.label == 7
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_U)
    assert not driver.dock.controller.workspace.labels.data.any()
    assert len(driver.session.state.clicks) == 1


def test_grabbing_the_current_object_again_loses_no_click(driver):
    driver.viewer.add_labels(cells(), name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    driver.click(60, 60)
    driver.wait_for_answer()
    grab(driver, 40, 60)
    assert len(driver.session.state.clicks) == 1


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        pytest.param(SHAPE, {"scale": (-1, 1), "translate": (119, 0)}, id="upside-down"),
        pytest.param((60, 80), {"translate": (20, 40)}, id="a-part"),
        pytest.param((160, 120), {"affine": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}, id="transposed"),
    ],
)
def test_any_transform_on_the_same_pixels(driver, shape, options):
    image = driver.viewer.layers["grey"]
    layer = driver.viewer.add_labels(np.zeros(shape, np.uint16), name="mine", **options)
    for row in range(30, 51):
        for col in range(50, 71):
            place = layer.world_to_data(image.data_to_world((row, col)))
            layer.data[tuple(np.rint(place).astype(int))] = 7
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    expected = np.zeros(SHAPE, bool)
    expected[SQUARE] = True
    assert np.array_equal(driver.session.mask.full(), expected)
    driver.click(40, 60, positive=False)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    place = layer.world_to_data(image.data_to_world((40, 60)))
    assert layer.data[tuple(np.rint(place).astype(int))] == 0
    assert 300 < (layer.data == 7).sum() < 441


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        pytest.param((240, 320), {"scale": (0.5, 0.5)}, id="finer"),
        pytest.param(SHAPE, {"translate": (0.5, 0)}, id="between-pixels"),
        pytest.param(SHAPE, {"rotate": 5}, id="rotated"),
    ],
)
def test_other_pixels_are_one_clear_sentence(driver, shape, options):
    driver.viewer.add_labels(np.full(shape, 7), name="mine", **options)
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    assert said().startswith("The pixels of the labels layer 'mine' are not those of the image")
    assert driver.session.state.is_empty


def test_a_layer_that_is_gone_is_said_and_nothing_lost(driver):
    layer = driver.viewer.add_labels(cells(), name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 40, 60)
    driver.viewer.layers.remove(layer)
    driver.type(Qt.Key.Key_W)
    assert said().startswith("The labels layer that this object came from is no longer there")
    assert driver.session.state.label == 7


def test_an_object_in_a_stack_is_taken_on_its_plane(viewer, open_dock, disks):
    viewer.add_image(np.zeros((4, *SHAPE), np.uint8), contrast_limits=(0, 255))
    driver = open_dock(viewer)
    labels = np.stack([cells()] * 4)
    layer = viewer.add_labels(labels, name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    viewer.dims.set_current_step(0, 2)
    grab(driver, 40, 60)
    driver.click(40, 60, positive=False)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert layer.data[2, 40, 60] == 0
    assert (layer.data[[0, 1, 3], 40, 60] == 7).all()


def test_a_grabbed_object_is_taken_without_reading_a_huge_plane(viewer, open_dock, disks):
    viewer.add_image(np.zeros((3000, 3000), np.uint8), contrast_limits=(0, 255))
    driver = open_dock(viewer)
    labels = np.zeros((3000, 3000), np.uint16)
    labels[200:1900, 1000:1040] = 4
    labels[2900:, :20] = 4
    viewer.add_labels(labels, name="mine")
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 1000, 1020)
    mask = driver.session.mask
    assert mask.values.sum() == 1700 * 40
    assert mask.window.shape == (1700, 40)
