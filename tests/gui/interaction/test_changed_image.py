"""The image under an object is taken away, or gets other pixels: the object goes nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cfr_icl.gui.views import messages

SHAPE, OTHER = (90, 120), (150, 180)


@pytest.fixture
def hand(viewer, open_dock, disks):
    """A dock on an image; the network answers with disks."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    return open_dock(viewer)


def test_an_object_of_an_image_that_is_gone_is_not_written_into_anothers_labels(hand, said):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.viewer.layers.remove("grey")
    hand.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    workspace = hand.dock.controller.workspace
    hand.wait(lambda: workspace.image is not None and workspace.labels is not None)
    workspace.select_clicks()
    hand.type(Qt.Key.Key_U)
    before = hand.session.state.clicks
    assert len(before) == 1
    hand.click(20, 20)
    assert hand.session.state.clicks == before
    assert hand.dock.hint.text() == "The image of this object is no longer there; drop it (Q)."
    hand.type(Qt.Key.Key_W)
    assert said()[-1].startswith("The image of this object is no longer there; drop it (Q).")
    assert hand.session.state.clicks
    assert not any(np.any(layer.data) for layer in hand.viewer.layers if layer.name == "objects")


@pytest.mark.parametrize("side", [OTHER, (3, *OTHER)], ids=["larger", "a-stack"])
def test_pixels_of_another_shape_are_worked_on_from_then_on(hand, side):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.viewer.layers["grey"].data = np.zeros(side, np.uint8)
    workspace = hand.dock.controller.workspace
    hand.wait(lambda: workspace.fits_image)
    assert hand.dock.hint.text() == messages.RESHAPED
    assert hand.session.state.is_empty
    assert not hand.session.can_undo
    hand.viewer.reset_view()
    hand.click(130, 160)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert workspace.labels.data.shape == side
    assert workspace.labels.data[..., 130, 160].max() == 1


def previews(hand):
    return [layer for layer in hand.viewer.layers if layer.name.startswith("current object")]


def choose(hand, name):
    combo = hand.dock.image
    combo.setCurrentIndex(combo.findText(name))
    combo.activated.emit(combo.currentIndex())


def test_undo_that_leads_back_to_another_image_leaves_one_mask_and_then_none(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    choose(hand, "next")
    assert hand.session.state.is_empty
    hand.type(Qt.Key.Key_U)
    assert hand.dock.image.currentText() == "grey"
    (shown,) = previews(hand)
    assert shown.data[40, 60] == 1
    hand.type(Qt.Key.Key_U)
    (shown,) = previews(hand)
    assert not shown.data.any()


def test_each_image_has_its_own_labels_again(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    first = hand.dock.controller.workspace.labels
    hand.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    choose(hand, "next")
    assert hand.dock.controller.workspace.labels is not first
    choose(hand, "grey")
    assert hand.dock.controller.workspace.labels is first
    assert hand.dock.labels.layer is first


def test_a_picture_on_top_of_the_one_that_is_worked_on_is_said(hand):
    hand.viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), name="next")
    covered = messages.covered("grey", "next")
    assert hand.dock.hint.text() == covered
    hand.dock.controller.workspace.select_clicks()
    assert hand.dock.hint.text() == covered
    hand.viewer.layers["next"].visible = False
    assert hand.dock.hint.text() == "Click the object."
    hand.viewer.layers["next"].visible = True
    assert hand.dock.hint.text() == covered
    choose(hand, "next")
    assert hand.dock.hint.text() == "Click the object."


@pytest.mark.parametrize(
    "look",
    [{"blending": "additive"}, {"opacity": 0.5}, {"translate": (200, 0)}],
    ids=["added", "seen-through", "elsewhere"],
)
def test_a_picture_that_hides_nothing_is_not_in_the_way(hand, look):
    hand.viewer.add_image(np.zeros((*SHAPE, 3), np.uint8), name="next", **look)
    hand.dock.controller.workspace.select_clicks()
    assert hand.dock.hint.text() == "Click the object."


def test_pixels_of_the_same_shape_give_a_new_answer(hand, disks):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.viewer.layers["grey"].data = np.ones(SHAPE, np.uint8)
    hand.wait(lambda: len(disks.asked) == 2)
    assert hand.session.state.clicks
