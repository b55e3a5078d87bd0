"""Click and mask land on the same pixels, however the layers lie in the world."""

from __future__ import annotations

import dask
import dask.array
import numpy as np
import pytest
from qtpy.QtCore import Qt

SHAPE = (90, 120)
ROW, COL = 30, 80
AFFINE = np.array([[1.2, 0.3, 5], [-0.2, 0.9, -8], [0, 0, 1]])

TRANSFORMS = [
    pytest.param({}, id="none"),
    pytest.param({"scale": (0.5, 0.25)}, id="scale"),
    pytest.param({"translate": (1000, -300)}, id="translate"),
    pytest.param({"rotate": 30}, id="rotate"),
    pytest.param({"shear": (0.4,)}, id="shear"),
    pytest.param({"scale": (-1, 1)}, id="negative-rows"),
    pytest.param({"scale": (2, -0.5), "rotate": -70, "translate": (7, 9)}, id="all"),
    pytest.param({"affine": AFFINE}, id="affine"),
    pytest.param({"affine": AFFINE, "scale": (0.1, 0.1)}, id="affine-and-scale"),
]


@pytest.fixture
def work(viewer, open_dock, disks):
    """Add an image, open the dock."""

    def start(data, **options):
        image = viewer.add_image(data, contrast_limits=(0, 255), **options)
        driver = open_dock(viewer)
        driver.wait_for_answer()
        return image, driver

    return start


def shown_at(driver, image, *place):
    """The preview's value where this pixel of the image is."""
    layer = driver.dock.controller.workspace.preview.layer
    return layer.get_value(image.data_to_world(place), world=True)


def assert_disk_around(plane, row, col):
    """The object of a disk predictor's second pass: 5 pixels around the click."""
    rows, cols = np.nonzero(plane)
    assert abs(rows.mean() - row) < 0.6
    assert abs(cols.mean() - col) < 0.6
    assert 8 <= np.ptp(rows) <= 11
    assert 8 <= np.ptp(cols) <= 11


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_click_preview_and_labels_agree(work, transform):
    image, driver = work(np.zeros(SHAPE, np.uint8), **transform)
    driver.click(ROW, COL)
    driver.wait_for_answer()
    (click,) = driver.session.state.clicks
    assert (round(click.row), round(click.col)) == (ROW, COL)
    assert shown_at(driver, image, ROW, COL) == 1
    assert shown_at(driver, image, ROW + 4, COL) == 1
    assert not shown_at(driver, image, ROW + 8, COL)
    driver.type(Qt.Key.Key_W)
    labels = driver.dock.controller.workspace.labels
    assert_disk_around(labels.data, ROW, COL)
    assert labels.get_value(image.data_to_world((ROW, COL)), world=True) == 1


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_click_on_a_click_hits_it(work, transform):
    _, driver = work(np.zeros(SHAPE, np.uint8), **transform)
    driver.click(ROW, COL)
    driver.drag((ROW, COL), (60, 30))
    driver.wait_for_answer()
    assert [(round(c.row), round(c.col)) for c in driver.session.state.clicks] == [(60, 30)]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        pytest.param((180, 240), {"scale": (0.5, 0.5), "translate": (-0.25, -0.25)}, id="finer"),
        pytest.param((60, 60), {"translate": (10, 50)}, id="part-of-the-image"),
        pytest.param(SHAPE, {"scale": (-1, 1), "translate": (89, 0)}, id="upside-down"),
    ],
)
def test_labels_may_lie_differently_from_the_image(work, shape, options):
    image, driver = work(np.zeros(SHAPE, np.uint8))
    labels = driver.viewer.add_labels(np.zeros(shape, np.uint8), name="mine", **options)
    driver.dock.labels.setCurrentText("mine")
    driver.dock.labels.activated.emit(driver.dock.labels.currentIndex())
    driver.click(ROW, COL)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    for row in range(ROW - 8, ROW + 9):
        for col in range(COL - 8, COL + 9):
            inside = (row - ROW) ** 2 + (col - COL) ** 2
            value = labels.get_value(image.data_to_world((row, col)), world=True)
            if inside < 4**2 or inside > 6.5**2:
                assert bool(value) == (inside < 4**2), (row, col)


STACK = (7, *SHAPE)


@pytest.fixture
def no_dask_threads():
    """Dask would start threads that stay until the process ends."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.usefixtures("no_dask_threads")
@pytest.mark.parametrize("make", [np.zeros, dask.array.zeros], ids=["numpy", "dask"])
def test_an_object_stays_on_its_plane_of_a_stack(work, make):
    image, driver = work(make(STACK, dtype=np.uint8), scale=(3, 0.5, 0.5))
    driver.viewer.dims.set_current_step(0, 4)
    driver.click(ROW, COL)
    driver.wait_for_answer()
    assert shown_at(driver, image, 4, ROW, COL) == 1
    driver.viewer.dims.set_current_step(0, 3)
    assert not shown_at(driver, image, 3, ROW, COL)
    assert np.rint(driver.dock.controller.workspace.clicks.points.data).tolist() == [[4, ROW, COL]]
    driver.type(Qt.Key.Key_W)
    labels = driver.dock.controller.workspace.labels.data
    assert_disk_around(labels[4], ROW, COL)
    assert not np.delete(labels, 4, axis=0).any()


def test_a_side_view_of_a_stack(work):
    _image, driver = work(np.zeros((60, 50, 80), np.uint8), scale=(2, 1, 1))
    driver.viewer.dims.order = (1, 0, 2)
    driver.viewer.dims.set_current_step(1, 20)
    driver.viewer.reset_view()
    driver.click(ROW, 40)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    labels = driver.dock.controller.workspace.labels.data
    assert_disk_around(labels[:, 20, :], ROW, 40)
    assert not np.delete(labels, 20, axis=1).any()


def test_going_on_on_another_plane_writes_the_object_first(work):
    image, driver = work(np.zeros(STACK, np.uint8))
    driver.viewer.dims.set_current_step(0, 1)
    driver.click(ROW, COL)
    driver.wait_for_answer()
    driver.viewer.dims.set_current_step(0, 5)
    driver.click(60, 30)
    driver.wait_for_answer()
    labels = driver.dock.controller.workspace.labels.data
    assert_disk_around(labels[1] == 1, ROW, COL)
    assert shown_at(driver, image, 5, 60, 30) == 1
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_U)
    assert not labels.any()
    assert driver.viewer.dims.current_step[0] == 1
    assert shown_at(driver, image, 1, ROW, COL) == 1


def test_rgb_keeps_its_channels_out_of_the_geometry(work):
    _image, driver = work(np.zeros((*SHAPE, 3), np.uint8), rgb=True, scale=(2, 2))
    driver.click(ROW, COL)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    labels = driver.dock.controller.workspace.labels
    assert labels.data.shape == SHAPE
    assert_disk_around(labels.data, ROW, COL)


def test_a_pyramid_is_worked_on_in_its_finest_pixels(work):
    levels = [np.zeros((400, 600), np.uint8), np.zeros((200, 300), np.uint8)]
    _image, driver = work(levels, multiscale=True)
    driver.click(100, 300)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert_disk_around(driver.dock.controller.workspace.labels.data, 100, 300)


def test_in_3d_clicks_are_refused_and_said(work):
    _, driver = work(np.zeros(STACK, np.uint8))
    driver.viewer.dims.ndisplay = 3
    assert driver.dock.hint.text().startswith("Switch to 2D")
    driver.dock.controller.workspace.clicks.points.add([4, ROW, COL])
    assert not driver.session.state.clicks
    assert len(driver.dock.controller.workspace.clicks.points.data) == 0
