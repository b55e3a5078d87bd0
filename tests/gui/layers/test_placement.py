"""A transform that is set after the dock has opened: clicks, mask and labels stay on the image."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

SHAPE = (90, 120)


@pytest.fixture
def driver(viewer, open_dock, disks):
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def labels(driver):
    return driver.dock.controller.workspace.labels


def see_all(driver):
    driver.viewer.reset_view()
    driver.settle()


def assert_all_on_the_image(driver):
    """Clicks, mask and labels show the same places as the image does."""
    image, workspace = driver.viewer.layers["grey"], driver.dock.controller.workspace
    for place in np.zeros(image.ndim), np.arange(image.ndim) + 7.0:
        world = image.data_to_world(place)
        for layer in labels(driver), workspace.clicks.points:
            assert np.allclose(layer.data_to_world(place), world)
    assert workspace.clicks.points.units == labels(driver).units == image.units


def written_where_clicked(driver, *places):
    """True where objects 1, 2, ... are disks around these places, none of them cut off."""
    ids = labels(driver).data
    return [ids[place] for place in places] == [*range(1, len(places) + 1)] and all(
        (ids == number).sum() > 60 for number in range(1, len(places) + 1)
    )


TURNED = [[0.8, -0.6, 5], [0.6, 0.8, -9], [0, 0, 1]]


@pytest.mark.parametrize(
    "change",
    [
        {"scale": (2, 0.5)},
        {"translate": (30, -40.5)},
        {"rotate": 30},
        {"shear": [0.3]},
        {"affine": TURNED},
        {"units": ("um", "um")},
        {"scale": (0.2, 0.2), "units": ("um", "um"), "translate": (3, 4)},
        {"scale": (-1, 1)},
    ],
    ids=lambda change: "+".join(change),
)
def test_between_and_within_objects(driver, change):
    image = driver.viewer.layers["grey"]
    driver.click(20, 30)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    driver.click(60, 80)
    driver.wait_for_answer()
    before = driver.session.state.clicks
    for name, value in change.items():
        setattr(image, name, value)
    see_all(driver)
    assert_all_on_the_image(driver)
    assert driver.session.state.clicks == before
    shown = driver.dock.controller.workspace.preview.layer
    assert shown.get_value(image.data_to_world((60, 80)), world=True) == 1
    assert not shown.get_value(image.data_to_world((70, 80)), world=True)
    driver.click(68, 80)
    driver.wait_for_answer()
    first, second = driver.session.state.clicks
    assert (round(first.row), round(first.col)) == (60, 80)
    assert (round(second.row), round(second.col)) == (68, 80)
    driver.type(Qt.Key.Key_W)
    driver.click(20, 95)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert written_where_clicked(driver, (20, 30), (60, 80), (20, 95))
    for _ in range(7):
        driver.type(Qt.Key.Key_U)
    assert not labels(driver).data.any()


def test_a_click_right_after_the_change_lies_where_the_mouse_was(driver):
    driver.viewer.layers["grey"].scale = (3, 3)
    driver.click(20, 20)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert written_where_clicked(driver, (20, 20))


@pytest.mark.parametrize("backwards", [False, True])
def test_a_script_that_moves_every_layer_moves_none_twice(driver, backwards):
    driver.click(20, 30)
    driver.wait_for_answer()
    layers = list(driver.viewer.layers)
    for layer in reversed(layers) if backwards else layers:
        layer.scale = 2 * np.array(layer.scale)
    see_all(driver)
    assert_all_on_the_image(driver)
    assert np.array_equal(labels(driver).scale, (2, 2))
    driver.type(Qt.Key.Key_W)
    assert written_where_clicked(driver, (20, 30))


def test_a_clicks_layer_that_is_pushed_aside_comes_back(driver):
    driver.click(20, 30)
    driver.wait_for_answer()
    driver.dock.controller.workspace.clicks.points.translate = (10, 10)
    see_all(driver)
    assert_all_on_the_image(driver)


def test_labels_of_another_program_that_lie_on_the_image_follow_and_are_named(driver):
    mine = driver.viewer.add_labels(np.zeros((45, 60), np.uint8), name="mine", translate=(20, 30))
    driver.dock.labels.setCurrentText("mine")
    driver.dock.labels.activated.emit(driver.dock.labels.currentIndex())
    driver.viewer.layers["grey"].scale = (4, 2)
    see_all(driver)
    assert driver.dock.hint.text() == (
        "The image was moved: the clicks, objects and mine follow it."
    )
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert mine.data[20, 30] == 1
    assert (mine.data == 1).sum() > 60


def test_labels_that_lay_elsewhere_stay_and_the_dock_says_what_that_means(driver):
    finer = driver.viewer.add_labels(np.zeros((180, 240), np.uint8), name="finer", scale=(0.5, 0.5))
    driver.dock.labels.setCurrentText("finer")
    driver.dock.labels.activated.emit(driver.dock.labels.currentIndex())
    driver.viewer.layers["grey"].scale = (4, 4)
    see_all(driver)
    assert np.array_equal(finer.scale, (0.5, 0.5))
    assert driver.dock.hint.text().startswith("These labels have other pixels than the image")


def test_an_object_of_a_stack_keeps_its_plane(viewer, open_dock, disks):
    viewer.add_image(np.zeros((12, *SHAPE), np.uint8), name="grey", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    viewer.dims.set_current_step(0, 9)
    driver.click(20, 30)
    driver.wait_for_answer()
    viewer.layers["grey"].scale = (5, 2, 2)
    see_all(driver)
    assert viewer.dims.current_step[0] == 9
    assert_all_on_the_image(driver)
    driver.click(28, 30)
    driver.wait_for_answer()
    assert len(driver.session.state.clicks) == 2
    driver.type(Qt.Key.Key_W)
    assert labels(driver).data[9, 20, 30] == labels(driver).data[9, 28, 30] == 1
    assert not labels(driver).data[:9].any()


def test_channels_that_are_scaled_one_after_another_are_seen_together_again(
    viewer, open_dock, disks
):
    for name in "red", "green":
        viewer.add_image(np.zeros(SHAPE, np.uint8), name=name, colormap=name, blending="additive")
    driver = open_dock(viewer)
    for name in "red", "green":
        viewer.layers[name].scale = (2, 2)
    driver.settle(pauses=True)
    assert [layer.name for layer in driver.dock.controller.workspace.channels] == ["red", "green"]
    assert driver.dock.seen.text() == "The model sees green and red."
