"""Labels of another program that are opened after the dock: what is corrected can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import SHAPE

BLUE, YELLOW = (0.0, 183 / 255, 1.0), (1.0, 1.0, 0.0)


@pytest.fixture
def yellow(start):
    """A dock, and labels that came later: object 25, yellow, and 26 beside it."""
    driver = start(np.zeros(SHAPE, np.uint8))
    ids = np.zeros(SHAPE, np.int32)
    ids[30:60, 40:70], ids[30:60, 70:100] = 25, 26
    layer = driver.viewer.add_labels(ids, name="cells", opacity=1)
    colours = {None: "transparent", 25: YELLOW, 26: YELLOW}
    layer.colormap = colours
    driver.settle()
    return driver, layer


def colour_at(driver, row, col):
    """Red, green and blue on the screen, from 0 to 1."""
    driver.settle()
    seen = driver.viewer.screenshot(canvas_only=True, flash=False)
    ratio = seen.shape[0] / driver.viewer.canvas.size[0] if hasattr(driver.viewer, "canvas") else 1
    place = driver.place(row, col)
    return seen[round(place.y() * ratio), round(place.x() * ratio), :3] / 255


def grab(driver):
    driver.dock.controller.workspace.select_clicks()
    driver.hover(40, 50)
    driver.type(Qt.Key.Key_G)


def test_clicks_and_mask_lie_on_top_of_what_is_opened_later(yellow):
    driver, _ = yellow
    driver.dock.controller.workspace.select_clicks()
    driver.click(20, 20)
    driver.wait_for_answer()
    names = [layer.name for layer in driver.viewer.layers]
    assert names[-3:] == ["cells", "current object", "clicks"]
    driver.viewer.add_image(np.zeros(SHAPE, np.uint8), name="later", opacity=0.5)
    driver.viewer.layers.move(driver.viewer.layers.index("current object"), 0)
    driver.settle()
    names = [layer.name for layer in driver.viewer.layers]
    assert names[-3:] == ["later", "current object", "clicks"]


def test_old_pixels_of_a_grabbed_object_fade_and_come_back(yellow):
    driver, layer = yellow
    colormap = layer.colormap
    neighbour = colour_at(driver, 45, 90)
    assert np.allclose(neighbour, YELLOW, atol=0.02)
    grab(driver)
    # The mask gets smaller: outside of it, the pixels that are in the labels are left.
    driver.click(35, 45)
    driver.click(52, 62, positive=False)
    driver.wait_for_answer()
    mask = driver.session.mask.full()
    old = np.argwhere((layer.data == 25) & ~mask)
    left = [place for place in old if np.abs(place - (52, 62)).max() > 2]
    assert left, "the mask covers all old pixels"
    assert colour_at(driver, *left[0])[0] < 0.5
    assert np.allclose(colour_at(driver, 45, 90), YELLOW, atol=0.02)
    driver.type(Qt.Key.Key_Q)
    driver.settle()
    assert layer.colormap is colormap
    assert np.allclose(colour_at(driver, *left[0]), YELLOW, atol=0.02)


@pytest.mark.parametrize("how", ["write", "delete", "plane", "removed"])
def test_colours_are_given_back_however_it_ends(start, how):
    driver = start(np.zeros((3, *SHAPE), np.uint8))
    ids = np.zeros((3, *SHAPE), np.uint16)
    ids[:, 30:60, 40:70] = 25
    driver.viewer.dims.set_point(0, 1)
    layer = driver.viewer.add_labels(ids, name="cells")
    colormap = layer.colormap
    grab(driver)
    assert layer.colormap is not colormap
    if how == "write":
        driver.type(Qt.Key.Key_W)
    elif how == "delete":
        driver.dock.object.delete.click()
    elif how == "plane":
        driver.viewer.dims.set_point(0, 2)
    else:
        driver.viewer.layers.remove(layer)
    driver.settle()
    assert layer.colormap is colormap


def test_the_dock_names_the_object_that_is_corrected(yellow):
    driver, _ = yellow
    grab(driver)
    assert driver.dock.hint.text().startswith("Object 25 of cells: ")
    driver.click(40, 50)
    driver.wait_for_answer()
    assert driver.dock.hint.text().startswith("Object 25 of cells: ")


@pytest.mark.parametrize(
    ("kind", "label"),
    [("uint32", 2**17), ("int64", 2**31), ("uint64", 2**63), ("int32", -(2**16))],
    ids=str,
)
def test_objects_of_enormous_ids_are_corrected(start, kind, label):
    driver = start(np.zeros(SHAPE, np.uint8))
    ids = np.zeros(SHAPE, kind)
    ids[30:60, 40:70], ids[80:90, 40:70] = 9, label
    layer = driver.viewer.add_labels(ids, name="cells")
    grab(driver)
    assert driver.session.state.label == 9
    driver.click(64, 50)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert layer.data[64, 50] == layer.data[40, 50] == 9
    assert (layer.data[80:90, 40:70] == label).all()
    driver.hover(85, 50)
    driver.type(Qt.Key.Key_G)
    assert driver.session.state.label == label
