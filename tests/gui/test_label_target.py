"""A plane of a Labels layer is written with one id or many, and napari's own undo knows of it."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.label_target import LabelTarget
from napari_cfr_icl.gui.planes import LayerPlane

SHAPE = (6, 20, 30)
PLANES = [LayerPlane((1, 2), (3, 0, 0), SHAPE[1:]), LayerPlane((0, 2), (0, 7, 0), (6, 30))]
WINDOW = Window(1, 4, 3, 5)
CHANGED = np.array([[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 1]], bool)


@pytest.fixture(params=["painted", "set one by one", "neighbours preserved"])
def layer(request, monkeypatch):
    """Labels with two objects, in each of the ways that they may have to be written."""
    if request.param == "set one by one":
        # As in napari 0.8.
        monkeypatch.delattr(Labels, "_paint_region_with_mask", raising=False)
    data = np.zeros(SHAPE, np.uint16)
    data[:, :10, :8] = 3
    data[2:, 5:12, 6:9] = 5
    layer = Labels(data)
    layer.preserve_labels = request.param == "neighbours preserved"
    return layer


@pytest.fixture(params=PLANES, ids=["y-x", "z-x"])
def plane(request):
    return request.param


def store_of(layer, plane):
    return LabelTarget(layer).store_for(Image(np.zeros(SHAPE)), plane, (3, 7, 0))


def index_of(plane):
    index = list(plane.index)
    index[plane.axes[0]], index[plane.axes[1]] = WINDOW.slices
    return tuple(index)


@pytest.mark.parametrize("ids", [9, np.arange(11, 11 + CHANGED.sum(), dtype=np.uint16)])
def test_what_is_written_stands_there_alone_and_can_be_taken_back(layer, plane, ids):
    before, expected = layer.data.copy(), layer.data.copy()
    expected[index_of(plane)][CHANGED] = ids
    store = store_of(layer, plane)
    assert store.next_label() == 6
    store.write(WINDOW, CHANGED, ids)
    assert np.array_equal(layer.data, expected)
    assert store.next_label() == np.max(ids) + 1
    layer.undo()
    assert np.array_equal(layer.data, before)
    layer.redo()
    assert np.array_equal(layer.data, expected)
