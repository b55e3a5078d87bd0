"""Label images that napari opened as pictures: the dock sees the ids and offers to use them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from scipy import ndimage
from tifffile import imwrite

from napari_cfr_icl.samples import fluorescence

SHAPE = (120, 160)


def noise():
    return np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)


def ids(dtype=np.uint16):
    """Objects 1 and 40, and 300 where the type has it."""
    labels = np.zeros(SHAPE, dtype)
    labels[20:40, 20:50] = 1
    labels[40:60, 30:60] = min(40, np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 40)
    labels[80:100, 100:120] = 300 if np.dtype(dtype).itemsize > 1 else 1
    return labels


def assert_in_use(driver, labels):
    workspace = driver.dock.controller.workspace
    assert workspace.image.name == driver.dock.image.currentText() == "grey"
    assert workspace.labels.name == driver.dock.labels.currentText()
    assert np.array_equal(workspace.labels.data, labels)
    assert driver.dock.use_as_labels.isHidden()
    assert workspace.takes_clicks
    driver.click(70, 80)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert workspace.labels.data[70, 80] == labels.max() + 1
    driver.hover(30, 30)
    driver.type(Qt.Key.Key_G)
    assert driver.session.state.label == 1


@pytest.mark.parametrize("first", [False, True], ids=["dock-first", "dock-last"])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint8, np.int32, np.float32])
def test_a_tiff_of_another_program_in_one_click(viewer, open_dock, disks, tmp_path, dtype, first):
    imwrite(tmp_path / "mask.tif", ids(dtype))
    viewer.add_image(noise(), name="grey", scale=(2, 2))
    if not first:
        driver = open_dock(viewer)
    (layer,) = viewer.open(tmp_path / "mask.tif", layer_type="image", scale=(2, 2))
    if first:
        driver = open_dock(viewer)
    driver.settle()
    viewer.reset_view()
    assert driver.dock.hint.text() == (
        "mask holds whole numbers, as labels do, and lies on grey: use it as its labels?"
    )
    assert not driver.dock.use_as_labels.isHidden()
    driver.dock.use_as_labels.click()
    driver.settle()
    assert layer not in viewer.layers
    assert np.array_equal(viewer.layers["mask"].scale, (2, 2))
    assert_in_use(driver, ids(dtype))


def test_chosen_as_the_image_it_is_offered_too(viewer, open_dock, disks):
    viewer.add_image(noise(), name="grey")
    driver = open_dock(viewer)
    viewer.add_image(ids(), name="mask")
    combo = driver.dock.image
    combo.setCurrentText("mask")
    combo.activated.emit(combo.currentIndex())
    assert driver.dock.hint.text().startswith("mask holds whole numbers")
    driver.dock.use_as_labels.click()
    driver.settle()
    assert_in_use(driver, ids())


PICTURES = {
    "noise": noise(),
    "nuclei": fluorescence()[0][0][:400, :400],
    "smooth": ndimage.gaussian_filter(ids(np.float32), 6).astype(np.uint16),
    "gradient": np.add.outer(np.arange(120), np.arange(160)).astype(np.uint16) // 2,
    "empty": np.zeros(SHAPE, np.uint8),
    "fractions": ids(np.float32) + np.float32(0.25),
    "not-finite": np.where(ids() == 0, np.nan, ids()).astype(np.float32),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_not_taken_for_labels(viewer, open_dock, disks, name):
    pixels = PICTURES[name]
    viewer.add_image(np.random.default_rng(1).integers(0, 255, pixels.shape), name="grey")
    viewer.add_image(pixels, name="next", contrast_limits=(0, 300))
    driver = open_dock(viewer)
    assert driver.dock.use_as_labels.isHidden()
    assert driver.dock.image.currentText() == "next"


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_ids_beyond_32_bits_are_kept(viewer, open_dock, disks, dtype):
    labels = ids(dtype)
    labels[labels == 40] = 2.0**33
    viewer.add_image(noise(), name="grey")
    viewer.add_image(labels, name="mask")
    driver = open_dock(viewer)
    driver.settle()
    driver.dock.use_as_labels.click()
    assert np.array_equal(driver.dock.controller.workspace.labels.data, labels)
