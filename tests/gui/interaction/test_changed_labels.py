"""The labels get another shape or other axes under finished objects: undo, redo, W go on."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

SHAPE = (90, 120)
CHANGED = "The labels have another shape now than when this was written"


@pytest.fixture
def driver(viewer, open_dock, disks):
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def labels(driver):
    return driver.dock.controller.workspace.labels


def write(driver, row, col):
    driver.click(row, col)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)


OTHERS = pytest.mark.parametrize(
    "shape",
    [(40, 50), (150, 160), (3, *SHAPE), (2, 1, *SHAPE)],
    ids=["smaller", "larger", "a-stack", "four-axes"],
)


@OTHERS
def test_undo_passes_over_what_was_written_and_goes_on(driver, said, shape):
    write(driver, 20, 30)
    write(driver, 70, 100)
    changed = np.full(shape, 7, np.uint16)
    labels(driver).data = changed.copy()
    before = len(driver.session.state.clicks)
    assert before == 0
    driver.type(Qt.Key.Key_U)
    assert said()[-1].startswith(CHANGED)
    assert [round(click.row) for click in driver.session.state.clicks] == [70]
    for _ in range(3):
        driver.type(Qt.Key.Key_U)
    assert not driver.session.can_undo
    assert driver.session.state.is_empty
    for _ in range(4):
        driver.type(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert not driver.session.can_redo
    assert said()[-1].startswith(CHANGED)
    assert np.array_equal(labels(driver).data, changed)


@OTHERS
def test_the_next_object_is_written_or_the_reason_is_right(driver, said, shape):
    write(driver, 20, 30)
    labels(driver).data = np.zeros(shape, np.uint16)
    write(driver, 70, 100)
    reaches = len(shape) >= 2 and shape[-2] > 70
    if reaches:
        assert (labels(driver).data == 1).sum() > 60
        assert labels(driver).data[..., 70, 100].max() == 1
        driver.type(Qt.Key.Key_U)
        assert not labels(driver).data.any()
    else:
        assert not labels(driver).data.any()
        assert said()[-1] in (
            "There is nothing to write: the mask lies outside the labels layer.",
            "The labels layer 'objects' does not reach the plane that is shown; "
            "choose another one for the objects.",
        )
        assert len(driver.session.state.clicks) == 1


def test_a_grabbed_object_whose_labels_changed_is_said_and_kept(driver, said):
    write(driver, 20, 30)
    driver.hover(20, 30)
    driver.type(Qt.Key.Key_G)
    driver.click(30, 30)
    driver.wait_for_answer()
    labels(driver).data = np.zeros((40, 50), np.uint16)
    driver.type(Qt.Key.Key_W)
    assert said()[-1].startswith("The labels layer 'objects' has another shape now")
    assert len(driver.session.state.clicks) == 1
    driver.type(Qt.Key.Key_Q)
    write(driver, 10, 10)
    assert labels(driver).data[10, 10] == 1


def test_an_empty_mask_is_called_empty(driver, said):
    driver.click(20, 30, positive=False)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert said() == ["There is nothing to write: the mask is empty."]


NOWHERE = "Clicks without a finite place (NaN or infinite) are left out."


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_points_without_a_place_are_left_out_and_clicking_goes_on(
    viewer, open_dock, disks, value, axes
):
    image = np.zeros((4, *SHAPE)[-axes:], np.uint8)
    viewer.add_image(image, name="grey", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    driver.wait(lambda: driver.dock.controller.is_prepared)
    points = driver.dock.controller.workspace.clicks.points
    middle = tuple(float(side // 2) for side in image.shape)
    points.add([(*middle[:-1], value)])
    driver.wait_for_answer()
    assert driver.dock.hint.text() == NOWHERE
    assert driver.session.state.is_empty
    assert not len(points.data)
    viewer.reset_view()
    driver.click(20, 30)
    driver.wait_for_answer()
    here = viewer.dims.current_step[: axes - 2]
    points.data = np.array([*points.data, (value,) * axes, (*here, 70, 80)])
    driver.wait_for_answer()
    rows = [round(click.row) for click in driver.session.state.clicks]
    assert rows[0] == 20
    assert np.isfinite(points.data).all()
    assert len(points.data) == len(rows)
    driver.click(40, 50)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert labels(driver).data[..., 20, 30].max() == labels(driver).data[..., 40, 50].max() == 1
