"""The layer that shows the mask: it stays where it is as long as it can, and shows nothing else."""

import numpy as np
import pytest

from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.layers import preview as preview_module
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.layers.preview import Preview

SHAPE = (300, 400)
PLANE = LayerPlane((0, 1), (0, 0), SHAPE)


@pytest.fixture(autouse=True)
def small_room(monkeypatch):
    monkeypatch.setattr(preview_module, "ROOM", 64)


@pytest.fixture
def image(viewer):
    return viewer.add_image(np.zeros(SHAPE, np.uint8))


def block(top, left, height, width, shape=SHAPE):
    return Patch(np.ones((height, width), bool), Window(top, left, height, width), shape)


def seen(layer, shape=SHAPE):
    """The layer's values as a full plane."""
    plane = np.zeros(shape, bool)
    top, left = np.rint(layer.affine.translate).astype(int)
    rows, cols = layer.data.shape
    plane[top : top + rows, left : left + cols] = layer.data
    return plane


def test_a_mask_nearby_is_filled_in_and_one_far_away_moves_the_layer(viewer, image):
    preview, changes = Preview(viewer), []
    preview.show(block(10, 20, 8, 9), image, PLANE)
    layer = preview.layer
    layer.events.data.connect(changes.append)
    layer.events.affine.connect(changes.append)
    near, far = block(30, 30, 10, 5), block(200, 300, 20, 30)
    preview.show(near, image, PLANE)
    assert changes == []
    assert np.array_equal(seen(layer), near.full())
    preview.show(far, image, PLANE)
    assert changes
    assert preview.layer is layer
    assert np.array_equal(seen(layer), far.full())


def test_a_mask_that_is_larger_than_the_room_is_seen_whole(viewer, image):
    preview, large = Preview(viewer), block(50, 60, 150, 220)
    preview.prepare(image, PLANE)
    preview.show(large, image, PLANE)
    assert np.array_equal(seen(preview.layer), large.full())
    preview.clear()
    assert not seen(preview.layer).any()


@pytest.mark.parametrize("corner", [(0, 0), (290, 0), (0, 390), (290, 390)])
def test_the_room_ends_where_the_plane_does(viewer, image, corner):
    preview, mask = Preview(viewer), block(*corner, 10, 10)
    preview.show(mask, image, PLANE)
    assert np.array_equal(seen(preview.layer), mask.full())
    assert preview.layer.data.shape == (64, 64)


def test_a_plane_along_other_axes_gets_a_layer_along_them(viewer):
    image = viewer.add_image(np.zeros((50, 50, 50), np.uint8))
    preview, shape = Preview(viewer), (50, 50)
    preview.show(block(5, 6, 7, 8, shape), image, LayerPlane((1, 2), (0, 0, 0), shape))
    assert preview.layer.data[0, 5:12, 6:14].all()
    preview.show(block(5, 6, 7, 8, shape), image, LayerPlane((0, 2), (0, 0, 0), shape))
    assert preview.layer.data.shape == (50, 1, 50)
    assert preview.layer.data[5:12, 0, 6:14].all()
    assert preview.layer.data.sum() == 7 * 8


def test_an_outline_has_no_room_to_be_looked_for_in(viewer, image):
    preview = Preview(viewer, contour=2)
    for mask in (block(10, 20, 8, 9), block(12, 20, 30, 9)):
        preview.show(mask, image, PLANE)
        assert preview.layer.data.shape == mask.window.shape
        assert np.array_equal(seen(preview.layer), mask.full())
