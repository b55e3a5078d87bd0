"""Clicks on the canvas become clicks of the object and a mask on the screen."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtTest import QTest

from napari_cfr_icl.gui.app.viewer_driver import CONTROL, LEFT, SHIFT
from napari_cfr_icl.gui.layers.canvas import canvas_widget
from napari_cfr_icl.gui.layers.click_layer import GREEN, RED
from napari_cfr_icl.gui.threads import main_thread_bridge
from napari_cfr_icl.gui.views.messages import HIDDEN_CLICKS, ONLY_BACKGROUND, OTHER_TOOL
from napari_cfr_icl.gui.views.segment_dock import SegmentDock

SHAPE = (120, 160)


@pytest.fixture
def hand(viewer, open_dock, disks):
    """A dock on a grey image, with the disk predictor."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    hand = open_dock(viewer)
    hand.wait_for_answer()
    return hand


def preview(hand):
    """The mask on the screen as a full plane of bool."""
    layer = hand.dock.controller.workspace.preview.layer
    full = np.zeros(SHAPE, bool)
    if layer is not None and layer.visible:
        rows, cols = np.nonzero(layer.data)
        if rows.size:
            top, left = np.rint(layer.data_to_world((0, 0))).astype(int)
            full[rows + top, cols + left] = True
    return full


def points(hand):
    return hand.dock.controller.workspace.clicks.points


def labels(hand):
    return hand.dock.controller.workspace.labels


def clicked(hand):
    """Clicks of the session, rounded to whole pixels."""
    return [(round(c.row), round(c.col), c.positive) for c in hand.session.state.clicks]


class Paints(QObject):
    """Writes "drawn" into `course` whenever a widget is asked to paint itself."""

    def __init__(self, widget, course):
        super().__init__(widget)
        self._course = course
        widget.installEventFilter(self)

    def eventFilter(self, widget, event):
        if event.type() == QEvent.Type.Paint:
            self._course.append("drawn")
        return False


def test_a_click_is_drawn_before_the_network_takes_the_processor(hand, disks, monkeypatch):
    monkeypatch.setattr(main_thread_bridge, "LONGEST_DRAWING", 60)
    course = []
    points(hand).events.data.connect(lambda event: course.append(str(event.action)))
    monkeypatch.setattr(disks, "steps", noting(course, disks.steps))
    paints = Paints(canvas_widget(hand.viewer), course)
    hand.click(40, 60)
    hand.wait_for_answer()
    paints.deleteLater()
    assert course[:2] == ["adding", "added"]
    assert "drawn" in course[: course.index("asked")]


def noting(course, steps):
    """The method of a predictor that writes "asked" into `course` first."""

    def noted(*request):
        course.append("asked")
        return steps(*request)

    return noted


def test_the_dock_has_prepared_everything(hand):
    assert isinstance(hand.dock, SegmentDock)
    assert hand.dock.image.currentText() == "grey"
    assert hand.dock.labels.currentText() == "objects"
    assert [layer.name for layer in hand.viewer.layers] == [
        "grey",
        "objects",
        "current object",
        "clicks",
    ]
    assert hand.viewer.layers.selection.active is points(hand)
    assert hand.dock.hint.text() == "Click the object."


def test_a_left_click_shows_a_mask_there(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    assert clicked(hand) == [(40, 60, True)]
    mask = preview(hand)
    assert mask[40, 60]
    assert mask.sum() == hand.session.mask.values.sum() > 20
    assert not labels(hand).data.any()


@pytest.mark.parametrize(
    ("button", "modifier"),
    [pytest.param(False, Qt.KeyboardModifier.NoModifier, id="right"), (True, CONTROL)],
)
def test_right_and_control_clicks_are_background(hand, button, modifier):
    hand.click(40, 60)
    hand.click(44, 60, button, modifier)
    hand.wait_for_answer()
    assert clicked(hand) == [(40, 60, True), (44, 60, False)]
    assert preview(hand)[38, 60]
    assert not preview(hand)[44, 60]


def test_colour_and_symbol_tell_the_signs_apart(hand):
    hand.click(40, 60)
    hand.click(60, 60, positive=False)
    hand.wait_for_answer()
    assert [str(symbol) for symbol in points(hand).symbol] == ["disc", "cross"]
    colours = np.rint(points(hand).face_color[:, :3] * 255).astype(np.uint8)
    assert [f"#{bytes(colour).hex()}" for colour in colours] == [GREEN, RED]
    assert list(points(hand).features["positive"]) == [True, False]
    assert not points(hand).selected_data


def test_the_next_sign_can_be_flipped_once(hand):
    hand.click(40, 60)
    hand.type(Qt.Key.Key_N)
    assert hand.dock.object.sign.isChecked()
    hand.click(60, 60)
    assert not hand.dock.object.sign.isChecked()
    hand.click(80, 60)
    hand.wait_for_answer()
    assert [sign for *_, sign in clicked(hand)] == [True, False, True]


def test_a_flipped_sign_does_not_outlast_its_object(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_N)
    hand.type(Qt.Key.Key_W)
    assert not hand.dock.object.sign.isChecked()
    hand.click(80, 60)
    hand.wait_for_answer()
    assert clicked(hand) == [(80, 60, True)]


def test_an_object_of_background_alone_asks_for_a_click_on_it(hand):
    hand.click(40, 60, positive=False)
    hand.wait_for_answer()
    assert hand.dock.hint.text() == ONLY_BACKGROUND


def test_dragging_a_click_moves_the_mask_once(hand, disks):
    hand.click(40, 60)
    hand.wait_for_answer()
    asked = len(disks.asked)
    hand.drag((40, 60), (80, 100))
    hand.wait_for_answer()
    assert clicked(hand) == [(80, 100, True)]
    assert len(disks.asked) == asked + 1
    assert preview(hand)[80, 100]
    assert not preview(hand)[40, 60]
    assert len(points(hand).data) == 1


def test_dragging_beside_clicks_pans_and_adds_nothing(hand):
    hand.click(40, 60)
    before = hand.place(40, 60)
    hand.drag((80, 80), (100, 120))
    hand.wait(lambda: hand.place(40, 60) != before)
    assert clicked(hand) == [(40, 60, True)]


def test_a_click_on_a_click_selects_it_and_delete_removes_it(hand):
    hand.click(40, 60)
    hand.click(80, 100)
    hand.wait_for_answer()
    hand.click(40, 60)
    assert points(hand).selected_data == {0}
    assert len(points(hand).data) == 2
    hand.type(Qt.Key.Key_Delete)
    hand.wait_for_answer()
    assert clicked(hand) == [(80, 100, True)]
    assert preview(hand)[80, 100]
    assert not preview(hand)[40, 60]


def test_deleting_several_clicks_is_one_change(hand, disks):
    for col in (30, 60, 90, 120):
        hand.click(40, col)
    hand.wait_for_answer()
    asked = len(disks.asked)
    points(hand).selected_data = {0, 2}
    hand.type(Qt.Key.Key_Delete)
    hand.wait_for_answer()
    assert [col for _, col, _ in clicked(hand)] == [60, 120]
    assert len(disks.asked) == asked + 1


def test_points_from_a_script_or_a_table_count_too(hand, disks):
    asked = len(disks.asked)
    points(hand).add([[40, 60], [80, 100]])
    hand.wait_for_answer()
    assert clicked(hand) == [(40, 60, True), (80, 100, True)]
    assert len(disks.asked) == asked + 1
    points(hand).features = {"positive": ["True", "False"]}
    hand.wait_for_answer()
    assert [sign for *_, sign in clicked(hand)] == [True, False]


def test_pasted_clicks_count_too(hand, disks):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_S)
    hand.click(40, 60)
    assert points(hand).selected_data == {0}
    hand.type(Qt.Key.Key_C, CONTROL)
    hand.type(Qt.Key.Key_V, CONTROL)
    hand.wait(lambda: len(clicked(hand)) == 2)
    hand.wait_for_answer()
    assert clicked(hand) == [(40, 60, True)] * 2
    assert len(disks.asked) == 2


def test_a_copy_of_the_clicks_layer_is_not_taken_for_it(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    copy = points(hand).__class__.create(*points(hand).as_layer_data_tuple())
    copy.name = "my points"
    hand.viewer.layers.append(copy)
    hand.viewer.layers.remove(points(hand))
    hand.wait(lambda: hand.dock.controller.workspace.clicks is not None)
    assert points(hand) is not copy
    assert len(points(hand).data) == 0
    assert hand.session.state.is_empty


def test_a_click_outside_the_image_is_refused_and_said(hand):
    hand.click(-6, 60)
    assert clicked(hand) == []
    assert len(points(hand).data) == 0
    assert hand.dock.hint.text() == "That was outside the image."


def choose_image_layer(hand):
    hand.viewer.layers.selection.active = hand.viewer.layers["grey"]


def choose_pan_tool(hand):
    points(hand).mode = "pan_zoom"


def hide_clicks(hand):
    points(hand).visible = False


@pytest.mark.parametrize(
    ("wander", "why"),
    [(choose_image_layer, OTHER_TOOL), (choose_pan_tool, OTHER_TOOL), (hide_clicks, HIDDEN_CLICKS)],
)
def test_when_clicks_would_do_nothing_the_dock_says_so_and_has_a_way_back(hand, wander, why):
    assert hand.dock.resume.isHidden()
    wander(hand)
    hand.click(40, 60)
    assert clicked(hand) == []
    assert hand.dock.hint.text() == why
    QTest.mouseClick(hand.dock.resume, LEFT)
    assert hand.dock.resume.isHidden()
    assert hand.dock.hint.text() == "Click the object."
    hand.click(40, 60)
    hand.wait_for_answer()
    assert clicked(hand) == [(40, 60, True)]


def test_writing_puts_the_object_into_the_labels_and_starts_the_next(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    mask = preview(hand)
    hand.type(Qt.Key.Key_W)
    assert np.array_equal(labels(hand).data, mask.astype(labels(hand).dtype))
    assert not preview(hand).any()
    assert len(points(hand).data) == 0
    hand.click(43, 64)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert np.array_equal(labels(hand).data == 1, mask)
    assert (labels(hand).data == 2).any()


def test_without_protection_the_new_object_wins(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    hand.dock.object.protect.click()
    hand.click(43, 64)
    hand.wait_for_answer()
    mask = preview(hand)
    hand.type(Qt.Key.Key_W)
    assert np.array_equal(labels(hand).data == 2, mask)


def test_the_next_picture_gets_labels_of_its_own_and_hides_none_in_use(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    before, written = labels(hand), labels(hand).data.copy()
    hand.viewer.layers.remove("grey")
    hand.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    hand.wait(lambda: hand.dock.image.currentText() == "next")
    hand.wait(lambda: hand.dock.controller.workspace.image is not None)
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    assert labels(hand).data[40, 60] == 1
    assert np.array_equal(before.data, written)
    layers = list(hand.viewer.layers)
    assert layers.index(before) < layers.index(hand.viewer.layers["next"])
    assert layers.index(hand.viewer.layers["next"]) < layers.index(labels(hand))


def test_undo_and_redo_to_the_ends_bit_by_bit(hand):
    def seen():
        return clicked(hand), preview(hand), labels(hand).data.copy()

    walk = [
        lambda: hand.click(40, 60),
        lambda: hand.click(40, 70),
        lambda: hand.type(Qt.Key.Key_W),
        lambda: hand.click(80, 60),
        lambda: hand.drag((80, 60), (90, 70)),
        lambda: hand.type(Qt.Key.Key_Q),
        lambda: hand.click(80, 120),
        lambda: hand.type(Qt.Key.Key_W),
    ]
    states = [seen()]
    for act in walk:
        act()
        hand.wait_for_answer()
        states.append(seen())
    for expected in reversed(states[:-1]):
        hand.type(Qt.Key.Key_U)
        assert_same(seen(), expected)
    assert not hand.dock.object.undo.isEnabled()
    for expected in states[1:]:
        hand.type(Qt.Key.Key_U, SHIFT)
        assert_same(seen(), expected)
    assert not hand.dock.object.redo.isEnabled()


def assert_same(found, expected):
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert np.array_equal(found[2], expected[2])


def test_naparis_own_undo_takes_a_written_object_back_and_ours_does_not_fight(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    labels(hand).undo()
    assert not labels(hand).data.any()
    hand.type(Qt.Key.Key_U)
    assert not labels(hand).data.any()
    assert clicked(hand) == [(40, 60, True)]
    hand.type(Qt.Key.Key_U, SHIFT)
    assert labels(hand).data[40, 60] == 1


def test_the_threshold_slider_acts_without_a_pass(hand, disks):
    hand.click(40, 60)
    hand.wait_for_answer()
    asked, area = len(disks.asked), preview(hand).sum()
    hand.dock.object.threshold.setValue(90)
    assert preview(hand).sum() == 0 < area
    hand.dock.object.threshold.setValue(50)
    assert preview(hand).sum() == area
    hand.wait_for_answer()
    assert len(disks.asked) == asked


def test_the_mask_is_hidden_while_h_is_held(hand, qtbot):
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.press(Qt.Key.Key_H)
    assert not preview(hand).any()
    hand.release(Qt.Key.Key_H)
    assert preview(hand).any()


def test_the_inner_loop_is_shown(hand):
    hand.click(40, 60)
    hand.wait_for_answer()
    assert [step.index for step in hand.dock.loop.trace.steps] == [1]
    assert hand.dock.loop.change.text() == "Step 1 changed 7 px; it stops below 3 px."
    assert hand.dock.loop.outcome.text().startswith("2 passes, 0 ms: all steps done")


def test_where_there_are_no_steps_the_dock_says_why(hand):
    trace = hand.dock.loop.trace
    assert trace.text == "The refinement steps appear here."
    trace.show_steps([SimpleNamespace(changed_pixels=None, threshold_pixels=None)])
    assert trace.text == "This click was not refined."
    hand.click(40, 60)
    hand.wait_for_answer()
    assert trace.text == ""


def test_without_an_image_the_dock_waits_for_one(viewer, open_dock, disks):
    hand = open_dock(viewer)
    assert hand.dock.hint.text() == "Open an image to begin."
    viewer.add_image(np.zeros(SHAPE, np.uint8))
    hand.wait(lambda: hand.dock.controller.workspace.image is not None)
    hand.click(40, 60)
    hand.wait_for_answer()
    assert preview(hand)[40, 60]
