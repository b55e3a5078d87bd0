"""Thick slices: the network sees the projection that napari draws."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt

from disk_predictor import DiskPredictor
from napari_cfr_icl.engine.windows import Window

SHAPE = (12, 60, 70)


class Looking(DiskPredictor):
    """Keeps the source of each request."""

    def __init__(self):
        super().__init__()
        self.sources = []

    def steps(self, source, clicks, previous=None, view=None):
        self.sources.append(source)
        return super().steps(source, clicks, previous, view)


@pytest.fixture
def looking(monkeypatch):
    predictor = Looking()
    monkeypatch.setattr(
        "napari_cfr_icl.gui.app.controller.PredictorMaker", lambda: lambda choice: predictor
    )
    return predictor


def noise(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint8)


def drawn(layer):
    """The pixels of the texture that napari has made, rendered by hand."""
    low, high = layer.contrast_limits
    view = np.asarray(layer._slice.image.raw, float)
    return np.clip((view - low) / (high - low), 0, 1)


def seen(looking):
    source = looking.sources[-1]
    return source.read(Window(0, 0, *source.shape))[..., 0]


@pytest.mark.parametrize("mode", ["mean", "max", "min", "sum"])
@pytest.mark.parametrize(
    "slab",
    [(1, 5, 6), (2.5, 13, 4), (1, 4, 0), (0.5, 3, 11)],
    ids=["odd", "scaled", "first", "last"],
)
def test_the_pixels_are_the_drawn_ones(viewer, open_dock, looking, mode, slab):
    scale, thickness, step = slab
    layer = viewer.add_image(
        noise(), name="grey", projection_mode=mode, scale=(scale, 1, 1), contrast_limits=(0, 400)
    )
    driver = open_dock(viewer)
    viewer.dims.thickness = (thickness, 0, 0)
    viewer.dims.set_current_step(0, step)
    driver.click(20, 30)
    driver.wait_for_answer()
    assert np.allclose(seen(looking), drawn(layer), atol=1e-5)
    driver.type(Qt.Key.Key_W)
    ids = driver.dock.controller.workspace.labels.data
    assert ids[step, 20, 30] == 1
    assert not np.delete(ids, step, 0).any()


def test_a_change_of_the_thickness_is_seen_by_the_object_under_way_and_said(
    viewer, open_dock, looking
):
    layer = viewer.add_image(noise(), name="grey", projection_mode="max", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    viewer.dims.set_current_step(0, 6)
    driver.click(20, 30)
    driver.wait_for_answer()
    assert driver.dock.seen.isHidden()
    viewer.dims.thickness = (6, 0, 0)
    driver.settle(pauses=True)
    assert np.allclose(seen(looking), drawn(layer), atol=1e-5)
    assert driver.dock.seen.text() == (
        "The model sees the projection that is drawn (max of grey); "
        "objects are written on the plane of the slider."
    )
    layer.projection_mode = "mean"
    driver.settle(pauses=True)
    assert np.allclose(seen(looking), drawn(layer), atol=1e-5)
    layer.projection_mode = "none"
    driver.settle(pauses=True)
    assert np.allclose(seen(looking), drawn(layer), atol=1e-5)
    assert driver.dock.seen.isHidden()


def test_two_thick_axes_of_a_lazy_image_in_another_order(viewer, open_dock, looking, monkeypatch):
    monkeypatch.setitem(dask.config.config, "scheduler", "synchronous")
    pixels = da.from_array(noise((4, 40, 6, 50)), chunks=(1, 20, 2, 25))
    layer = viewer.add_image(pixels, projection_mode="mean", contrast_limits=(0, 255))
    driver = open_dock(viewer)
    viewer.dims.order = (2, 0, 3, 1)
    viewer.dims.thickness = (2, 0, 4, 0)
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(2, 3)
    viewer.reset_view()
    driver.settle()
    driver.click(20, 30)
    driver.wait_for_answer()
    assert np.allclose(seen(looking), drawn(layer).T, atol=1e-5)


def test_channels_are_projected_each_in_its_own_way(viewer, open_dock, looking):
    layers = [
        viewer.add_image(
            noise(seed=seed),
            colormap=colour,
            blending="additive",
            projection_mode=mode,
            contrast_limits=(0, 255),
        )
        for seed, (colour, mode) in enumerate([("red", "max"), ("green", "none")])
    ]
    driver = open_dock(viewer)
    viewer.dims.thickness = (4, 0, 0)
    driver.click(20, 30)
    driver.wait_for_answer()
    source = looking.sources[-1]
    pixels = source.read(Window(0, 0, *source.shape))
    for channel, layer in enumerate(layers):
        assert np.allclose(pixels[..., channel], drawn(layer), atol=1e-5)
