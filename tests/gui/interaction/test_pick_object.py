"""G takes an object out of any labels layer; W puts it back there, undo brings everything back."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

SHAPE = (120, 160)
SQUARE = (slice(30, 51), slice(50, 71))


@pytest.fixture
def hand(viewer, open_dock, disks):
    """A dock on a grey image, with the disk predictor."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    hand = open_dock(viewer)
    hand.wait_for_answer()
    return hand


def cells(dtype=np.int32):
    """Object 7, with a neighbour 9 that touches it on the right, and 300 far away."""
    labels = np.zeros(SHAPE, dtype)
    labels[SQUARE] = 7
    labels[30:51, 71:80] = 9
    labels[100:110, 100:110] = 300 % (np.iinfo(dtype).max + 1)
    return labels


def grab(hand, row, col):
    hand.hover(row, col)
    hand.type(Qt.Key.Key_G)


def said():
    return notification_manager.records[-1].message


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_an_object_of_another_layer_is_corrected_and_goes_back_there(hand, dtype):
    layer = hand.viewer.add_labels(cells(dtype), name="cellpose")
    hand.viewer.layers.selection.active = hand.dock.controller.workspace.clicks.points
    before = layer.data.copy()
    grab(hand, 40, 60)
    state = hand.session.state
    assert state.label == 7
    assert np.array_equal(hand.session.mask.full(), before == 7)
    hand.click(40, 60, positive=False)
    hand.click(50, 70)
    hand.wait_for_answer()
    wanted = hand.session.mask.full()
    assert not wanted[40, 60]
    assert wanted[52, 70]
    hand.type(Qt.Key.Key_W)
    assert np.array_equal(layer.data == 7, wanted & (before != 9))
    assert np.array_equal(layer.data == 9, before == 9)
    assert layer.data[40, 60] == 0
    assert layer.data.dtype == dtype
    assert not hand.dock.controller.workspace.labels.data.any()
    for _ in range(4):
        hand.type(Qt.Key.Key_U)
    assert np.array_equal(layer.data, before)
    assert hand.session.state.is_empty
    assert not hand.session.can_undo


def test_the_grabbed_mask_is_what_the_network_gets_back(hand, disks):
    layer = hand.viewer.add_labels(cells(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    assert disks.asked == []
    hand.click(60, 60)
    hand.wait_for_answer()
    (_, previous), *_ = disks.asked
    assert np.array_equal(previous.full(), layer.data == 7)


def test_the_button_lets_the_next_click_grab_and_adds_no_point(hand):
    hand.viewer.add_labels(cells(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    hand.dock.object.grab_object.click()
    assert hand.dock.hint.text() == "Click the object that you want to correct."
    hand.click(40, 60)
    assert hand.session.state.label == 7
    assert len(hand.dock.controller.workspace.clicks.points.data) == 0
    assert not hand.dock.object.grab_object.isChecked()
    hand.click(60, 60)
    hand.wait_for_answer()
    assert len(hand.session.state.clicks) == 1


def test_the_chosen_layer_comes_before_others(hand):
    chosen = hand.dock.controller.workspace.labels
    chosen.data[SQUARE] = 5
    hand.viewer.add_labels(cells(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    assert hand.session.state.label == 5
    hand.type(Qt.Key.Key_W)
    grab(hand, 40, 75)
    assert hand.session.state.label == 9


def test_a_hidden_layer_is_left_alone(hand):
    hand.viewer.add_labels(cells(), name="cellpose", visible=False)
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    assert hand.session.state.is_empty
    assert hand.dock.hint.text().startswith("There is no object under the mouse")


def test_what_was_under_way_is_written_first(hand):
    hand.viewer.add_labels(cells(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    hand.click(90, 30)
    hand.wait_for_answer()
    grab(hand, 40, 60)
    assert hand.dock.controller.workspace.labels.data[90, 30] == 1
    assert hand.session.state.label == 7
    hand.type(Qt.Key.Key_U)
    hand.type(Qt.Key.Key_U)
    assert not hand.dock.controller.workspace.labels.data.any()
    assert len(hand.session.state.clicks) == 1


def test_grabbing_the_current_object_again_loses_no_click(hand):
    hand.viewer.add_labels(cells(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    hand.click(60, 60)
    hand.wait_for_answer()
    grab(hand, 40, 60)
    assert len(hand.session.state.clicks) == 1


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        pytest.param(SHAPE, {"scale": (-1, 1), "translate": (119, 0)}, id="upside-down"),
        pytest.param((60, 80), {"translate": (20, 40)}, id="a-part"),
        pytest.param((160, 120), {"affine": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}, id="transposed"),
    ],
)
def test_any_transform_on_the_same_pixels(hand, shape, options):
    image = hand.viewer.layers["grey"]
    layer = hand.viewer.add_labels(np.zeros(shape, np.uint16), name="mine", **options)
    for row in range(30, 51):
        for col in range(50, 71):
            place = layer.world_to_data(image.data_to_world((row, col)))
            layer.data[tuple(np.rint(place).astype(int))] = 7
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    expected = np.zeros(SHAPE, bool)
    expected[SQUARE] = True
    assert np.array_equal(hand.session.mask.full(), expected)
    hand.click(40, 60, positive=False)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
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
def test_other_pixels_are_one_clear_sentence(hand, shape, options):
    hand.viewer.add_labels(np.full(shape, 7), name="mine", **options)
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    assert said().startswith("The pixels of the labels layer 'mine' are not those of the image")
    assert hand.session.state.is_empty


def test_a_layer_that_is_gone_is_said_and_nothing_lost(hand):
    layer = hand.viewer.add_labels(cells(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 40, 60)
    hand.viewer.layers.remove(layer)
    hand.type(Qt.Key.Key_W)
    assert said().startswith("The labels layer that this object came from is no longer there")
    assert hand.session.state.label == 7


def test_an_object_in_a_stack_is_taken_on_its_plane(viewer, open_dock, disks):
    viewer.add_image(np.zeros((4, *SHAPE), np.uint8), contrast_limits=(0, 255))
    hand = open_dock(viewer)
    labels = np.stack([cells()] * 4)
    layer = viewer.add_labels(labels, name="cellpose")
    hand.dock.controller.workspace.select_clicks()
    viewer.dims.set_current_step(0, 2)
    grab(hand, 40, 60)
    hand.click(40, 60, positive=False)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert layer.data[2, 40, 60] == 0
    assert (layer.data[[0, 1, 3], 40, 60] == 7).all()


def test_a_grabbed_object_is_taken_without_reading_a_huge_plane(viewer, open_dock, disks):
    viewer.add_image(np.zeros((3000, 3000), np.uint8), contrast_limits=(0, 255))
    hand = open_dock(viewer)
    labels = np.zeros((3000, 3000), np.uint16)
    labels[200:1900, 1000:1040] = 4
    labels[2900:, :20] = 4
    viewer.add_labels(labels, name="mine")
    hand.dock.controller.workspace.select_clicks()
    grab(hand, 1000, 1020)
    mask = hand.session.mask
    assert mask.values.sum() == 1700 * 40
    assert mask.window.shape == (1700, 40)
