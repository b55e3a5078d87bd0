"""The viewer looks no more at what clicks and mask cover, until the dock is closed."""

import functools

import numpy as np
import pytest

from napari_cfr_icl.gui.layers import extent_workaround


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
    extent_workaround.skip_extent(OtherViewer(), points)
    extent_workaround.restore_extent(OtherViewer(), points)
    assert points.events.data.callbacks == listeners
