"""Private parts of napari: the dock uses them where they are, and works without them."""

import functools
import sys

import numpy as np
import pytest
from napari.layers import Labels

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.gui.layers import napari_private


@pytest.fixture
def measured(viewer, monkeypatch):
    """How often the viewer has measured its layers."""
    times = []
    measure = type(viewer)._on_layers_change

    @functools.wraps(measure)
    def count(viewer):
        times.append(1)
        measure(viewer)

    monkeypatch.setattr(type(viewer), "_on_layers_change", count)
    return times


@pytest.mark.usefixtures("disks")
def test_a_click_and_its_mask_measure_nothing(viewer, open_dock, measured):
    viewer.add_image(np.zeros((90, 120), np.uint8))
    driver = open_dock(viewer)
    driver.wait_for_answer()
    measured.clear()
    driver.click(40, 60)
    driver.wait_for_answer()
    assert driver.dock.controller.workspace.preview.layer.data.any()
    assert measured == []


@pytest.mark.bindings
@pytest.mark.usefixtures("disks")
def test_points_that_the_dock_has_left_are_measured_again(viewer, open_dock, measured):
    viewer.add_image(np.zeros((90, 120), np.uint8))
    driver = open_dock(viewer)
    points = driver.dock.controller.workspace.clicks.points
    viewer.window.remove_dock_widget(driver.dock)
    driver.wait(lambda: driver.dock.controller.workspace.clicks is None)
    measured.clear()
    points.add((500, 7))
    assert measured
    assert viewer.dims.range[0].stop == 500


def test_a_napari_without_that_name_does_as_it_likes(viewer):
    class OtherViewer:
        layers = viewer.layers

    points = viewer.add_points(np.zeros((1, 2)))
    listeners = points.events.data.callbacks
    napari_private.skip_extent(OtherViewer(), points)
    napari_private.restore_extent(OtherViewer(), points)
    assert points.events.data.callbacks == listeners


@pytest.fixture
def blocked(viewer, monkeypatch):
    """A napari that lets no plugin at its private parts."""
    qt_viewer = viewer.window._qt_viewer

    def for_napari_only(_window):
        if sys._getframe(1).f_globals["__name__"].startswith("napari_cfr_icl"):
            raise AttributeError("private")
        return qt_viewer

    monkeypatch.setattr(type(viewer.window), "_qt_viewer", property(for_napari_only), raising=False)
    monkeypatch.delattr(Labels, "_paint_region_with_mask", raising=False)
    yield viewer
    monkeypatch.undo()


@pytest.mark.usefixtures("disks")
def test_the_dock_works_where_private_parts_are_blocked(blocked, open_dock):
    blocked.add_image(np.zeros((90, 120), np.uint8))
    driver = open_dock(blocked)
    driver.wait_for_answer()
    workspace = driver.dock.controller.workspace
    workspace.clicks.points.add((40, 60))
    driver.wait_for_answer()
    assert workspace.preview.layer.data.any()
    driver.dock.object.write.click()
    assert workspace.labels.data.max() == 1
    blocked.layers.remove(workspace.labels)
    driver.wait(lambda: workspace.labels is None)


def test_a_canvas_that_is_blocked_is_told_in_a_sentence(blocked):
    with pytest.raises(CfrIclError, match="gives no access to its canvas"):
        napari_private.canvas_widget(blocked)
