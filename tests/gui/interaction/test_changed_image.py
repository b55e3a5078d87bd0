"""The image under an object is taken away, or gets other pixels: the object goes nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cfr_icl.gui.views import messages

SHAPE, OTHER = (90, 120), (150, 180)


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on an image; the network answers with disks."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    return open_dock(viewer)


def test_an_object_of_an_image_that_is_gone_is_not_written_into_anothers_labels(driver, said):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.viewer.layers.remove("grey")
    driver.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    workspace = driver.dock.controller.workspace
    driver.wait(lambda: workspace.image is not None and workspace.labels is not None)
    workspace.select_clicks()
    driver.type(Qt.Key.Key_U)
    before = driver.session.state.clicks
    assert len(before) == 1
    driver.click(20, 20)
    assert driver.session.state.clicks == before
    assert driver.dock.hint.text() == "The image of this object is no longer there; drop it (Q)."
    driver.type(Qt.Key.Key_W)
    assert said()[-1].startswith("The image of this object is no longer there; drop it (Q).")
    assert driver.session.state.clicks
    assert not any(np.any(layer.data) for layer in driver.viewer.layers if layer.name == "objects")


@pytest.mark.parametrize("side", [OTHER, (3, *OTHER)], ids=["larger", "a-stack"])
def test_pixels_of_another_shape_are_worked_on_from_then_on(driver, side):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.viewer.layers["grey"].data = np.zeros(side, np.uint8)
    workspace = driver.dock.controller.workspace
    driver.wait(lambda: workspace.fits_image)
    assert driver.dock.hint.text() == messages.RESHAPED
    assert driver.session.state.is_empty
    assert not driver.session.can_undo
    driver.viewer.reset_view()
    driver.click(130, 160)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert workspace.labels.data.shape == side
    assert workspace.labels.data[..., 130, 160].max() == 1


def previews(driver):
    return [layer for layer in driver.viewer.layers if layer.name.startswith("current object")]


def choose(driver, name):
    combo = driver.dock.image
    combo.setCurrentIndex(combo.findText(name))
    combo.activated.emit(combo.currentIndex())


def test_undo_that_leads_back_to_another_image_leaves_one_mask_and_then_none(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    choose(driver, "next")
    assert driver.session.state.is_empty
    driver.type(Qt.Key.Key_U)
    assert driver.dock.image.currentText() == "grey"
    (shown,) = previews(driver)
    assert shown.data[40, 60] == 1
    driver.type(Qt.Key.Key_U)
    (shown,) = previews(driver)
    assert not shown.data.any()


def test_each_image_has_its_own_labels_again(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    first = driver.dock.controller.workspace.labels
    driver.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    choose(driver, "next")
    assert driver.dock.controller.workspace.labels is not first
    choose(driver, "grey")
    assert driver.dock.controller.workspace.labels is first
    assert driver.dock.labels.layer is first


def test_a_picture_on_top_of_the_one_that_is_worked_on_is_said(driver):
    driver.viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), name="next")
    covered = messages.covered("grey", "next")
    assert driver.dock.hint.text() == covered
    driver.dock.controller.workspace.select_clicks()
    assert driver.dock.hint.text() == covered
    driver.viewer.layers["next"].visible = False
    assert driver.dock.hint.text() == "Click the object."
    driver.viewer.layers["next"].visible = True
    assert driver.dock.hint.text() == covered
    choose(driver, "next")
    assert driver.dock.hint.text() == "Click the object."


@pytest.mark.parametrize(
    "look",
    [{"blending": "additive"}, {"opacity": 0.5}, {"translate": (200, 0)}],
    ids=["added", "seen-through", "elsewhere"],
)
def test_a_picture_that_hides_nothing_is_not_in_the_way(driver, look):
    driver.viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), name="next", **look)
    driver.dock.controller.workspace.select_clicks()
    assert driver.dock.hint.text() == "Click the object."


def test_pixels_of_the_same_shape_give_a_new_answer(driver, disks):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.viewer.layers["grey"].data = np.ones(SHAPE, np.uint8)
    driver.wait(lambda: len(disks.asked) == 2)
    assert driver.session.state.clicks
