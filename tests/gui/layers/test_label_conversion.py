"""Labels layers of every kind of array: written, or asked about; never changed without a yes."""

from __future__ import annotations

import dask
import dask.array
import numpy as np
import pytest
import zarr
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_cfr_icl.gui.views.messages import OTHER_PIXELS

SHAPE = (90, 120)


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on a grey image."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey")
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


@pytest.fixture
def no_dask_threads():
    """Dask would start threads that stay until the process ends."""
    with dask.config.set(scheduler="synchronous"):
        yield


def choose(driver, data, **options):
    layer = driver.viewer.add_labels(data, name="mine", **options)
    driver.dock.labels.setCurrentText("mine")
    driver.dock.labels.activated.emit(driver.dock.labels.currentIndex())
    return layer


def click_and_write(driver):
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)


@pytest.mark.parametrize(
    ("dtype", "wider"), [(np.uint8, np.uint16), (np.int16, np.int32), (np.uint16, np.uint32)]
)
def test_when_all_ids_are_taken_a_wider_type_is_offered(driver, dtype, wider):
    labels = np.zeros(SHAPE, dtype)
    labels[0, 0] = limit = np.iinfo(dtype).max
    layer = choose(driver, labels)
    click_and_write(driver)
    assert f"up to {limit} are taken" in driver.dock.question.text.text()
    assert driver.dock.question.isVisible()
    assert layer.dtype == dtype
    assert layer.data is labels
    assert len(driver.session.state.clicks) == 1
    driver.dock.question.yes.click()
    assert layer.dtype == wider
    assert layer.data[40, 60] == limit + 1
    assert layer.data[0, 0] == limit
    assert not driver.dock.question.isVisible()
    driver.type(Qt.Key.Key_U)
    assert not layer.data[30:50, 50:70].any()


def test_a_no_leaves_everything_as_it_is(driver):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0] = 255
    layer = choose(driver, labels)
    click_and_write(driver)
    driver.dock.question.no.click()
    assert not driver.dock.question.isVisible()
    assert layer.data is labels
    assert not labels[30:50, 50:70].any()
    assert len(driver.session.state.clicks) == 1


def test_the_last_id_of_a_type_is_used(driver):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0] = 254
    layer = choose(driver, labels)
    click_and_write(driver)
    assert layer.data[40, 60] == 255


def test_an_array_that_is_read_only_is_copied_when_the_user_agrees(driver):
    labels = np.zeros(SHAPE, np.uint16)
    labels[0, 0] = 3
    labels.flags.writeable = False
    layer = choose(driver, labels)
    click_and_write(driver)
    assert "opened for reading only" in driver.dock.question.text.text()
    driver.dock.question.yes.click()
    assert layer.data[40, 60] == 4
    assert layer.data[0, 0] == 3
    assert not labels[40, 60]


@pytest.mark.usefixtures("no_dask_threads")
def test_an_array_of_dask_is_copied_when_the_user_agrees(driver):
    labels = dask.array.zeros(SHAPE, dtype=np.uint16, chunks=30)
    layer = choose(driver, labels)
    click_and_write(driver)
    assert "computation (dask)" in driver.dock.question.text.text()
    assert layer.data is labels
    driver.dock.question.yes.click()
    assert isinstance(layer.data, np.ndarray)
    assert layer.data[40, 60] == 1


def test_a_zarr_array_is_written_in_place_and_undone(driver, tmp_path):
    store = zarr.create_array(tmp_path / "l.zarr", shape=SHAPE, chunks=(30, 30), dtype="uint16")
    store[0, 0] = 7
    choose(driver, store)
    click_and_write(driver)
    assert zarr.open_array(tmp_path / "l.zarr", mode="r")[40, 60] == 8
    driver.type(Qt.Key.Key_U)
    written = zarr.open_array(tmp_path / "l.zarr", mode="r")[:]
    assert written[0, 0] == 7
    assert written.sum() == 7


def test_a_zarr_array_that_is_read_only(driver, tmp_path):
    zarr.create_array(tmp_path / "l.zarr", shape=SHAPE, chunks=(30, 30), dtype="uint16")
    layer = choose(driver, zarr.open_array(tmp_path / "l.zarr", mode="r"))
    click_and_write(driver)
    driver.dock.question.yes.click()
    assert layer.data[40, 60] == 1
    assert not zarr.open_array(tmp_path / "l.zarr", mode="r")[:].any()


def test_a_pyramid_of_labels_is_one_sentence(driver):
    choose(driver, [np.zeros(SHAPE, np.uint16), np.zeros((45, 60), np.uint16)])
    assert "is a pyramid, which napari cannot edit" in notification_manager.records[-1].message
    said = len(notification_manager.records)
    click_and_write(driver)
    assert len(notification_manager.records) == said + 1
    assert "is a pyramid, which napari cannot edit" in notification_manager.records[-1].message
    assert len(driver.session.state.clicks) == 1


@pytest.mark.parametrize("scale", [1, 2])
def test_labels_of_another_shape_are_taken_and_spoken_of(driver, scale):
    layer = choose(driver, np.zeros((45, 60), np.uint16), scale=(scale, scale))
    assert driver.dock.hint.text() == OTHER_PIXELS
    click_and_write(driver)
    assert layer.data[40 // scale, 59 // scale] == 1


def test_a_fill_into_a_full_layer_asks_before_it_begins(viewer, open_dock, disks):
    viewer.add_image(np.zeros((3, *SHAPE), np.uint8))
    driver = open_dock(viewer)
    labels = np.zeros((3, *SHAPE), np.uint8)
    labels[0, 0, 0] = 255
    layer = choose(driver, labels)
    viewer.dims.set_current_step(0, 0)
    driver.click(40, 60)
    driver.wait_for_answer()
    driver.dock.stack.fill.click()
    assert driver.dock.question.isVisible()
    driver.dock.question.yes.click()
    driver.wait_for_answer()
    assert (layer.data[:, 40, 60] == 256).all()
