"""What goes wrong is one sentence in napari's notifications, and the work goes on."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_cfr_icl._errors import DeviceError

SHAPE = (90, 120)


@pytest.fixture
def hand(viewer, open_dock, disks):
    """A dock on a grey image."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey")
    hand = open_dock(viewer)
    hand.wait_for_answer()
    return hand


def failing(error):
    def steps(*_):
        raise error
        yield

    return steps


def test_an_error_of_the_users_is_one_sentence_and_the_next_click_works(hand, disks, said):
    works = disks.steps
    disks.steps = failing(DeviceError("The device 'cuda' is out of memory."))
    hand.click(40, 60)
    hand.wait_for_answer()
    assert said() == ["The device 'cuda' is out of memory."]
    disks.steps = works
    hand.click(60, 60)
    hand.wait_for_answer()
    assert len(said()) == 1
    assert hand.session.state.answer is not None
    assert len(hand.session.state.clicks) == 2


def test_a_fault_of_the_program_is_said_too(hand, disks, said):
    disks.steps = failing(ZeroDivisionError("division by zero"))
    hand.click(40, 60)
    hand.wait_for_answer()
    assert said() == [
        "Something in the segmentation failed (ZeroDivisionError: division by zero). "
        "Please report it with the details."
    ]


def test_the_details_hold_the_place_of_the_fault(hand, disks):
    disks.steps = failing(ZeroDivisionError("division by zero"))
    hand.click(40, 60)
    hand.wait_for_answer()
    assert "raise error" in notification_manager.records[-1].as_text()


def test_a_notification_keeps_neither_dock_nor_layers(hand):
    hand.dock.controller.workspace.labels.editable = False
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    kept = notification_manager.records[-1]
    assert kept.exception.__traceback__ is None
    assert "in attempt" in kept.as_text()
    assert kept.as_text().endswith(f"{kept.message}\n")


def test_a_labels_layer_that_cannot_be_written(hand, said):
    hand.dock.controller.workspace.labels.editable = False
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert said() == ["The labels layer 'objects' cannot be edited; choose another one."]
    assert len(hand.session.state.clicks) == 1


def test_a_mask_wholly_on_other_objects(hand, said):
    hand.dock.controller.workspace.labels.data = np.full(SHAPE, 3, np.uint16)
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert said() == ["There is nothing to write: the mask is empty or covered by other objects."]
