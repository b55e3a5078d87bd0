"""Boxes, scribbles and lassos on the canvas: one step each, as a click is."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import crash, labels, opened, picture, settle, work_at
from napari_cfr_icl.engine.prompts.gestures import Box, Lasso, Scribble
from napari_cfr_icl.engine.prompts.prompt import prompt_of
from napari_cfr_icl.gui.app.viewer_driver import CONTROL, RIGHT, SHIFT
from napari_cfr_icl.gui.layers.napari_private import canvas_widget
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.widgets.stroke_overlay import StrokeOverlay

ALT = Qt.KeyboardModifier.AltModifier
SHAPE = (120, 160)
BOX = [(30, 40), (40, 60), (60, 90)]
STROKE = [(40, 50), (45, 62), (52, 75), (60, 90)]
AROUND = [(60 + 25 * np.sin(a), 80 + 30 * np.cos(a)) for a in np.linspace(0, 2 * np.pi, 15)]
GESTURES = {
    "box": (BOX, CONTROL, Box(30, 40, 60, 90)),
    "scribble": (STROKE, SHIFT, Scribble(tuple(STROKE))),
    "lasso": (AROUND, SHIFT, Lasso(tuple(AROUND))),
}


@pytest.fixture
def driver(start):
    return start()


def near(clicks, others):
    """Whether clicks are the same but for the pixels of the screen that the mouse is on."""
    return len(clicks) == len(others) and all(
        abs(a.row - b.row) <= 2 and abs(a.col - b.col) <= 2 and a.positive == b.positive
        for a, b in zip(clicks, others, strict=True)
    )


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def inside(previous):
    return previous.full() > 0


@pytest.mark.bindings
@pytest.mark.parametrize("name", GESTURES)
def test_a_gesture_is_one_step(driver, disks, name):
    places, modifier, gesture = GESTURES[name]
    camera = getattr(driver.viewer, "scene", driver.viewer).camera
    centre = camera.center
    driver.draw(places, modifier)
    driver.wait_for_answer()
    wanted = prompt_of(gesture, SHAPE)
    clicks, previous = disks.asked[-1]
    assert near(clicks, wanted.clicks)
    if wanted.previous is None:
        assert previous is None
    else:
        assert iou(inside(previous), inside(wanted.previous)) > 0.9
        assert previous.values.max() == np.float32(0.7)
    assert len(disks.asked) == 1
    assert camera.center == centre
    area = driver.session.mask.values.sum()
    driver.click(100, 20)
    driver.wait_for_answer()
    assert len(disks.asked[-1][0]) == len(clicks) + 1
    driver.type(Qt.Key.Key_U)
    assert driver.session.mask.values.sum() == area
    driver.type(Qt.Key.Key_U)
    assert driver.session.state.is_empty
    driver.type(Qt.Key.Key_U, SHIFT)
    driver.type(Qt.Key.Key_W)
    assert (labels(driver).data == 1).sum() == area


@pytest.mark.parametrize(
    ("modifier", "button"), [(SHIFT, RIGHT), (SHIFT | CONTROL, Qt.MouseButton.LeftButton)]
)
def test_a_stroke_on_the_background_corrects(driver, modifier, button):
    driver.draw(BOX, CONTROL)
    driver.wait_for_answer()
    before = driver.session.state.clicks
    driver.draw([(45, 50), (45, 80)], modifier, button)
    driver.wait_for_answer()
    clicks = driver.session.state.clicks
    assert clicks[: len(before)] == before
    assert [click.positive for click in clicks[len(before) :]] == [False] * 3
    assert not driver.session.mask.full()[45, 52:78:9].any()
    driver.type(Qt.Key.Key_U)
    assert driver.session.state.clicks == before


def test_a_press_with_a_modifier_that_is_still_is_a_click(driver):
    driver.click(40, 60)
    driver.click(44, 60, modifier=CONTROL)
    driver.click(70, 70, modifier=SHIFT)
    driver.wait_for_answer()
    signs = [(round(click.row), click.positive) for click in driver.session.state.clicks]
    assert signs == [(40, True), (44, False), (70, True)]


def test_the_outline_is_drawn_while_the_mouse_is_down(driver):
    canvas = canvas_widget(driver.viewer)
    step = driver.drawing(AROUND, SHIFT)
    shown = []
    for _ in step:
        driver.settle()
        shown += [len(canvas.findChildren(StrokeOverlay))]
    driver.settle()
    assert shown[-1] == 1
    assert not [child for child in canvas.findChildren(StrokeOverlay) if child.isVisible()]


def test_going_to_and_fro_is_a_scribble(driver, disks):
    rows = (50, 52, 54, 56)
    driver.draw([(row, col) for row in rows for col in (40, 90)] + [(50, 40)], SHIFT)
    driver.wait_for_answer()
    clicks, previous = disks.asked[-1]
    assert previous is None
    assert len(clicks) == 3


def test_a_box_outside_the_image_is_refused(driver, disks):
    driver.draw([(-40, -40), (-20, -10)], CONTROL)
    assert driver.dock.hint.text().startswith("The box holds no pixel of the image")
    assert not disks.asked
    assert driver.session.state.is_empty


def test_a_gesture_redraws_a_grabbed_object_which_keeps_its_id(driver):
    driver.draw(BOX, CONTROL)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    driver.hover(45, 65)
    driver.type(Qt.Key.Key_G)
    driver.draw(AROUND, SHIFT)
    driver.wait_for_answer()
    mask = driver.session.mask.full()
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data == 1, mask)
    assert labels(driver).data.max() == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"scale": (3, 0.5, 0.25)}, id="scaled"),
        pytest.param({"scale": (1, -2, 1), "translate": (4, 7, 9)}, id="mirrored"),
        pytest.param({"rotate": np.eye(3)[[0, 2, 1]]}, id="turned"),
    ],
)
def test_gestures_on_planes_of_a_placed_stack(start, disks, options):
    driver = start(np.zeros((5, *SHAPE), np.uint8), **options)
    driver.viewer.reset_view()
    masks = []
    for plane, (places, modifier, gesture) in enumerate(GESTURES.values(), start=1):
        # The object of the plane before is written, as by a click.
        driver.viewer.dims.set_current_step(0, plane)
        driver.settle()
        driver.draw(places, modifier)
        driver.wait_for_answer()
        assert near(disks.asked[-1][0], prompt_of(gesture, SHAPE).clicks)
        masks.append(driver.session.mask.full())
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert not ids[[0, 4]].any()
    for label, mask in enumerate(masks, start=1):
        assert np.array_equal(ids[label], mask * label)


def test_a_box_on_a_turned_image_is_what_was_drawn(start, disks):
    driver = start(picture(), rotate=30)
    driver.viewer.reset_view()
    driver.settle()
    driver.draw([(40, 60), (70, 90)], CONTROL)
    driver.wait_for_answer()
    _, previous = disks.asked[-1]
    rows, cols = np.nonzero(inside(previous))
    assert abs(rows.mean() - 55) < 2
    assert abs(cols.mean() - 75) < 2
    # The drag is the diagonal, 75 degrees steep on the screen.
    assert 400 < len(rows) < 500


@pytest.mark.parametrize("name", ["box", "lasso"])
def test_a_gesture_survives_a_crash(driver, viewer, open_dock, disks, data, name):
    places, modifier, _ = GESTURES[name]
    driver.draw(places, modifier)
    driver.wait_for_answer()
    asked, view = disks.asked[-1], driver.session.state.view
    wanted = driver.session.mask.full()
    assert work_at(driver).current.view == view
    crash(driver, data, viewer)
    viewer.add_image(picture(), name="grey", contrast_limits=(0, 255))
    again = opened(open_dock, viewer)
    again.dock.offer.restore.click()
    settle(again)
    again.wait_for_answer()
    assert disks.asked[-1][0] == asked[0]
    assert np.array_equal(disks.asked[-1][1].values, asked[1].values)
    assert getattr(disks.asked[-1][1], "box", None) == getattr(asked[1], "box", None)
    assert getattr(disks.asked[-1][1], "clicks", None) == getattr(asked[1], "clicks", None)
    assert again.session.state.view == view
    assert np.array_equal(again.session.mask.full(), wanted)


@pytest.mark.parametrize(
    ("kind", "vertices", "gesture"),
    [
        ("rectangle", [(30, 40), (60, 90)], Box(30, 40, 60, 90)),
        ("polygon", AROUND[:-1], Lasso(tuple(AROUND))),
        ("path", STROKE, Scribble(tuple(STROKE))),
    ],
)
def test_a_shape_of_a_shapes_layer_is_a_gesture(driver, disks, kind, vertices, gesture):
    layer = driver.viewer.add_shapes(
        [np.array(vertices) * 0.5, np.array(vertices)[:4] * 0.1], shape_type=kind, scale=(2, 2)
    )
    assert driver.dock.hint.text() == messages.SHAPES
    assert driver.dock.use_shapes.isVisibleTo(driver.dock)
    layer.selected_data = {0}
    driver.dock.use_shapes.click()
    driver.wait_for_answer()
    assert near(disks.asked[-1][0], prompt_of(gesture, SHAPE).clicks)
    assert not driver.dock.use_shapes.isVisibleTo(driver.dock)
    assert len(layer.data) == 2
    driver.type(Qt.Key.Key_W)
    assert (labels(driver).data == 1).any()


SEVERAL = [(20, 30), (60, 80), (95, 130)]


def click_several(driver):
    for place in SEVERAL:
        driver.click(*place, modifier=ALT)
        driver.wait_for_answer()


@pytest.mark.bindings
def test_clicks_with_alt_are_objects_that_are_written_together(driver, disks):
    click_several(driver)
    assert [len(clicks) for clicks, _ in disks.asked] == [1, 1, 1]
    preview = driver.dock.controller.workspace.preview.layer
    assert preview.data.sum() == driver.session.shown_mask.values.sum() > 150
    assert driver.dock.hint.text().startswith("3 objects: ")
    driver.click(95, 136)
    driver.wait_for_answer()
    assert len(disks.asked[-1][0]) == 2
    shown = driver.session.shown_mask.full()
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert [ids[place] for place in SEVERAL] == [1, 2, 3]
    assert ids[95, 136] == 3
    assert np.array_equal(ids > 0, shown)
    driver.type(Qt.Key.Key_U)
    assert not ids.any()
    assert np.array_equal(driver.session.shown_mask.full(), shown)
    for left in (3, 2, 1, 0):
        driver.type(Qt.Key.Key_U)
        state = driver.session.state
        assert len(state.others) + (not state.is_empty) == left


def test_objects_that_are_begun_in_a_hurry_are_all_answered_and_written(driver, disks):
    disks.may_step = threading.Semaphore(0)
    for place in SEVERAL:
        driver.click(*place, modifier=ALT)
    driver.type(Qt.Key.Key_W)
    assert not labels(driver).data.any()
    disks.may_step.release(100)
    driver.wait(lambda: driver.session.state.is_empty)
    assert [labels(driver).data[place] for place in SEVERAL] == [1, 2, 3]
    assert (labels(driver).data == 1).sum() == (labels(driver).data == 3).sum()


def test_boxes_with_alt_and_the_object_before_are_written_together(driver):
    driver.click(100, 20)
    driver.wait_for_answer()
    driver.draw(BOX, ALT)
    driver.wait_for_answer()
    driver.draw([(75, 100), (90, 120), (105, 140)], ALT)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert [ids[100, 20], ids[45, 65], ids[90, 120]] == [1, 2, 3]


def test_all_selected_shapes_are_objects_in_one_step(driver, disks):
    boxes = [np.array([(row - 8, col - 8), (row + 8, col + 8)]) for row, col in SEVERAL]
    layer = driver.viewer.add_shapes(boxes, shape_type="rectangle")
    driver.dock.use_shapes.click()
    driver.wait_for_answer()
    assert len(disks.asked) == 3
    driver.type(Qt.Key.Key_W)
    assert [labels(driver).data[place] for place in SEVERAL] == [1, 2, 3]
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_U)
    assert driver.session.state.is_empty
    layer.selected_data = set()
    layer.data = []
    driver.viewer.layers.selection.active = layer
    driver.dock.use_shapes.click()
    assert driver.dock.hint.text() == messages.NO_SHAPE


def test_paint_changes_the_current_one_of_several(driver):
    click_several(driver)
    layer = driver.dock.controller.workspace.preview.layer
    driver.viewer.layers.selection.active = layer
    layer.mode, layer.brush_size = "paint", 5
    driver.click(110, 100)
    driver.dock.resume.click()
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert [ids[place] for place in [*SEVERAL, (110, 100)]] == [1, 2, 3, 3]


def test_one_that_others_cover_is_left_out_and_told(driver, said):
    driver.click(60, 80, modifier=ALT)
    driver.wait_for_answer()
    driver.click(60, 80, modifier=ALT)
    driver.wait_for_answer()
    driver.click(20, 30, modifier=ALT)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    ids = labels(driver).data
    assert [ids[60, 80], ids[20, 30]] == [1, 2]
    assert any("without a pixel of their own" in sentence for sentence in said())


def test_several_objects_survive_a_crash(driver, viewer, open_dock, data):
    click_several(driver)
    wanted = driver.session.shown_mask.full()
    crash(driver, data, viewer)
    viewer.add_image(picture(), name="grey", contrast_limits=(0, 255))
    again = opened(open_dock, viewer)
    again.dock.offer.restore.click()
    settle(again)
    again.wait_for_answer()
    assert np.array_equal(again.session.shown_mask.full(), wanted)
    again.type(Qt.Key.Key_W)
    assert [labels(again).data[place] for place in SEVERAL] == [1, 2, 3]


@pytest.mark.parametrize("name", GESTURES)
@pytest.mark.parametrize(
    "change", [{"translate": (9, -12)}, {"scale": (2, 2)}, {"rotate": 20}], ids=str
)
def test_an_image_that_is_moved_under_a_stroke_calls_it_off(driver, disks, name, change):
    places, modifier, _ = GESTURES[name]
    image = driver.dock.controller.workspace.image
    for number, _ in enumerate(driver.drawing(places, modifier)):
        if number == 1:
            for key, value in change.items():
                setattr(image, key, value)
        driver.settle()
    driver.settle()
    assert driver.session.state.is_empty
    assert not disks.asked
    assert driver.dock.hint.text() == messages.TORN
    driver.viewer.reset_view()
    driver.draw(places, modifier)
    driver.wait_for_answer()
    assert len(disks.asked) == 1
