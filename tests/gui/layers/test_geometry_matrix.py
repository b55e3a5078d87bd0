"""Click and mask land on the same pixels: random transforms, axes and axis orders.

NAPARI_CFR_ICL_MATRIX=100 makes it that many cases.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from qtpy.QtCore import Qt

from disk_predictor import DiskPredictor
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.layers.napari_private import look_at

CASES = int(os.environ.get("NAPARI_CFR_ICL_MATRIX", "6"))
SIDE = 50
"""Pixels along every axis that may be shown."""

factors = st.sampled_from([0.2, 0.65, 1.0, 1.5, 4.0]).flatmap(
    lambda size: st.sampled_from([size, -size])
)


@st.composite
def cases(draw):
    """A number of axes, their order on the screen, a transform, and a place to click."""
    ndim = draw(st.integers(2, 4))
    order = draw(st.permutations(range(ndim)))
    place = [draw(st.integers(10, SIDE - 11)) for _ in range(ndim)]
    transform = {
        "scale": [draw(factors) for _ in range(ndim)],
        "translate": [draw(st.integers(-300, 300)) / 3 for _ in range(ndim)],
    }
    # A rotation or a shear that tilts the plane on the screen out of the data cannot be clicked on,
    # and napari shows no such plane without resampling; so they stay within it.
    angle = draw(st.sampled_from([0, 0, 20, -75, 160]))
    shear = draw(st.sampled_from([0, 0, 0.4, -0.3]))
    return ndim, tuple(order), place, transform, angle, shear


def affine_of(ndim, rows, cols, angle, shear):
    """Rotation and shear within the plane of two axes, (ndim + 1) squared."""
    turn = np.radians(angle)
    matrix = np.eye(ndim + 1)
    within = np.ix_([rows, cols], [rows, cols])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix[within] = rotation @ np.array([[1, shear], [0, 1]])
    return matrix


def flipped(transform, axis):
    """The same place in the world for an array that is turned around along one axis."""
    scale, translate = list(transform["scale"]), list(transform["translate"])
    translate[axis] += scale[axis] * (SIDE - 1)
    scale[axis] = -scale[axis]
    return {"scale": scale, "translate": translate}


# Napari says so while an image is added, before its axes are in their order.
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_click_preview_and_labels_share_their_pixels(viewer, open_dock, monkeypatch):
    predictor = DiskPredictor(passes=1)
    monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: predictor)
    driver = open_dock(viewer)

    @seed(0)
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        # Making a failing case simpler would take longer than reading it.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def one(case):
        check(viewer, driver, case)

    one()


def check(viewer, driver, case):
    ndim, order, place, transform, angle, shear = case
    viewer.layers.clear()
    driver.wait(lambda: driver.dock.controller.workspace.image is None)
    rows, cols = sorted(order[-2:])
    options = {"affine": affine_of(ndim, rows, cols, angle, shear)}
    shape = (SIDE,) * ndim
    image = viewer.add_image(np.zeros(shape, np.uint8), **transform, **options)
    labels = viewer.add_labels(
        np.zeros(shape, np.uint16), name="mine", **flipped(transform, rows), **options
    )
    workspace = driver.dock.controller.workspace
    driver.wait(lambda: workspace.image is image and workspace.clicks is not None)
    driver.dock.labels.setCurrentText("mine")
    driver.dock.labels.activated.emit(driver.dock.labels.currentIndex())
    viewer.dims.order = order
    world = image.data_to_world(place)
    for axis in order[:-2]:
        viewer.dims.set_point(axis, world[axis])
    # With the whole image in view, its smallest pixels may be finer than the steps of the mouse.
    narrowest = np.abs(transform["scale"])[[rows, cols]].min()
    look_at(viewer, world, side=150 * narrowest)
    driver.click(place[rows], place[cols])
    driver.wait_for_answer()
    (click,) = driver.session.state.clicks
    assert (round(click.row), round(click.col)) == (place[rows], place[cols])
    mask = driver.session.mask.full()
    driver.type(Qt.Key.Key_W)
    written = np.flip(labels.data, rows)
    expected = np.zeros(shape, bool)
    expected[tuple(slice(None) if a in (rows, cols) else place[a] for a in range(ndim))] = mask
    assert np.array_equal(written == 1, expected)
    assert mask[place[rows], place[cols]]
    driver.type(Qt.Key.Key_U)
    assert not labels.data.any()
    assert shown(workspace.preview.layer, image, place) == 1
    driver.type(Qt.Key.Key_Q)


def shown(preview, image, place):
    """The preview's value at a pixel of the image."""
    return preview.get_value(image.data_to_world(place), world=True)
