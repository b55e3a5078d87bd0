"""What goes wrong is one sentence in napari's notifications, and the work goes on."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import (
    ErrorNotification,
    NotificationSeverity,
    notification_manager,
)
from qtpy.QtCore import Qt

from napari_cfr_icl._errors import DeviceError, ImageError
from napari_cfr_icl.gui.widgets.notices import in_short

SHAPE = (90, 120)


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on a grey image."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey")
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def failing(error):
    def steps(*_):
        raise error
        yield

    return steps


@pytest.mark.bindings
def test_an_error_of_the_users_is_one_sentence_and_the_next_click_works(driver, disks, said):
    works = disks.steps
    disks.steps = failing(DeviceError("The device 'cuda' is out of memory."))
    driver.click(40, 60)
    driver.wait_for_answer()
    assert said() == ["The device 'cuda' is out of memory."]
    disks.steps = works
    driver.click(60, 60)
    driver.wait_for_answer()
    assert len(said()) == 1
    assert driver.session.state.answer is not None
    assert len(driver.session.state.clicks) == 2


def test_a_fault_of_the_program_is_said_too(driver, disks, said):
    disks.steps = failing(ZeroDivisionError("division by zero"))
    driver.click(40, 60)
    driver.wait_for_answer()
    assert said() == [
        "Something in the segmentation failed (ZeroDivisionError: division by zero). "
        "Please report it with the details."
    ]


def test_the_details_hold_the_place_of_the_fault(driver, disks):
    disks.steps = failing(ZeroDivisionError("division by zero"))
    driver.click(40, 60)
    driver.wait_for_answer()
    assert "raise error" in notification_manager.records[-1].as_text()


def test_a_trouble_of_the_users_has_no_button_for_the_places_in_the_program(driver):
    driver.dock.controller.workspace.labels.editable = False
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    kept = notification_manager.records[-1]
    assert kept.severity == NotificationSeverity.ERROR
    assert not isinstance(kept, ErrorNotification)
    assert str(kept) == kept.message


def test_a_fault_of_the_program_names_the_plugin_as_its_source(driver, disks):
    disks.steps = failing(ZeroDivisionError("division by zero"))
    driver.click(40, 60)
    driver.wait_for_answer()
    assert notification_manager.records[-1].source == "napari-cfr-icl"


def test_a_labels_layer_that_cannot_be_written(driver, said):
    driver.dock.controller.workspace.labels.editable = False
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert said() == ["The labels layer 'objects' cannot be edited; choose another one."]
    assert len(driver.session.state.clicks) == 1


def test_a_mask_wholly_on_other_objects(driver, said):
    driver.dock.controller.workspace.labels.data = np.full(SHAPE, 3, np.uint16)
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert said() == ["There is nothing to write: other objects cover the mask."]


def test_what_a_notification_cuts_off_stands_in_the_dock_until_the_next_change(driver, said):
    driver.dock.controller.workspace.labels.data = np.full(SHAPE, 3, np.uint16)
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert [driver.dock.hint.text()] == said()
    driver.click(60, 60)
    assert driver.dock.hint.text().startswith("All of this belongs to others")


def test_a_prediction_that_failed_stands_in_the_dock(driver, disks, said):
    disks.steps = failing(DeviceError("The device 'cuda' is out of memory."))
    driver.click(40, 60)
    driver.wait_for_answer()
    assert [driver.dock.hint.text()] == said()


@pytest.mark.parametrize(
    ("sentence", "short"),
    [
        pytest.param("/a/b/c.png is empty.", "c.png is empty.", id="first"),
        pytest.param("There is no file ~/b/c.png: see.", "There is no file c.png: see.", id="home"),
        pytest.param("'C:\\a\\b.png' and (/c/d) fit.", "'b.png' and (d) fit.", id="quoted"),
        pytest.param("\\\\host\\share\\b.png is gone.", "b.png is gone.", id="share"),
        pytest.param("/a/My Data/c.png is empty.", "My Data/c.png is empty.", id="space"),
        pytest.param("https://a.org/b/c and/or 1 / 2.", "https://a.org/b/c and/or 1 / 2.", id="no"),
    ],
)
def test_a_sentence_begins_with_the_name_of_a_file_and_not_with_its_folders(sentence, short):
    assert in_short(ImageError(sentence)) == short
