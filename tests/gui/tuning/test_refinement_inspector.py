"""The tuning dock looks at the inner loop of a real click, with a tiny real network."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from blob_dataset import blobs
from dock_user import move_pressed
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.app.viewer_driver import LEFT, PLAIN
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.tuning.inspection import in_words
from napari_cfr_icl.gui.tuning.inspector_panel import PIXELS, SHARE, STEPS_SHOWN
from napari_cfr_icl.gui.tuning.refinement_inspector import LAYER_NAME
from napari_cfr_icl.session.preferences import load_preferences
from napari_cfr_icl.session.presets import load_presets
from saved_preferences import choose_tiny_model


@pytest.fixture
def driver(viewer, open_dock):
    """The dock on a picture of blobs."""
    choose_tiny_model()
    picture, _ = blobs(3)
    viewer.add_image(picture, name="blobs", rgb=True)
    driver = open_dock(viewer)
    driver.wait(lambda: driver.dock.controller.is_prepared)
    return driver


@pytest.fixture
def dock(driver):
    """The tuning dock beside it."""
    _, dock = driver.viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Tune refinement")
    yield dock
    dock.end()


@pytest.fixture
def looked(driver, dock):
    """All steps of one click have been seen."""
    _, labels = blobs(3)
    driver.click(*np.argwhere(labels == 1).mean(axis=0))
    driver.wait_for_answer()
    driver.wait(
        lambda: (
            dock.inspector.inspection is not None and dock.inspector.inspection.steps == STEPS_SHOWN
        )
    )
    return dock


def orange(driver):
    """The mask of the step on the picture, as a full plane."""
    layer, full = driver.viewer.layers[LAYER_NAME], np.zeros(blobs(3)[1].shape, bool)
    rows, cols = np.nonzero(layer.data)
    top, left = np.rint(layer.data_to_world((0, 0))).astype(int)
    full[rows + top, cols + left] = True
    return full


def on_canvas(plot, x, y):
    """Data coordinates of a plot as a point on its widget."""
    place = plot.axes.transData.transform((x, y)) / plot.devicePixelRatioF()
    return QPoint(round(place[0]), round(plot.height() - place[1]))


def ran(driver, policy):
    """Passes and mask of the program itself for this click under a policy."""
    session = driver.session
    choice = EngineChoice.of(load_preferences())
    answers = []
    session.inspected.connect(answers.append)
    assert session.inspect(replace(choice, refinement=policy))
    driver.wait(lambda: None in answers)
    session.inspected.disconnect(answers.append)
    return answers[-2].passes, answers[-2].mask().full()


@pytest.mark.bindings
def test_scrubbing_shows_the_mask_of_each_step(driver, looked):
    scrubber, look = looked.inspector_panel.scrubber, looked.inspector.inspection
    assert scrubber.maximum() == STEPS_SHOWN
    assert len(look.changes) == STEPS_SHOWN
    seen = []
    for step in range(STEPS_SHOWN + 1):
        seen.append(orange(driver))
        assert np.array_equal(seen[-1], look.mask(step).full())
        assert f"{seen[-1].sum()} px" in looked.inspector_panel.step_text.text()
        QTest.keyClick(scrubber, Qt.Key.Key_Right)
    changed = tuple(int((a != b).sum()) for a, b in pairwise(seen))
    assert changed == look.changes
    assert max(changed) > 0


def test_the_dock_says_where_the_program_really_stops(driver, looked):
    look = looked.inspector.inspection
    for policy in (
        {"steps": 2},
        {"steps": 6, "adaptive": True, "threshold_pixels": 4},
        {"steps": 6, "adaptive": True, "threshold_fraction": 0.05},
        {"steps": 4, "first_clicks": 0},
    ):
        wanted = replace(Refinement(threshold_pixels=0, rezoom=True), **policy)
        stopping = look.stop(wanted)
        passes, mask = ran(driver, wanted)
        assert stopping.steps + 1 == passes
        assert np.array_equal(look.mask(stopping.kept).full(), mask)


def test_dragging_the_line_moves_the_stop_and_use_this_makes_it_so(driver, looked):
    panel, look = looked.inspector_panel, looked.inspector.inspection
    panel.steps.setValue(STEPS_SHOWN)
    panel.unit.setCurrentText(PIXELS)
    panel.threshold.setValue(1)
    plot = panel.plot
    plot.draw()
    # Well above all: a pixel of the screen is seven hundredths of the value.
    limit = round(1.5 * max(look.changes)) + 3
    start, end = on_canvas(plot, 1, 1), on_canvas(plot, 1, limit)
    QTest.mousePress(plot, LEFT, PLAIN, start)
    for part in (0.3, 0.7, 1.0, 1.0, 1.0):  # the scale keeps still under a mouse that does
        move_pressed(plot, start + (end - start) * part)
    QTest.mouseRelease(plot, LEFT, PLAIN, end)
    assert panel.threshold.value() == pytest.approx(limit, rel=0.1)
    assert look.stop(panel.policy).steps == 1
    assert panel.outcome.text().startswith(in_words(look.stop(panel.policy)))
    panel.use.name.setText("mine")
    QTest.mouseClick(panel.use.button, LEFT)
    assert load_presets()["mine"].refinement == panel.policy
    assert load_preferences().preset == "mine"
    assert driver.dock.engine.preset.value == "mine"
    driver.wait_for_answer()
    assert driver.session.state.answer.passes == 2
    assert driver.session.state.answer.stopped == "converged"


def test_a_bar_shows_its_step_and_the_unit_can_be_changed(looked):
    panel, look = looked.inspector_panel, looked.inspector.inspection
    panel.plot.draw()
    QTest.mouseClick(panel.plot, LEFT, PLAIN, on_canvas(panel.plot, 4, 0.5))
    assert panel.scrubber.value() == 4
    panel.steps.setValue(6)
    panel.unit.setCurrentText(PIXELS)
    panel.threshold.setValue(9)
    panel.unit.setCurrentText(SHARE)
    assert panel.policy.threshold_pixels == 0
    assert panel.policy.threshold_fraction == pytest.approx(9 / look.area(-1), rel=0.01)
    panel.unit.setCurrentText(PIXELS)
    assert panel.threshold.value() == 9


def test_looking_leaves_the_object_as_it_was_and_ends_with_it(driver, looked):
    state = driver.session.state
    assert state.answer.passes < STEPS_SHOWN
    driver.type(Qt.Key.Key_Q)
    assert looked.inspector.inspection is None
    assert LAYER_NAME not in driver.viewer.layers
    driver.type(Qt.Key.Key_U)
    assert driver.session.state.answer is state.answer


@pytest.mark.bindings
def test_plots_follow_the_theme_and_closing_either_dock_is_clean(driver, looked):
    def colours():
        return (
            looked.inspector_panel.plot.figure.get_facecolor(),
            looked.search_panel.plot.figure.get_facecolor(),
        )

    driver.viewer.theme = "dark"
    dark = colours()
    driver.viewer.theme = "light"
    light = colours()
    assert sum(light[0][:3]) > 2 > sum(dark[0][:3])
    assert light[0] == light[1]
    driver.viewer.window.remove_dock_widget(driver.dock)
    driver.wait(lambda: looked.inspector.dock is None)
    assert looked.inspector.inspection is None
    driver.viewer.window.remove_dock_widget(looked)
    assert LAYER_NAME not in driver.viewer.layers
    driver.viewer.theme = "light"


def test_a_dock_that_is_opened_or_closed_is_noticed_at_once(viewer, open_dock):
    choose_tiny_model()
    _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Tune refinement")
    assert dock.inspector.dock is None
    segment = open_dock(viewer).dock
    assert dock.inspector.dock.view is segment
    viewer.window.remove_dock_widget(segment)
    assert dock.inspector.dock is None
    dock.end()


@pytest.mark.own_viewer
def test_closing_the_whole_window_is_clean(driver, looked):
    driver.viewer.close()
    driver.wait(lambda: looked.inspector.dock is None)
    assert looked.inspector.inspection is None
