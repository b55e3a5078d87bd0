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
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.app.viewer_driver import let_happen
from napari_cfr_icl.gui.views.messages import AWAY
from napari_cfr_icl.session.propagation import SMALLEST_VIEW

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
        hand = open_dock(viewer)
        viewer.dims.set_current_step(0, plane)
        if gate is not None:
            gate.release()
        hand.click(ROW, COL)
        hand.wait_for_answer()
        return hand

    return start


def labels(hand):
    return hand.dock.controller.workspace.labels.data


def planes_with(hand, label=1):
    return np.flatnonzero((labels(hand) == label).any(axis=(1, 2))).tolist()


def plane(hand):
    return hand.viewer.dims.current_step[0]


def fill(hand, last):
    hand.dock.stack.last.setValue(last)
    hand.dock.stack.fill.click()
    hand.wait(lambda: not hand.session.travel.is_under_way)


def said():
    return notification_manager.records[-1].message


@pytest.mark.parametrize(("key", "there"), [(Qt.Key.Key_J, 2), (Qt.Key.Key_K, 4)])
def test_the_object_goes_to_the_neighbouring_plane(work, key, there):
    hand = work()
    mask = hand.session.mask.full()
    hand.type(key)
    hand.wait_for_answer()
    assert plane(hand) == there
    assert planes_with(hand) == [3]
    assert np.array_equal(labels(hand)[3] == 1, mask)
    assert hand.session.state.label == 1
    assert np.array_equal(hand.session.mask.full(), mask)
    layer = hand.dock.controller.workspace.preview.layer
    assert layer.get_value((there, ROW, COL), world=True) == 1


def test_clicks_correct_it_there_and_w_writes_it_with_its_id(work):
    hand = work()
    hand.type(Qt.Key.Key_K)
    hand.wait_for_answer()
    hand.click(ROW + 6, COL)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert planes_with(hand, 1) == [3, 4]
    assert labels(hand)[4, ROW + 8, COL] == 1
    assert labels(hand).max() == 1


def test_undo_brings_back_object_plane_and_labels(work):
    hand = work()
    clicks, mask = hand.session.state.clicks, hand.session.mask.full()
    hand.type(Qt.Key.Key_K)
    hand.wait_for_answer()
    carried = hand.session.mask.full()
    hand.type(Qt.Key.Key_U)
    assert plane(hand) == 3
    assert not labels(hand).any()
    assert hand.session.state.clicks == clicks
    assert np.array_equal(hand.session.mask.full(), mask)
    hand.type(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert plane(hand) == 4
    assert planes_with(hand) == [3]
    assert np.array_equal(hand.session.mask.full(), carried)


def test_several_presses_add_up(work):
    hand = work()
    for _ in range(3):
        hand.type(Qt.Key.Key_K)
    hand.wait(lambda: plane(hand) == 6)
    hand.wait_for_answer()
    assert planes_with(hand) == [3, 4, 5]


@pytest.fixture
def waiting(work):
    """A new object whose click has no answer yet, with two steps wished for; and the gate."""
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.type(Qt.Key.Key_Q)
    hand.click(ROW, COL)
    hand.type(Qt.Key.Key_K)
    hand.type(Qt.Key.Key_K)
    return hand, gate


def test_steps_wait_for_the_answer(waiting):
    hand, gate = waiting
    gate.release(10)
    hand.wait(lambda: plane(hand) == 5)
    hand.wait_for_answer()
    assert planes_with(hand) == [3, 4]


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda hand: hand.type(Qt.Key.Key_Q), id="dropped"),
        pytest.param(lambda hand: hand.type(Qt.Key.Key_U), id="undone"),
        pytest.param(lambda hand: hand.click(ROW + 6, COL), id="corrected"),
    ],
)
def test_steps_are_called_off_with_the_object(waiting, act):
    hand, gate = waiting
    labels(hand)[3, ROW - 2 : ROW + 3, COL - 2 : COL + 3] = 7
    act(hand)
    gate.release(10)
    hand.wait_for_answer()
    assert plane(hand) == 3
    hand.type(Qt.Key.Key_Q)
    hand.click(50, 70)
    hand.wait_for_answer()
    let_happen(100)
    assert not hand.session.is_busy
    assert plane(hand) == 3
    assert set(np.unique(labels(hand))) == {0, 7}


def test_a_journey_that_is_broken_off_takes_its_further_steps_along(work):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.type(Qt.Key.Key_K)
    hand.type(Qt.Key.Key_K)
    hand.type(Qt.Key.Key_Q)
    assert not hand.session.travel.is_under_way
    gate.release(10)
    hand.click(50, 70)
    hand.wait_for_answer()
    let_happen(100)
    assert plane(hand) == 3
    assert not labels(hand).any()


def test_further_steps_go_through_planes_that_have_the_object(work):
    gate = threading.Semaphore(20)
    hand = work(gate=gate)
    fill(hand, 6)
    grab(hand)
    while gate.acquire(blocking=False):
        pass
    hand.click(ROW + 2, COL)
    hand.type(Qt.Key.Key_K)
    hand.type(Qt.Key.Key_K)
    gate.release(10)
    hand.wait_for_answer()
    assert plane(hand) == 5


def test_steps_are_called_off_where_the_prediction_fails(waiting, monkeypatch, said):
    hand, gate = waiting
    monkeypatch.setattr(Fading, "fails", True)
    gate.release(10)
    hand.wait_for_answer()
    assert said() == ["The device is gone."]
    monkeypatch.setattr(Fading, "fails", False)
    hand.click(50, 70)
    hand.wait_for_answer()
    let_happen(100)
    assert not hand.session.is_busy
    assert plane(hand) == 3
    assert not labels(hand).any()


def test_where_the_object_cannot_be_written_the_journey_ends(work, said):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    reports = []
    hand.session.travel.ended.connect(reports.append)
    hand.type(Qt.Key.Key_K)
    hand.type(Qt.Key.Key_K)
    hand.dock.controller.workspace.labels.editable = False
    gate.release(10)
    hand.wait_for_answer()
    assert [report.reason for report in reports] == ["failed"]
    assert not hand.session.travel.is_under_way
    assert plane(hand) == 3
    assert said() == ["The labels layer 'objects' cannot be edited; choose another one."]
    assert not hand.dock.hint.text().startswith("The object ends here")


def test_a_plane_that_has_the_object_already_is_taken_as_it_is(work):
    hand = work()
    hand.type(Qt.Key.Key_K)
    hand.wait_for_answer()
    hand.click(ROW + 6, COL)
    hand.wait_for_answer()
    corrected = hand.session.mask.full()
    hand.type(Qt.Key.Key_J)
    hand.wait_for_answer()
    assert plane(hand) == 3
    assert np.array_equal(hand.session.mask.full(), labels(hand)[3] == 1)
    hand.type(Qt.Key.Key_K)
    hand.wait_for_answer()
    assert np.array_equal(hand.session.mask.full(), corrected)


def test_where_it_ends_is_said_and_nothing_changes(work):
    hand = work(ends_at=4)
    hand.type(Qt.Key.Key_K)
    hand.wait_for_answer()
    assert hand.dock.hint.text().startswith("The object ends here")
    assert plane(hand) == 3
    assert not labels(hand).any()
    assert len(hand.session.state.clicks) == 1


def test_at_the_last_plane_it_is_said(work):
    hand = work(plane=PLANES - 1)
    hand.type(Qt.Key.Key_K)
    assert hand.dock.hint.text() == "The stack ends here."
    assert len(hand.session.state.clicks) == 1


@pytest.mark.parametrize(("last", "expected"), [(6, [3, 4, 5, 6]), (0, [0, 1, 2, 3]), (3, [3])])
def test_filling_up_to_a_plane(work, last, expected):
    hand = work()
    mask = hand.session.mask.full()
    fill(hand, last)
    assert planes_with(hand) == expected
    assert all(np.array_equal(labels(hand)[z] == 1, mask) for z in expected)
    assert hand.dock.hint.text().endswith("the last plane was reached.")
    assert hand.session.state.is_empty


def test_an_object_on_a_plane_that_is_not_shown_is_spoken_of(work):
    hand = work()
    hand.viewer.dims.set_current_step(0, 5)
    assert hand.dock.hint.text() == hand.dock.keys.in_words(AWAY)
    hand.viewer.dims.set_current_step(0, 3)
    assert hand.dock.hint.text() != hand.dock.keys.in_words(AWAY)


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
    hand = work(**options)
    fill(hand, 7)
    assert planes_with(hand) == [3, 4, 5]
    assert hand.dock.hint.text() == why


def test_the_limits_can_be_set(work):
    hand = work(bursts_at=6)
    hand.dock.stack.overlap.setValue(0)
    hand.dock.stack.growth.setValue(100)
    fill(hand, 7)
    assert planes_with(hand) == [3, 4, 5, 6, 7]


def test_a_fill_is_one_step_of_undo(work):
    hand = work()
    other = np.zeros_like(labels(hand))
    other[5, ROW, COL : COL + 3] = 9
    hand.dock.controller.workspace.labels.data = other.copy()
    fill(hand, 7)
    filled = labels(hand).copy()
    assert (filled[5, ROW, COL : COL + 3] == 9).all()
    assert len(planes_with(hand, 10)) == 5
    hand.type(Qt.Key.Key_U)
    assert np.array_equal(labels(hand), other)
    assert len(hand.session.state.clicks) == 1
    hand.type(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    assert np.array_equal(labels(hand), filled)


def test_a_fill_ends_before_a_plane_that_has_the_object(work):
    hand = work()
    hand.type(Qt.Key.Key_W)
    label = int(labels(hand)[3, ROW, COL])
    labels(hand)[6, ROW, COL] = label
    grab(hand)
    fill(hand, 7)
    assert planes_with(hand, label) == [3, 4, 5, 6]
    assert (labels(hand)[6] == label).sum() == 1
    assert hand.dock.hint.text() == "Filled 2 planes: the next one has the object already."


def grab(hand):
    hand.hover(ROW, COL)
    hand.type(Qt.Key.Key_G)


def test_cancel_keeps_what_is_done(work):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.dock.stack.last.setValue(7)
    hand.dock.stack.fill.click()
    gate.release(2)
    hand.wait(lambda: planes_with(hand) == [3, 4, 5])
    assert hand.dock.stack.progress.value() == 2
    assert hand.dock.stack.cancel.isVisible()
    hand.dock.stack.cancel.click()
    assert hand.dock.hint.text() == "Filled 2 planes: cancelled."
    assert not hand.dock.stack.cancel.isVisible()
    gate.release(10)
    hand.wait_for_answer()
    assert planes_with(hand) == [3, 4, 5]
    hand.type(Qt.Key.Key_U)
    assert not labels(hand).any()


def test_a_click_ends_a_fill_and_counts(work):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.dock.stack.fill.click()
    gate.release()
    hand.wait(lambda: planes_with(hand) == [3, 4])
    hand.click(20, 30)
    gate.release(10)
    hand.wait_for_answer()
    assert not hand.session.travel.is_under_way
    assert hand.session.mask.at(20, 30)
    assert planes_with(hand) == [3, 4]


@pytest.mark.parametrize("name", ["stack", "objects"])
def test_a_layer_removed_in_the_middle_of_a_fill(work, name):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.dock.stack.fill.click()
    gate.release()
    hand.wait(lambda: planes_with(hand) == [3, 4])
    data = labels(hand)
    hand.viewer.layers.remove(name)
    gate.release(10)
    hand.wait_for_answer()
    assert not hand.session.travel.is_under_way
    assert np.flatnonzero(data.any(axis=(1, 2))).tolist() == [3, 4]


def test_a_dock_closed_in_the_middle_of_a_fill(work):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.dock.stack.fill.click()
    gate.release()
    hand.wait(lambda: planes_with(hand) == [3, 4])
    data = labels(hand)
    gate.release(10)
    hand.viewer.window.remove_dock_widget(hand.dock)
    hand.wait(lambda: not any(t.name == "cfr-icl-network" for t in threading.enumerate()))
    assert np.flatnonzero(data.any(axis=(1, 2))).tolist() == [3, 4]


def test_along_another_axis(viewer, open_dock, monkeypatch):
    predictor = Fading()
    monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: predictor)
    viewer.add_image(numbered(axis=1, shape=(60, 8, 80)), contrast_limits=(0, 255))
    hand = open_dock(viewer)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 3)
    viewer.reset_view()
    hand.click(30, 40)
    hand.wait_for_answer()
    fill(hand, 6)
    found = np.flatnonzero(hand.dock.controller.workspace.labels.data.any(axis=(0, 2)))
    assert found.tolist() == [3, 4, 5, 6]


def test_a_flat_image_offers_no_planes(viewer, open_dock, disks):
    viewer.add_image(np.zeros(SHAPE, np.uint8), contrast_limits=(0, 255))
    hand = open_dock(viewer)
    assert hand.dock.stack_section.isHidden()
    hand.click(ROW, COL)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_K)
    assert hand.dock.hint.text() == "This image has one plane only."


def test_without_an_object_nothing_is_taken_along(work):
    hand = work()
    hand.type(Qt.Key.Key_Q)
    hand.type(Qt.Key.Key_K)
    assert hand.dock.hint.text() == "There is no object to take along: click one first."


def test_a_fill_is_among_naparis_activities_and_cancelled_there(work):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.dock.stack.last.setValue(7)
    hand.dock.stack.fill.click()
    hand.wait(lambda: "Filling planes" in bars(hand.viewer))
    (bar,) = bars(hand.viewer).values()
    for done in (1, 2):
        gate.release()
        hand.wait(lambda planes=done: bar.qt_progress_bar.value() == planes)
    assert bar.qt_progress_bar.maximum() == 4
    assert re.search(r"2/4 \[\d+:\d\d<\d+:\d\d", bar.eta_label.text())
    cancel(hand.viewer, "Filling planes")
    assert hand.dock.hint.text() == "Filled 2 planes: cancelled."
    hand.wait(lambda: not progress._all_instances)
    gate.release(10)
    hand.wait_for_answer()
    assert planes_with(hand) == [3, 4, 5]


def test_a_dock_closed_in_the_middle_of_a_fill_takes_its_activity_along(work):
    gate = threading.Semaphore(0)
    hand = work(gate=gate)
    hand.dock.stack.fill.click()
    hand.wait(lambda: bool(progress._all_instances))
    hand.viewer.window.remove_dock_widget(hand.dock)
    hand.wait(lambda: not progress._all_instances)
    gate.release(10)


def test_the_bar_of_a_fill_tells_the_time_left(work):
    panel = work().dock.stack
    panel.show_filling(1, 4)
    assert panel.progress.text() == "plane 1 of 4"
    panel.show_filling(2, 4, 41.7)
    assert panel.progress.text() == "plane 2 of 4, 42 s left"
