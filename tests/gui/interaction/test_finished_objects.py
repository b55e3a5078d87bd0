"""Finished objects joined, split and deleted, one key each; neighbours, undo and journal."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import SHAPE, crash, labels, opened, picture, settle

SHIFT = Qt.KeyboardModifier.ShiftModifier


def four_quarters():
    """One nucleus in the fragments 5, 2, 9 and 7, which touch the neighbour 4."""
    ids = np.zeros(SHAPE, np.uint16)
    ids[30:40, 50:60], ids[30:40, 60:70], ids[40:50, 50:60], ids[40:50, 60:70] = 5, 2, 9, 7
    ids[30:50, 70:80] = 4
    return ids


def dumbbell():
    """Two discs that touch, as object 6, beside object 8."""
    rows, cols = np.indices(SHAPE)
    ids = np.zeros(SHAPE, np.uint16)
    for middle in 40, 64:
        ids[(rows - 50) ** 2 + (cols - middle) ** 2 <= 13**2] = 6
    ids[64:70, 30:80] = 8
    return ids


@pytest.fixture
def layer_of(start):
    """A dock, and a labels layer of another program with these ids."""

    def make(ids):
        driver = start()
        layer = driver.viewer.add_labels(ids.copy(), name="cells")
        driver.dock.controller.workspace.select_clicks()
        return driver, layer

    return make


def at(driver, row, col, key, modifier=Qt.KeyboardModifier.NoModifier):
    driver.hover(row, col)
    driver.type(key, modifier)


def test_four_fragments_become_the_first_picked_and_neighbours_stay(layer_of):
    before = four_quarters()
    driver, layer = layer_of(before)
    at(driver, 35, 55, Qt.Key.Key_G)
    for place in (35, 65), (45, 55), (45, 65):
        at(driver, *place, Qt.Key.Key_G, SHIFT)
    whole = np.isin(before, (5, 2, 9, 7))
    assert np.array_equal(driver.session.mask.full(), whole)
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(layer.data, np.where(whole, 5, before))
    for _ in range(5):
        driver.type(Qt.Key.Key_U)
    assert np.array_equal(layer.data, before)
    assert driver.session.state.is_empty
    for _ in range(5):
        driver.type(Qt.Key.Key_U, SHIFT)
    assert np.array_equal(layer.data, np.where(whole, 5, before))


def test_a_joined_object_is_corrected_by_clicks_as_any_other(layer_of):
    before = four_quarters()
    driver, layer = layer_of(before)
    at(driver, 35, 55, Qt.Key.Key_G)
    at(driver, 35, 65, Qt.Key.Key_G, SHIFT)
    driver.click(35, 65, positive=False)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert layer.data[35, 65] == 0
    assert layer.data[35, 55] == 5
    assert not (layer.data == 2).any()
    assert np.array_equal(layer.data == 4, before == 4)


def test_a_new_object_joins_one_that_is_there(layer_of):
    before = four_quarters()
    driver, layer = layer_of(before)
    driver.click(90, 60)
    driver.wait_for_answer()
    at(driver, 35, 55, Qt.Key.Key_G, SHIFT)
    driver.type(Qt.Key.Key_W)
    assert layer.data[90, 60] == layer.data[35, 55] == 5
    assert not driver.dock.controller.workspace.labels.data.any() or (
        driver.dock.controller.workspace.labels is layer
    )


def test_two_clicks_split_touching_nuclei_where_they_are_narrow(layer_of):
    before = dumbbell()
    driver, layer = layer_of(before)
    at(driver, 50, 40, Qt.Key.Key_G)
    for col in 40, 64:
        driver.click(50, col)
        driver.wait_for_answer()
    driver.type(Qt.Key.Key_W, SHIFT)
    assert "Split into 2 objects" in driver.dock.hint.text()
    left, right = layer.data == 6, layer.data == 9
    assert np.array_equal(left | right, before == 6)
    assert left[:, :54].sum() == left.sum()
    assert right[:, 51:].sum() == right.sum()
    assert np.array_equal(layer.data == 8, before == 8)
    driver.type(Qt.Key.Key_U)
    assert np.array_equal(layer.data, before)


def test_the_mask_is_one_part_and_the_rest_the_other(layer_of):
    before = dumbbell()
    driver, layer = layer_of(before)
    at(driver, 50, 40, Qt.Key.Key_G)
    driver.click(50, 64, positive=False)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W, SHIFT)
    assert np.array_equal(layer.data > 0, before > 0)
    left, right = layer.data == 6, layer.data == 9
    assert left[50, 40]
    assert right[50, 64]
    # Neither wraps around the other: the click took a disk of 9 pixels from a half of 13.
    assert left[:, 56:].sum() == right[:, :50].sum() == 0


def test_a_corrected_edge_is_no_part_to_split_off(layer_of, said):
    before = dumbbell()
    driver, layer = layer_of(before)
    at(driver, 50, 40, Qt.Key.Key_G)
    driver.click(50, 80, positive=False)
    driver.wait_for_answer()
    assert 0 < ((before == 6) & ~driver.session.mask.full()).sum() < 20
    driver.type(Qt.Key.Key_W, SHIFT)
    assert np.array_equal(layer.data, before)
    assert said()[-1].startswith("There is nothing to split")


def test_one_key_deletes_the_grabbed_object_or_the_one_under_the_mouse(layer_of):
    before = four_quarters()
    driver, layer = layer_of(before)
    assert not driver.dock.object.delete.isEnabled()
    at(driver, 35, 55, Qt.Key.Key_G)
    driver.dock.object.delete.click()
    assert not driver.dock.object.split.isEnabled()
    assert np.array_equal(layer.data, np.where(before == 5, 0, before))
    assert driver.session.state.is_empty
    at(driver, 40, 75, Qt.Key.Key_Q, SHIFT)
    assert np.array_equal(layer.data, np.where(np.isin(before, (4, 5)), 0, before))
    for _ in range(4):
        driver.type(Qt.Key.Key_U)
    assert np.array_equal(layer.data, before)


@pytest.mark.parametrize("key", [Qt.Key.Key_W, Qt.Key.Key_Q])
def test_a_new_object_is_neither_split_nor_deleted_and_the_dock_says_so(layer_of, said, key):
    driver, _ = layer_of(four_quarters())
    driver.click(90, 60)
    driver.wait_for_answer()
    driver.type(key, SHIFT)
    assert said()[-1].startswith("There is no finished object to")
    assert len(driver.session.state.clicks) == 1


def test_objects_of_other_labels_are_not_joined(layer_of):
    driver, layer = layer_of(four_quarters())
    other = np.zeros(SHAPE, np.uint16)
    other[80:90, 80:90] = 3
    driver.viewer.add_labels(other, name="more")
    driver.dock.controller.workspace.select_clicks()
    at(driver, 35, 55, Qt.Key.Key_G)
    at(driver, 85, 85, Qt.Key.Key_G, SHIFT)
    assert driver.dock.hint.text().startswith("That object is in other labels")
    assert np.array_equal(layer.data, four_quarters())


def test_all_three_survive_a_crash(layer_of, viewer, open_dock, data):
    before = four_quarters()
    driver, layer = layer_of(before)
    at(driver, 40, 75, Qt.Key.Key_Q, SHIFT)
    at(driver, 35, 55, Qt.Key.Key_G)
    at(driver, 35, 65, Qt.Key.Key_G, SHIFT)
    wanted, mask = layer.data.copy(), driver.session.mask.full()
    crash(driver, data, viewer)
    viewer.add_image(picture(), name="grey", contrast_limits=(0, 255))
    again = opened(open_dock, viewer)
    again.dock.offer.restore.click()
    settle(again)
    assert np.array_equal(labels(again).data, wanted)
    assert np.array_equal(again.session.mask.full(), mask)
    assert again.session.state.label == 5
