"""J, K and fill: the object goes from plane to plane, and the labels follow."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from napari.utils.progress import progress
from qtpy.QtCore import Qt

from activity_bars import bars, cancel
from disk_predictor import DiskPredictor
from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.engine.zooming import SMALLEST_VIEW
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.views.messages import AWAY

PLANES, SHAPE = 8, (90, 120)
ROW, COL = 40, 60


class Fading(DiskPredictor):
    """Hands on a mask from the plane before as it is.

    From the plane `ends_at` on there is nothing, from `bursts_at` on far too much.
    """

    fails = False

    def __init__(self, ends_at=None, bursts_at=None, may_step=None):
        super().__init__(passes=1, may_step=may_step)
        self.ends_at = ends_at
        self.bursts_at = bursts_at

    def steps(self, source, clicks, previous=None, view=None):
        here = int(source.read(Window(0, 0, 1, 1))[0, 0, 0] * 255 + 0.5)
        for answer in super().steps(source, clicks, previous, view):
            if self.fails:
                raise DeviceError("The device is gone.")
            values = answer.probabilities.values
            if view is not None and view.height == SMALLEST_VIEW:
                values[:] = np.where(previous.full() > 0, 0.8, 0)
            if self.bursts_at is not None and here >= self.bursts_at:
                values[20:60, 20:80] = 0.8
            if self.ends_at is not None and here >= self.ends_at:
                values[:] = 0
            yield answer


def numbered(axis=0, shape=(PLANES, *SHAPE)):
    """A stack whose pixels hold the number of their plane."""
    numbers = np.arange(shape[axis], dtype=np.uint8)
    return np.broadcast_to(
        np.expand_dims(numbers, [a for a in range(3) if a != axis]), shape
    ).copy()


@pytest.fixture
def work(viewer, open_dock, monkeypatch):
    """Open a dock on the middle of a stack, with an object clicked there."""

    def start(plane=3, gate=None, **options):
        predictor = Fading(may_step=gate, **options)
        monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: predictor)
        viewer.add_image(numbered(), name="stack", contrast_limits=(0, 255))
        driver = open_dock(viewer)
        viewer.dims.set_current_step(0, plane)
        if gate is not None:
            gate.release()
        driver.click(ROW, COL)
        driver.wait_for_answer()
        return driver

    return start


def labels(driver):
    return driver.dock.controller.workspace.labels.data


def planes_with(driver, label=1):
    return np.flatnonzero((labels(driver) == label).any(axis=(1, 2))).tolist()


def plane(driver):
    return driver.viewer.dims.current_step[0]


def fill(driver, last, axis=0):
    """From the plane that is shown up or down to `last`."""
    here = driver.viewer.dims.current_step[axis]
    driver.dock.stack.first.setValue(min(here, last))
    driver.dock.stack.last.setValue(max(here, last))
    driver.dock.stack.fill.click()
    driver.wait(lambda: not driver.session.propagation.is_under_way)


def said():
    return notification_manager.records[-1].message


@pytest.mark.parametrize(("key", "there"), [(Qt.Key.Key_J, 2), (Qt.Key.Key_K, 4)])
def test_the_object_goes_to_the_neighbouring_plane(work, key, there):
    driver = work()
    mask = driver.session.mask.full()
    driver.type(key)
    driver.wait_for_answer()
    assert plane(driver) == there
    assert planes_with(driver) == [3]
    assert np.array_equal(labels(driver)[3] == 1, mask)
    assert driver.session.state.label == 1
    assert np.array_equal(driver.session.mask.full(), mask)
    layer = driver.dock.controller.workspace.preview.layer
    assert layer.get_value((there, ROW, COL), world=True) == 1


def test_clicks_correct_it_there_and_w_writes_it_with_its_id(work):
    driver = work()
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    driver.click(ROW + 6, COL)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert planes_with(driver, 1) == [3, 4]
    assert labels(driver)[4, ROW + 8, COL] == 1
    assert labels(driver).max() == 1


def test_undo_brings_back_object_plane_and_labels(work):
    driver = work()
    clicks, mask = driver.session.state.clicks, driver.session.mask.full()
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    carried = driver.session.mask.full()
    driver.type(Qt.Key.Key_U)
    assert plane(driver) == 3
    assert not labels(driver).any()
    assert driver.session.state.clicks == clicks
    assert np.array_equal(driver.session.mask.full(), mask)
    driver.type(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert plane(driver) == 4
    assert planes_with(driver) == [3]
    assert np.array_equal(driver.session.mask.full(), carried)


def test_several_presses_add_up(work):
    driver = work()
    for _ in range(3):
        driver.type(Qt.Key.Key_K)
    driver.wait(lambda: plane(driver) == 6)
    driver.wait_for_answer()
    assert planes_with(driver) == [3, 4, 5]


@pytest.fixture
def waiting(work):
    """A new object whose click has no answer yet, with two steps wished for; and the gate."""
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.type(Qt.Key.Key_Q)
    driver.click(ROW, COL)
    driver.type(Qt.Key.Key_K)
    driver.type(Qt.Key.Key_K)
    return driver, gate


def test_steps_wait_for_the_answer(waiting):
    driver, gate = waiting
    gate.release(10)
    driver.wait(lambda: plane(driver) == 5)
    driver.wait_for_answer()
    assert planes_with(driver) == [3, 4]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda driver: driver.type(Qt.Key.Key_Q), id="dropped"),
        pytest.param(lambda driver: driver.type(Qt.Key.Key_U), id="undone"),
        pytest.param(lambda driver: driver.click(ROW + 6, COL), id="corrected"),
    ],
)
def test_steps_are_called_off_with_the_object(waiting, act):
    driver, gate = waiting
    labels(driver)[3, ROW - 2 : ROW + 3, COL - 2 : COL + 3] = 7
    act(driver)
    gate.release(10)
    driver.wait_for_answer()
    assert plane(driver) == 3
    driver.type(Qt.Key.Key_Q)
    driver.click(50, 70)
    driver.settle()
    assert not driver.session.is_busy
    assert plane(driver) == 3
    assert set(np.unique(labels(driver))) == {0, 7}


def test_a_journey_that_is_broken_off_takes_its_further_steps_along(work):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.type(Qt.Key.Key_K)
    driver.type(Qt.Key.Key_K)
    driver.type(Qt.Key.Key_Q)
    assert not driver.session.propagation.is_under_way
    gate.release(10)
    driver.click(50, 70)
    driver.settle()
    assert plane(driver) == 3
    assert not labels(driver).any()


def test_further_steps_go_through_planes_that_have_the_object(work):
    gate = threading.Semaphore(20)
    driver = work(gate=gate)
    fill(driver, 6)
    grab(driver)
    while gate.acquire(blocking=False):
        pass
    driver.click(ROW + 2, COL)
    driver.type(Qt.Key.Key_K)
    driver.type(Qt.Key.Key_K)
    gate.release(10)
    driver.wait_for_answer()
    assert plane(driver) == 5


def test_steps_are_called_off_where_the_prediction_fails(waiting, monkeypatch, said):
    driver, gate = waiting
    monkeypatch.setattr(Fading, "fails", True)
    gate.release(10)
    driver.wait_for_answer()
    assert said() == ["The device is gone."]
    monkeypatch.setattr(Fading, "fails", False)
    driver.click(50, 70)
    driver.settle()
    assert not driver.session.is_busy
    assert plane(driver) == 3
    assert not labels(driver).any()


def test_where_the_object_cannot_be_written_the_journey_ends(work, said):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    reports = []
    driver.session.propagation.ended.connect(reports.append)
    driver.type(Qt.Key.Key_K)
    driver.type(Qt.Key.Key_K)
    driver.dock.controller.workspace.labels.editable = False
    gate.release(10)
    driver.wait_for_answer()
    assert [report.reason for report in reports] == ["failed"]
    assert not driver.session.propagation.is_under_way
    assert plane(driver) == 3
    assert said() == ["The labels layer 'objects' cannot be edited; choose another one."]
    assert not driver.dock.hint.text().startswith("The object ends here")


def test_a_plane_that_has_the_object_already_is_taken_as_it_is(work):
    driver = work()
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    driver.click(ROW + 6, COL)
    driver.wait_for_answer()
    corrected = driver.session.mask.full()
    driver.type(Qt.Key.Key_J)
    driver.wait_for_answer()
    assert plane(driver) == 3
    assert np.array_equal(driver.session.mask.full(), labels(driver)[3] == 1)
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    assert np.array_equal(driver.session.mask.full(), corrected)


def test_where_it_ends_is_said_and_nothing_changes(work):
    driver = work(ends_at=4)
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    assert driver.dock.hint.text().startswith("The object ends here")
    assert plane(driver) == 3
    assert not labels(driver).any()
    assert len(driver.session.state.clicks) == 1


def test_at_the_last_plane_it_is_said(work):
    driver = work(plane=PLANES - 1)
    driver.type(Qt.Key.Key_K)
    assert driver.dock.hint.text() == "The stack ends here."
    assert len(driver.session.state.clicks) == 1


@pytest.mark.parametrize(("last", "expected"), [(6, [3, 4, 5, 6]), (0, [0, 1, 2, 3]), (3, [3])])
def test_filling_up_to_a_plane(work, last, expected):
    driver = work()
    mask = driver.session.mask.full()
    fill(driver, last)
    assert planes_with(driver) == expected
    assert all(np.array_equal(labels(driver)[z] == 1, mask) for z in expected)
    assert driver.dock.hint.text().endswith("the last plane was reached.")
    assert driver.session.state.is_empty


def test_an_object_on_a_plane_that_is_not_shown_is_spoken_of(work):
    driver = work()
    driver.viewer.dims.set_current_step(0, 5)
    assert driver.dock.hint.text() == driver.dock.keys.in_words(AWAY)
    driver.viewer.dims.set_current_step(0, 3)
    assert driver.dock.hint.text() != driver.dock.keys.in_words(AWAY)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"ends_at": 6}, "Filled 2 planes: the object ends there.", id="ends"),
        pytest.param(
            {"bursts_at": 6},
            "Filled 2 planes: the mask changed too much on the next one.",
            id="changes",
        ),
    ],
)
def test_a_fill_stops_and_says_why(work, options, why):
    driver = work(**options)
    fill(driver, 7)
    assert planes_with(driver) == [3, 4, 5]
    assert driver.dock.hint.text() == why


@pytest.mark.parametrize(
    ("contrast", "filled", "why"),
    [
        pytest.param(
            0.5,
            [2, 3, 4, 5],
            "Filled 3 planes. Up to 5: the object has faded on the next one. "
            "Down to 2: the object has faded on the next one.",
            id="half",
        ),
        pytest.param(
            0.2,
            [1, 2, 3, 4, 5, 6, 7],
            "Filled 6 planes. Up to 7: the last plane was reached. "
            "Down to 1: the object has faded on the next one.",
            id="a fifth",
        ),
    ],
)
def test_the_key_fills_both_ways_until_the_object_has_faded(
    viewer, open_dock, monkeypatch, contrast, filled, why
):
    # The network finds the mask of the plane before again everywhere, as a real one does in blur.
    monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: Fading())
    stack = np.full((PLANES, *SHAPE), 20, np.uint8)
    brightness = [20, 70, 150, 180, 180, 120, 80, 80]
    stack[:, ROW - 6 : ROW + 7, COL - 6 : COL + 7] = np.array(brightness)[:, None, None]
    viewer.add_image(stack, name="stack", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    viewer.dims.set_current_step(0, 3)
    driver.click(ROW, COL)
    driver.wait_for_answer()
    driver.dock.stack.contrast.setValue(contrast)
    driver.type(Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    driver.wait(lambda: not driver.session.propagation.is_under_way)
    assert planes_with(driver) == filled
    assert driver.dock.hint.text() == why
    driver.type(Qt.Key.Key_U)
    assert not labels(driver).any()


def test_the_limits_can_be_set(work):
    driver = work(bursts_at=6)
    driver.dock.stack.overlap.setValue(0)
    driver.dock.stack.growth.setValue(100)
    fill(driver, 7)
    assert planes_with(driver) == [3, 4, 5, 6, 7]


def test_a_fill_is_one_step_of_undo(work):
    driver = work()
    other = np.zeros_like(labels(driver))
    other[5, ROW, COL : COL + 3] = 9
    driver.dock.controller.workspace.labels.data = other.copy()
    fill(driver, 7)
    filled = labels(driver).copy()
    assert (filled[5, ROW, COL : COL + 3] == 9).all()
    assert len(planes_with(driver, 10)) == 5
    driver.type(Qt.Key.Key_U)
    assert np.array_equal(labels(driver), other)
    assert len(driver.session.state.clicks) == 1
    driver.type(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert np.array_equal(labels(driver), filled)


def test_a_fill_ends_before_a_plane_that_has_the_object(work):
    driver = work()
    driver.type(Qt.Key.Key_W)
    label = int(labels(driver)[3, ROW, COL])
    labels(driver)[6, ROW, COL] = label
    grab(driver)
    fill(driver, 7)
    assert planes_with(driver, label) == [3, 4, 5, 6]
    assert (labels(driver)[6] == label).sum() == 1
    assert driver.dock.hint.text() == "Filled 2 planes: the next one has the object already."


def grab(driver):
    driver.hover(ROW, COL)
    driver.type(Qt.Key.Key_G)


@pytest.mark.bindings
def test_cancel_keeps_what_is_done(work):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.dock.stack.last.setValue(7)
    driver.dock.stack.fill.click()
    gate.release(2)
    driver.wait(lambda: planes_with(driver) == [3, 4, 5])
    assert driver.dock.stack.progress.value() == 2
    assert driver.dock.stack.cancel.isVisible()
    driver.dock.stack.cancel.click()
    assert driver.dock.hint.text() == "Filled 2 planes: cancelled."
    assert not driver.dock.stack.cancel.isVisible()
    gate.release(10)
    driver.wait_for_answer()
    assert planes_with(driver) == [3, 4, 5]
    driver.type(Qt.Key.Key_U)
    assert not labels(driver).any()


def test_a_click_ends_a_fill_and_counts(work):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.dock.stack.fill.click()
    gate.release()
    driver.wait(lambda: planes_with(driver) == [3, 4])
    driver.click(20, 30)
    gate.release(10)
    driver.wait_for_answer()
    assert not driver.session.propagation.is_under_way
    assert driver.session.mask.at(20, 30)
    assert planes_with(driver) == [3, 4]


@pytest.mark.parametrize("name", ["stack", "objects"])
def test_a_layer_removed_in_the_middle_of_a_fill(work, name):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.dock.stack.fill.click()
    gate.release()
    driver.wait(lambda: planes_with(driver) == [3, 4])
    data = labels(driver)
    driver.viewer.layers.remove(name)
    gate.release(10)
    driver.wait_for_answer()
    assert not driver.session.propagation.is_under_way
    assert np.flatnonzero(data.any(axis=(1, 2))).tolist() == [3, 4]


@pytest.mark.bindings
def test_a_dock_closed_in_the_middle_of_a_fill(work):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.dock.stack.fill.click()
    gate.release()
    driver.wait(lambda: planes_with(driver) == [3, 4])
    data = labels(driver)
    gate.release(10)
    driver.viewer.window.remove_dock_widget(driver.dock)
    driver.wait(lambda: not any(t.name == "cfr-icl-network" for t in threading.enumerate()))
    assert np.flatnonzero(data.any(axis=(1, 2))).tolist() == [3, 4]


def test_along_another_axis(viewer, open_dock, monkeypatch):
    predictor = Fading()
    monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: predictor)
    viewer.add_image(numbered(axis=1, shape=(60, 8, 80)), contrast_limits=(0, 255))
    driver = open_dock(viewer)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 3)
    viewer.reset_view()
    driver.click(30, 40)
    driver.wait_for_answer()
    fill(driver, 6, axis=1)
    found = np.flatnonzero(driver.dock.controller.workspace.labels.data.any(axis=(0, 2)))
    assert found.tolist() == [3, 4, 5, 6]


def test_a_flat_image_offers_no_planes(viewer, open_dock, disks):
    viewer.add_image(np.zeros(SHAPE, np.uint8), contrast_limits=(0, 255))
    driver = open_dock(viewer)
    assert driver.dock.stack_section.isHidden()
    driver.click(ROW, COL)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_K)
    assert driver.dock.hint.text() == "This image has one plane only."


def test_without_an_object_nothing_is_taken_along(work):
    driver = work()
    driver.type(Qt.Key.Key_Q)
    driver.type(Qt.Key.Key_K)
    assert driver.dock.hint.text() == "There is no object to take along: click one first."


@pytest.mark.bindings
def test_a_fill_is_among_naparis_activities_and_cancelled_there(work):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.dock.stack.first.setValue(3)
    driver.dock.stack.fill.click()
    driver.wait(lambda: "Filling planes" in bars(driver.viewer))
    (bar,) = bars(driver.viewer).values()
    for done in (1, 2):
        gate.release()
        driver.wait(lambda planes=done: bar.qt_progress_bar.value() == planes)
    assert bar.qt_progress_bar.maximum() == 4
    assert re.search(r"2/4 \[\d+:\d\d<\d+:\d\d", bar.eta_label.text())
    cancel(driver.viewer, "Filling planes")
    assert driver.dock.hint.text() == "Filled 2 planes: cancelled."
    driver.wait(lambda: not progress._all_instances)
    gate.release(10)
    driver.wait_for_answer()
    assert planes_with(driver) == [3, 4, 5]


@pytest.mark.bindings
def test_a_dock_closed_in_the_middle_of_a_fill_takes_its_activity_along(work):
    gate = threading.Semaphore(0)
    driver = work(gate=gate)
    driver.dock.stack.fill.click()
    driver.wait(lambda: bool(progress._all_instances))
    driver.viewer.window.remove_dock_widget(driver.dock)
    driver.wait(lambda: not progress._all_instances)
    gate.release(10)


def test_the_bar_of_a_fill_tells_the_time_left(work):
    panel = work().dock.stack
    panel.show_filling(1, 4)
    assert panel.progress.text() == "plane 1 of 4"
    panel.show_filling(2, 4, 41.7)
    assert panel.progress.text() == "plane 2 of 4, 42 s left"
