"""The axis that J, K and Fill go along, channels on a slider, and sizes that napari left out."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from autosave_user import SHAPE, opened

Z, CHANNELS = 7, 2


@pytest.fixture
def opened_file(viewer, open_dock, disks, data, tmp_path):
    """A dock on a z-stack of two channels, as napari opens its file."""

    def start(imagej=False):
        path = tmp_path / ("cells.tif" if imagej else "cells.ome.tif")
        pixels = np.random.default_rng(0).integers(0, 200, (Z, CHANNELS, *SHAPE), np.uint8)
        if imagej:
            about = {"axes": "ZCYX", "spacing": 0.5, "unit": "um"}
            tifffile.imwrite(path, pixels, imagej=True, resolution=(8, 8), metadata=about)
        else:
            sizes = {f"PhysicalSize{axis}": 0.125 for axis in "XY"} | {"PhysicalSizeZ": 0.5}
            tifffile.imwrite(path, pixels, metadata={"axes": "ZCYX", **sizes})
        viewer.open(str(path), plugin="napari")
        viewer.dims.set_point(0, 3)
        return opened(open_dock, viewer)

    return start


@pytest.fixture
def on(start):
    """A dock on an array, with plane 3 of its longest axis on the screen."""

    def make(*shape, **options):
        driver = start(np.zeros((*shape, *SHAPE), np.uint8), **options)
        driver.viewer.dims.set_point(int(np.argmax(shape)), 3)
        driver.settle()
        return driver

    return make


def carried(driver, key=Qt.Key.Key_K):
    """Where a click was taken by a key."""
    before = driver.viewer.dims.current_step
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(key)
    driver.wait_for_answer()
    moved = np.subtract(driver.viewer.dims.current_step, before)
    return [(axis, int(step)) for axis, step in enumerate(moved) if step]


@pytest.mark.parametrize("imagej", [False, True])
def test_the_file_names_the_axis_and_its_pixel_sizes(opened_file, imagej):
    driver = opened_file(imagej)
    stack = driver.dock.stack
    assert [stack.axis.itemText(i) for i in range(2)] == ["z (7)", "channel (2)"]
    assert stack.axis.currentText() == "z (7)"
    assert stack.lost.text.text().startswith("napari has left out the pixel sizes of ")
    assert carried(driver) == [(0, 1)]
    stack.lost.yes.click()
    driver.settle()
    image = driver.dock.controller.workspace.image
    assert np.allclose(image.scale, (0.5, 1, 0.125, 0.125))
    assert [str(unit) for unit in image.units[2:]] == ["micrometer"] * 2
    assert stack.lost.isHidden()
    # Labels and clicks have followed.
    driver.type(Qt.Key.Key_W)
    labels = driver.dock.controller.workspace.labels
    assert np.allclose(labels.scale, image.scale)
    assert labels.data[4, 0, 40, 60] == 1


@pytest.mark.parametrize(
    ("shape", "options", "axis"),
    [
        ((7, 2), {}, 0),
        ((2, 7), {}, 1),
        ((5, 7), {}, 1),
        ((7, 5), {"axis_labels": ("z", "t", "y", "x")}, 0),
        ((7, 9), {"axis_labels": ("t", "channel", "y", "x")}, 0),
    ],
)
def test_the_object_goes_along_the_stack_and_not_through_channels(on, shape, options, axis):
    driver = on(*shape, **options)
    driver.viewer.dims.set_point(axis, 3)
    assert carried(driver) == [(axis, 1)]


def test_another_axis_can_be_chosen_and_is_kept(on):
    driver = on(7, 3)
    menu = driver.dock.stack.axis
    menu.setCurrentIndex(1)
    menu.activated.emit(1)
    driver.viewer.dims.set_point(1, 0)
    assert carried(driver) == [(1, 1)]
    assert carried(driver) == [(1, 1)]
    driver.type(Qt.Key.Key_K)
    assert driver.dock.hint.text() == "The stack ends here."


def test_a_stack_does_not_widen_the_dock(opened_file):
    driver = opened_file()
    assert driver.dock.stack_section.minimumSizeHint().width() < driver.dock.minimumWidth()


def test_closing_the_viewer_of_a_stack_tells_of_nothing(on):
    driver = on(7, 3)
    driver.viewer.layers.clear()
    driver.settle()


def test_a_time_series_has_frames(on):
    driver = on(4, axis_labels=("time", "y", "x"))
    assert carried(driver) == []
    assert driver.dock.hint.text() == "The time series ends here."
    assert driver.dock.stack_section.title.endswith("Through time")


def test_channels_are_split_into_layers_in_their_place(opened_file, said):
    driver = opened_file()
    driver.dock.stack.lost.yes.click()
    driver.dock.stack.split.click()
    driver.settle()
    first, second = (driver.viewer.layers[f"cells.ome [{number}]"] for number in range(2))
    assert driver.viewer.dims.ndim == 3
    assert np.allclose(first.scale, (0.5, 0.125, 0.125))
    assert driver.dock.controller.workspace.channels == [first, second]
    assert driver.dock.stack.split.isHidden()
    assert driver.dock.hint.text().startswith("Each channel is a layer now")
    names = [layer.name for layer in driver.viewer.layers]
    assert names == ["cells.ome [0]", "cells.ome [1]", "objects", "current object", "clicks"]
    units = {tuple(map(str, layer.units)) for layer in driver.viewer.layers}
    assert units == {("micrometer",) * 3}
    # Not even for a moment, or napari would have warned.
    assert not said()
    driver.viewer.dims.set_point(0, 1.5)
    assert carried(driver) == [(0, 1)]
    driver.type(Qt.Key.Key_W)
    assert driver.dock.controller.workspace.labels.data[4].any()
