"""Clicks on the canvas become clicks of the object and a mask on the screen."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtTest import QTest

from napari_cfr_icl.gui.app.viewer_driver import CONTROL, LEFT, SHIFT
from napari_cfr_icl.gui.layers.click_layer import GREEN, RED
from napari_cfr_icl.gui.layers.napari_private import canvas_widget
from napari_cfr_icl.gui.threads import main_thread_bridge
from napari_cfr_icl.gui.views.messages import HIDDEN_CLICKS, ONLY_BACKGROUND, OTHER_TOOL
from napari_cfr_icl.gui.views.segment_dock import SegmentDock

SHAPE = (120, 160)


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on a grey image, with the disk predictor."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def preview(driver):
    """The mask on the screen as a full plane of bool."""
    layer = driver.dock.controller.workspace.preview.layer
    full = np.zeros(SHAPE, bool)
    if layer is not None and layer.visible:
        rows, cols = np.nonzero(layer.data)
        if rows.size:
            top, left = np.rint(layer.data_to_world((0, 0))).astype(int)
            full[rows + top, cols + left] = True
    return full


def points(driver):
    return driver.dock.controller.workspace.clicks.points


def labels(driver):
    return driver.dock.controller.workspace.labels


def clicked(driver):
    """Clicks of the session, rounded to whole pixels."""
    return [(round(c.row), round(c.col), c.positive) for c in driver.session.state.clicks]


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


@pytest.mark.bindings
def test_a_click_is_drawn_before_the_network_takes_the_processor(driver, disks, monkeypatch):
    monkeypatch.setattr(main_thread_bridge, "LONGEST_DRAWING", 60)
    course = []
    points(driver).events.data.connect(lambda event: course.append(str(event.action)))
    monkeypatch.setattr(disks, "steps", noting(course, disks.steps))
    paints = Paints(canvas_widget(driver.viewer), course)
    driver.click(40, 60)
    driver.wait_for_answer()
    paints.deleteLater()
    assert course[:2] == ["adding", "added"]
    assert "drawn" in course[: course.index("asked")]


def noting(course, steps):
    """The method of a predictor that writes "asked" into `course` first."""

    def noted(*request):
        course.append("asked")
        return steps(*request)

    return noted


def test_the_dock_has_prepared_everything(driver):
    assert isinstance(driver.dock, SegmentDock)
    assert driver.dock.image.currentText() == "grey"
    assert driver.dock.labels.currentText() == "objects"
    assert [layer.name for layer in driver.viewer.layers] == [
        "grey",
        "objects",
        "current object",
        "clicks",
    ]
    assert driver.viewer.layers.selection.active is points(driver)
    assert driver.dock.hint.text() == "Click the object."


@pytest.mark.bindings
def test_a_left_click_shows_a_mask_there(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    assert clicked(driver) == [(40, 60, True)]
    mask = preview(driver)
    assert mask[40, 60]
    assert mask.sum() == driver.session.mask.values.sum() > 20
    assert not labels(driver).data.any()


@pytest.mark.bindings
@pytest.mark.parametrize(
    ("button", "modifier"),
    [pytest.param(False, Qt.KeyboardModifier.NoModifier, id="right"), (True, CONTROL)],
)
def test_right_and_control_clicks_are_background(driver, button, modifier):
    driver.click(40, 60)
    driver.click(44, 60, button, modifier)
    driver.wait_for_answer()
    assert clicked(driver) == [(40, 60, True), (44, 60, False)]
    assert preview(driver)[38, 60]
    assert not preview(driver)[44, 60]


def test_colour_and_symbol_tell_the_signs_apart(driver):
    driver.click(40, 60)
    driver.click(60, 60, positive=False)
    driver.wait_for_answer()
    assert [str(symbol) for symbol in points(driver).symbol] == ["disc", "cross"]
    colours = np.rint(points(driver).face_color[:, :3] * 255).astype(np.uint8)
    assert [f"#{bytes(colour).hex()}" for colour in colours] == [GREEN, RED]
    assert list(points(driver).features["positive"]) == [True, False]
    assert not points(driver).selected_data


def test_the_next_sign_can_be_flipped_once(driver):
    driver.click(40, 60)
    driver.type(Qt.Key.Key_N)
    assert driver.dock.object.sign.isChecked()
    driver.click(60, 60)
    assert not driver.dock.object.sign.isChecked()
    driver.click(80, 60)
    driver.wait_for_answer()
    assert [sign for *_, sign in clicked(driver)] == [True, False, True]


def test_a_flipped_sign_does_not_outlast_its_object(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_N)
    driver.type(Qt.Key.Key_W)
    assert not driver.dock.object.sign.isChecked()
    driver.click(80, 60)
    driver.wait_for_answer()
    assert clicked(driver) == [(80, 60, True)]


def test_an_object_of_background_alone_asks_for_a_click_on_it(driver):
    driver.click(40, 60, positive=False)
    driver.wait_for_answer()
    assert driver.dock.hint.text() == ONLY_BACKGROUND


@pytest.mark.bindings
def test_dragging_a_click_moves_the_mask_once(driver, disks):
    driver.click(40, 60)
    driver.wait_for_answer()
    asked = len(disks.asked)
    driver.drag((40, 60), (80, 100))
    driver.wait_for_answer()
    assert clicked(driver) == [(80, 100, True)]
    assert len(disks.asked) == asked + 1
    assert preview(driver)[80, 100]
    assert not preview(driver)[40, 60]
    assert len(points(driver).data) == 1


def test_dragging_beside_clicks_pans_and_adds_nothing(driver):
    driver.click(40, 60)
    before = driver.place(40, 60)
    driver.drag((80, 80), (100, 120))
    driver.wait(lambda: driver.place(40, 60) != before)
    assert clicked(driver) == [(40, 60, True)]


def test_a_click_on_a_click_selects_it_and_delete_removes_it(driver):
    driver.click(40, 60)
    driver.click(80, 100)
    driver.wait_for_answer()
    driver.click(40, 60)
    assert points(driver).selected_data == {0}
    assert len(points(driver).data) == 2
    driver.type(Qt.Key.Key_Delete)
    driver.wait_for_answer()
    assert clicked(driver) == [(80, 100, True)]
    assert preview(driver)[80, 100]
    assert not preview(driver)[40, 60]


def test_deleting_several_clicks_is_one_change(driver, disks):
    for col in (30, 60, 90, 120):
        driver.click(40, col)
    driver.wait_for_answer()
    asked = len(disks.asked)
    points(driver).selected_data = {0, 2}
    driver.type(Qt.Key.Key_Delete)
    driver.wait_for_answer()
    assert [col for _, col, _ in clicked(driver)] == [60, 120]
    assert len(disks.asked) == asked + 1


def test_points_from_a_script_or_a_table_count_too(driver, disks):
    asked = len(disks.asked)
    points(driver).add([[40, 60], [80, 100]])
    driver.wait_for_answer()
    assert clicked(driver) == [(40, 60, True), (80, 100, True)]
    assert len(disks.asked) == asked + 1
    points(driver).features = {"positive": ["True", "False"]}
    driver.wait_for_answer()
    assert [sign for *_, sign in clicked(driver)] == [True, False]


@pytest.mark.bindings
def test_pasted_clicks_count_too(driver, disks):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_S)
    driver.click(40, 60)
    assert points(driver).selected_data == {0}
    driver.type(Qt.Key.Key_C, CONTROL)
    driver.type(Qt.Key.Key_V, CONTROL)
    driver.wait(lambda: len(clicked(driver)) == 2)
    driver.wait_for_answer()
    assert clicked(driver) == [(40, 60, True)] * 2
    assert len(disks.asked) == 2


def test_a_copy_of_the_clicks_layer_is_not_taken_for_it(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    copy = points(driver).__class__.create(*points(driver).as_layer_data_tuple())
    copy.name = "my points"
    driver.viewer.layers.append(copy)
    driver.viewer.layers.remove(points(driver))
    driver.wait(lambda: driver.dock.controller.workspace.clicks is not None)
    assert points(driver) is not copy
    assert len(points(driver).data) == 0
    assert driver.session.state.is_empty


def test_a_click_outside_the_image_is_refused_and_said(driver):
    driver.click(-6, 60)
    assert clicked(driver) == []
    assert len(points(driver).data) == 0
    assert driver.dock.hint.text() == "That was outside the image."


def choose_image_layer(driver):
    driver.viewer.layers.selection.active = driver.viewer.layers["grey"]


def choose_pan_tool(driver):
    points(driver).mode = "pan_zoom"


def hide_clicks(driver):
    points(driver).visible = False


@pytest.mark.parametrize(
    ("wander", "why"),
    [(choose_image_layer, OTHER_TOOL), (choose_pan_tool, OTHER_TOOL), (hide_clicks, HIDDEN_CLICKS)],
)
def test_when_clicks_would_do_nothing_the_dock_says_so_and_has_a_way_back(driver, wander, why):
    assert driver.dock.resume.isHidden()
    wander(driver)
    driver.click(40, 60)
    assert clicked(driver) == []
    assert driver.dock.hint.text() == why
    QTest.mouseClick(driver.dock.resume, LEFT)
    assert driver.dock.resume.isHidden()
    assert driver.dock.hint.text() == "Click the object."
    driver.click(40, 60)
    driver.wait_for_answer()
    assert clicked(driver) == [(40, 60, True)]


def test_writing_puts_the_object_into_the_labels_and_starts_the_next(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    mask = preview(driver)
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data, mask.astype(labels(driver).dtype))
    assert not preview(driver).any()
    assert len(points(driver).data) == 0
    driver.click(43, 64)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data == 1, mask)
    assert (labels(driver).data == 2).any()


def test_without_protection_the_new_object_wins(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    driver.dock.object.protect.click()
    driver.click(43, 64)
    driver.wait_for_answer()
    mask = preview(driver)
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data == 2, mask)


def test_the_next_picture_gets_labels_of_its_own_and_hides_none_in_use(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    before, written = labels(driver), labels(driver).data.copy()
    driver.viewer.layers.remove("grey")
    driver.viewer.add_image(np.zeros(SHAPE, np.uint8), name="next")
    driver.wait(lambda: driver.dock.image.currentText() == "next")
    driver.wait(lambda: driver.dock.controller.workspace.image is not None)
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert labels(driver).data[40, 60] == 1
    assert np.array_equal(before.data, written)
    layers = list(driver.viewer.layers)
    assert layers.index(before) < layers.index(driver.viewer.layers["next"])
    assert layers.index(driver.viewer.layers["next"]) < layers.index(labels(driver))


def test_undo_and_redo_to_the_ends_bit_by_bit(driver):
    def seen():
        return clicked(driver), preview(driver), labels(driver).data.copy()

    walk = [
        lambda: driver.click(40, 60),
        lambda: driver.click(40, 70),
        lambda: driver.type(Qt.Key.Key_W),
        lambda: driver.click(80, 60),
        lambda: driver.drag((80, 60), (90, 70)),
        lambda: driver.type(Qt.Key.Key_Q),
        lambda: driver.click(80, 120),
        lambda: driver.type(Qt.Key.Key_W),
    ]
    states = [seen()]
    for act in walk:
        act()
        driver.wait_for_answer()
        states.append(seen())
    for expected in reversed(states[:-1]):
        driver.type(Qt.Key.Key_U)
        assert_same(seen(), expected)
    assert not driver.dock.object.undo.isEnabled()
    for expected in states[1:]:
        driver.type(Qt.Key.Key_U, SHIFT)
        assert_same(seen(), expected)
    assert not driver.dock.object.redo.isEnabled()


def assert_same(found, expected):
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert np.array_equal(found[2], expected[2])


def test_naparis_own_undo_takes_a_written_object_back_and_ours_does_not_fight(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    labels(driver).undo()
    assert not labels(driver).data.any()
    driver.type(Qt.Key.Key_U)
    assert not labels(driver).data.any()
    assert clicked(driver) == [(40, 60, True)]
    driver.type(Qt.Key.Key_U, SHIFT)
    assert labels(driver).data[40, 60] == 1


def test_the_threshold_slider_acts_without_a_pass(driver, disks):
    driver.click(40, 60)
    driver.wait_for_answer()
    asked, area = len(disks.asked), preview(driver).sum()
    driver.dock.object.threshold.setValue(90)
    assert preview(driver).sum() == 0 < area
    driver.dock.object.threshold.setValue(50)
    assert preview(driver).sum() == area
    driver.wait_for_answer()
    assert len(disks.asked) == asked


@pytest.mark.bindings
def test_the_mask_is_hidden_while_h_is_held(driver, qtbot):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.press(Qt.Key.Key_H)
    assert not preview(driver).any()
    driver.release(Qt.Key.Key_H)
    assert preview(driver).any()


def test_the_inner_loop_is_shown(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    assert [step.index for step in driver.dock.loop.trace.steps] == [1]
    assert driver.dock.loop.change.text() == "Step 1 changed 7 px; it stops below 3 px."
    assert driver.dock.loop.outcome.text().startswith("2 passes, 0.00 s: all steps done")


def test_where_there_are_no_steps_the_dock_says_why(driver):
    trace = driver.dock.loop.trace
    assert trace.text == "The refinement steps appear here."
    trace.show_steps([SimpleNamespace(changed_pixels=None, threshold_pixels=None)])
    assert trace.text == "One pass: the method refines no more here."
    driver.click(40, 60)
    driver.wait_for_answer()
    assert trace.text == ""


def test_without_an_image_the_dock_waits_for_one(viewer, open_dock, disks):
    driver = open_dock(viewer)
    assert driver.dock.hint.text() == "Open an image to begin."
    viewer.add_image(np.zeros(SHAPE, np.uint8))
    driver.wait(lambda: driver.dock.controller.workspace.image is not None)
    driver.click(40, 60)
    driver.wait_for_answer()
    assert preview(driver)[40, 60]


def test_in_grid_view_one_sentence_says_where_the_mask_is(driver):
    hint = driver.dock.hint.text
    grid = getattr(driver.viewer, "canvas", driver.viewer).grid
    grid.enabled = True
    assert "grid view" in hint()
    grid.stride = len(driver.viewer.layers)  # all in one cell
    assert "grid view" not in hint()
    grid.stride = 1
    assert "grid view" in hint()
    grid.enabled = False
    assert "grid view" not in hint()
