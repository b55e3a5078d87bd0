"""Layers that napari adds up on the screen are one picture for the model, too."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.layers.napari_private import canvas_position

SHAPE = (120, 160)
PLACES = [(30, 40), (30, 120), (90, 40), (90, 120)]
"""One in each quarter."""


def quarters(*values, kind=np.uint16):
    """An image of one grey in each quarter."""
    return np.kron(np.array(values, kind).reshape(2, 2), np.ones((60, 80), kind))


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on three channels, each with a contrast of its own."""
    channels = [quarters(0, 900, 0, 300), quarters(0, 0, 500, 500), quarters(100, 0, 0, 50)]
    viewer.add_image(
        np.stack(channels),
        channel_axis=0,
        name=["red", "green", "blue"],
        colormap=["red", "green", "blue"],
        contrast_limits=[(0, 1000), (0, 1000), (0, 100)],
    )
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def seen(driver, place):
    """What the model is given at a place, 0 to 255."""
    source = driver.session.state.scene.source
    return np.rint(255 * source.read(Window(*place, 1, 1))[0, 0])


def drawn(driver, place):
    """What is on the screen there."""
    where = canvas_position(driver.viewer, place)
    return driver.viewer.screenshot(canvas_only=True, flash=False)[where.y(), where.x(), :3]


def click(driver):
    driver.click(*PLACES[0])
    driver.wait_for_answer()


def test_the_model_is_given_what_is_on_the_screen(driver):
    driver.click(60, 80)
    pixels = [seen(driver, place) for place in PLACES]
    driver.type(Qt.Key.Key_Q)
    for place, pixel in zip(PLACES, pixels, strict=True):
        assert drawn(driver, place) == pytest.approx(pixel, abs=3)
    assert list(pixels[3]) == [76, 128, 128]
    assert driver.dock.seen.text() == "The model sees blue, green and red."


@pytest.mark.bindings
@pytest.mark.parametrize(
    ("change", "there"),
    [
        pytest.param(lambda layer: setattr(layer, "visible", False), [0, 128, 128], id="hidden"),
        pytest.param(lambda layer: setattr(layer, "colormap", "gray"), [76, 204, 204], id="colour"),
        pytest.param(
            lambda layer: setattr(layer, "contrast_limits", (0, 600)),
            [128, 128, 128],
            id="contrast",
        ),
    ],
)
def test_mixing_otherwise_predicts_anew(driver, disks, change, there):
    click(driver)
    asked = len(disks.asked)
    change(driver.viewer.layers["red"])
    driver.wait(lambda: len(disks.asked) > asked)
    driver.wait_for_answer()
    assert len(disks.asked) == asked + 1
    assert list(seen(driver, PLACES[3])) == there


def test_the_chosen_image_is_left_out_where_it_is_hidden(driver):
    assert driver.dock.image.currentText() == "blue"
    for name, text, there in (
        ("blue", "The model sees green and red.", [76, 128, 0]),
        ("green", "The model sees red.", [76, 76, 76]),
    ):
        driver.viewer.layers[name].visible = False
        driver.click(60, 80)
        driver.wait_for_answer()
        assert driver.dock.seen.text() == text
        assert list(seen(driver, PLACES[3])) == there
        driver.type(Qt.Key.Key_Q)


def test_a_layer_that_covers_the_others_stands_alone_in_grey(driver, disks):
    click(driver)
    asked = len(disks.asked)
    driver.viewer.layers["blue"].blending = "translucent"
    driver.wait(lambda: len(disks.asked) > asked)
    driver.wait_for_answer()
    assert list(seen(driver, PLACES[0])) == [255, 255, 255]
    assert driver.dock.seen.isHidden()


@pytest.mark.bindings
def test_a_layer_elsewhere_changes_nothing(driver, disks):
    click(driver)
    asked = len(disks.asked)
    driver.viewer.add_image(quarters(9, 9, 9, 9), translate=(5, 0), blending="additive")
    driver.viewer.layers[-1].visible = False
    # A picture that changed would be looked at anew after a pause.
    driver.settle(pauses=True)
    assert driver.dock.seen.text() == "The model sees blue, green and red."
    assert len(disks.asked) == asked


def test_an_object_of_channels_is_written_and_undone(driver):
    click(driver)
    said = len(notification_manager.records)
    driver.type(Qt.Key.Key_W)
    driver.dock.controller.autosave.recorder.settle()
    labels = driver.dock.controller.workspace.labels
    assert labels.data[PLACES[0]] == 1
    driver.type(Qt.Key.Key_U)
    assert not labels.data.any()
    assert len(notification_manager.records) == said


def test_pyramids_and_stacks_of_channels(viewer, open_dock, disks):
    for name in ("one", "two"):
        fine = np.broadcast_to(quarters(100, 0, 0, 50), (3, *SHAPE))
        levels = [fine, fine[:, ::2, ::2]]
        viewer.add_image(levels, multiscale=True, name=name, blending="additive", colormap="red")
        viewer.layers[name].contrast_limits = (0, 200)
    driver = open_dock(viewer)
    driver.wait_for_answer()
    click(driver)
    assert list(seen(driver, PLACES[0])) == [255, 0, 0]
    assert list(seen(driver, PLACES[3])) == [128, 0, 0]


@pytest.mark.parametrize("shown", ["red", "green", "blue", "all"])
def test_clicks_can_be_told_from_the_colours_of_the_channels(driver, shown):
    """Green clicks on a green channel are not seen."""
    for name in ("red", "green", "blue"):
        driver.viewer.layers[name].visible = shown in (name, "all")
    driver.settle()
    if shown != "all":
        driver.dock.image.choose(driver.viewer.layers[shown])
    driver.click(*PLACES[0])
    driver.click(60, 20, positive=False)
    driver.wait_for_answer()
    clicks = driver.dock.controller.workspace.clicks.points
    channels = [layer for layer in driver.dock.controller.workspace.channels if layer.visible]
    assert len(clicks.data) == 2
    for layer in channels:
        colour = layer.colormap.map(1.0).ravel()[:3]
        assert np.abs(clicks.face_color[:, :3] - colour).sum(axis=1).min() > 0.6
