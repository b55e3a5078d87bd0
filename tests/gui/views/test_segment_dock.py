"""The dock beside others, and what is in sight in it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget

from autosave_user import grab, labels, write


@pytest.mark.own_viewer
def test_a_second_dock_becomes_a_tab_beside_the_first(start, viewer):
    viewer.window.resize(1500, 950)
    driver = start()
    for name in ("Train a model", "Tune refinement"):
        _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", name)
        driver.settle(pauses=True)
        window = viewer.window._qt_window
        first, second = (frame_of(widget) for widget in (driver.dock, dock))
        assert second in window.tabifiedDockWidgets(first)
        assert dock.visibleRegion().boundingRect().height() > 600
    first.raise_()
    driver.settle()
    assert driver.dock.visibleRegion().boundingRect().height() > 600


def frame_of(widget):
    while not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


@pytest.mark.parametrize("size", [(1500, 950), (1280, 720)])
def test_all_buttons_for_a_stack_are_in_sight(start, viewer, size):
    viewer.window.resize(*size)
    driver = start(np.zeros((5, 120, 160), np.uint8))
    driver.settle(pauses=True)
    dock = driver.dock
    shown = [dock.object.write, dock.object.protect, dock.stack.next, dock.stack.fill]
    shown += [dock.work.export, dock.work.save] if size == (1500, 950) else []
    for part in shown:
        assert part.isVisible()
        assert dock.rect().contains(part.mapTo(dock, part.rect().bottomLeft())), part


def test_nothing_below_the_hint_moves_while_one_clicks(start, viewer):
    viewer.window.resize(1500, 950)
    driver = start()
    driver.settle(pauses=True)
    places = set()
    for act in (
        lambda: driver.click(40, 60),
        lambda: driver.click(44, 64, positive=False),
        lambda: driver.type(Qt.Key.Key_W),
        lambda: driver.click(40, 62),
        lambda: driver.type(Qt.Key.Key_Q),
    ):
        act()
        driver.wait_for_answer()
        driver.settle()
        places.add(driver.dock.object.write.mapTo(driver.dock, driver.dock.rect().topLeft()).y())
    assert len(places) == 1


def test_an_object_that_was_written_is_named_until_the_next_click(start, viewer):
    driver = start()
    write(driver, 40, 60)
    assert driver.dock.hint.text() == "Object 1 written. Click the next object."
    driver.click(90, 60)
    driver.wait_for_answer()
    assert "written" not in driver.dock.hint.text()
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_Q)
    assert driver.dock.hint.text() == "Click the object."
    other = np.zeros(labels(driver).data.shape, np.uint8)
    other[60:80, 60:90] = 12
    viewer.add_labels(other, name="cellpose")
    driver.dock.controller.workspace.select_clicks()
    grab(driver, 70, 70)
    driver.type(Qt.Key.Key_W)
    assert driver.dock.hint.text() == "Object 12 written. Click the next object."
