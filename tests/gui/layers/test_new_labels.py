"""Images of any size: the dock opens, and their labels lie where there is room for them."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl.gui.layers.napari_private import look_at
from napari_cfr_icl.gui.layers.new_labels import folder_of

HUGE = (2000, 300, 2048, 2048)

slow = pytest.mark.slow
"""Dask takes many seconds for the graph of six hundred thousand planes."""


@pytest.fixture(autouse=True)
def no_threads_of_dask():
    with dask.config.set(scheduler="synchronous"):
        yield


def huge():
    return da.zeros(HUGE, dtype=np.uint16, chunks=(1, 1, 2048, 2048))


def opened(viewer, open_dock, data, **options):
    viewer.add_image(data, name="huge", contrast_limits=(0, 255), **options)
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


def labels(driver):
    return driver.dock.controller.workspace.labels


def write(driver, row, col):
    driver.click(row, col)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)


def assert_undone(driver):
    for _ in range(2):
        driver.type(Qt.Key.Key_U)
    assert driver.session.state.is_empty


@slow
def test_labels_of_terabytes_are_on_the_disk_where_the_user_wants(
    viewer, open_dock, disks, tmp_path, monkeypatch
):
    driver = opened(viewer, open_dock, huge())
    assert isinstance(labels(driver).data, zarr.Array)
    assert labels(driver).data.shape == HUGE
    there = folder_of(labels(driver).data)
    assert there.parent == tmp_path / "data" / "labels"
    assert str(there) in driver.dock.question.text.text().replace("\u200b", "")
    viewer.dims.set_current_step(0, 1234)
    viewer.dims.set_current_step(1, 56)
    write(driver, 1000, 1100)
    assert labels(driver).data[1234, 56, 1000, 1100] == 1
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    driver.dock.controller._layers._move(labels(driver))
    assert not there.exists()
    assert zarr.open_array(tmp_path / "mine" / there.name)[1234, 56, 1000, 1100] == 1
    write(driver, 300, 400)
    assert zarr.open_array(tmp_path / "mine" / there.name)[1234, 56, 300, 400] == 2
    assert_undone(driver)
    assert not labels(driver).data[1234, 56, 300, 400]


@slow
def test_a_fitting_zarr_that_is_there_is_taken_with_its_ids(viewer, open_dock, disks, tmp_path):
    kept = zarr.create_array(
        tmp_path / "kept.zarr", shape=HUGE, chunks=(1, 1, 512, 512), dtype="u4"
    )
    kept[1999, 299, 600:620, 700:720] = 41
    viewer.add_image(huge(), name="huge", contrast_limits=(0, 255))
    viewer.add_labels(kept, name="kept")
    driver = open_dock(viewer)
    assert labels(driver).name == driver.dock.labels.currentText() == "kept"
    viewer.dims.set_current_step(0, 7)
    write(driver, 1000, 1100)
    assert kept[7, viewer.dims.current_step[1], 1000, 1100] == 42
    assert_undone(driver)


@slow
def test_chosen_in_an_open_dock_it_gets_labels_of_its_own(viewer, open_dock, disks):
    viewer.add_image(np.zeros((90, 120), np.uint8), name="small", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    small = labels(driver)
    viewer.add_image(huge(), name="huge", contrast_limits=(0, 255))
    driver.dock.image.setCurrentText("huge")
    driver.dock.image.activated.emit(driver.dock.image.currentIndex())
    assert labels(driver) is not small
    viewer.reset_view()
    driver.settle()
    write(driver, 1000, 1100)
    assert not small.data.any()
    assert labels(driver).data.shape == HUGE


@slow
def test_without_room_the_other_images_labels_are_not_left_active(
    viewer, open_dock, disks, said, tmp_path, monkeypatch
):
    viewer.add_image(np.zeros((90, 120), np.uint8), name="small", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file in the way")
    monkeypatch.setenv("NAPARI_CFR_ICL_DATA", str(blocked))
    viewer.add_image(huge(), name="huge", contrast_limits=(0, 255))
    driver.dock.image.setCurrentText("huge")
    driver.dock.image.activated.emit(driver.dock.image.currentIndex())
    assert labels(driver) is None
    assert driver.dock.labels.layer is None
    assert said()[-1].startswith("Labels cannot be kept in")


@pytest.mark.parametrize("kind", ["pyramid", "large-plane"])
def test_planes_too_large_for_napari_get_labels_of_the_part_at_work(viewer, open_dock, disks, kind):
    side = 200_000
    levels = [da.zeros((side >> step,) * 2, dtype=np.uint8, chunks=4096) for step in range(0, 9, 2)]
    if kind == "large-plane":
        levels = [da.zeros((20_000, 20_000), dtype=np.uint8, chunks=4096)]
        side = 20_000
    driver = opened(viewer, open_dock, levels, multiscale=True)
    assert labels(driver) is None
    workspace = driver.dock.controller.workspace
    for number, (row, col) in enumerate([(side - 900, side - 700), (side - 950, side - 750)], 1):
        look_at(viewer, (row, col), side=800)
        driver.settle()
        disks.steps = one_disk
        write(driver, row, col)
        image = workspace.image
        assert labels(driver).data.size <= 4096**2
        world = image.data_to_world((row, col))
        assert labels(driver).get_value(world, world=True) == number
    first = labels(driver)
    look_at(viewer, (500, 600), side=800)
    driver.settle()
    write(driver, 500, 600)
    assert labels(driver) is not first
    assert labels(driver).get_value(workspace.image.data_to_world((500, 600)), world=True) == 1


def one_disk(source, clicks, previous=None, view=None):
    """A square around the newest click, as a patch: no array of the plane's size."""
    from disk_predictor import DiskAnswer
    from napari_cfr_icl.engine.windows import Patch, Window

    row, col = round(clicks[-1].row), round(clicks[-1].col)
    window = Window(row - 4, col - 4, 9, 9)
    yield DiskAnswer(Patch(np.full((9, 9), 0.8, np.float32), window, source.shape), (), "limit")


def test_a_memory_map_of_60_gigabytes(viewer, open_dock, disks, tmp_path):
    path = tmp_path / "image.npy"
    shape = (1900, 4096, 8192)
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    driver = opened(viewer, open_dock, pixels)
    assert isinstance(labels(driver).data, zarr.Array)
    viewer.dims.set_current_step(0, 1700)
    write(driver, 1000, 2100)
    assert labels(driver).data[1700, 1000, 2100] == 1
    assert_undone(driver)
