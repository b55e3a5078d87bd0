"""A plane of a Labels layer is written with one id or many, and napari's own undo knows of it."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.layers.label_target import LabelTarget
from napari_cfr_icl.gui.layers.planes import LayerPlane

SHAPE = (6, 20, 30)
PLANES = [LayerPlane((1, 2), (3, 0, 0), SHAPE[1:]), LayerPlane((0, 2), (0, 7, 0), (6, 30))]
WINDOW = Window(1, 4, 3, 5)
CHANGED = np.array([[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 1]], bool)


def other_painter(layer, region):
    """In the place of napari's own, as another version might have it."""
    raise NotImplementedError


@pytest.fixture(
    params=["painted", "set one by one", "painted in another way", "neighbours preserved"]
)
def layer(request, monkeypatch):
    """Labels with two objects, in each of the ways that they may have to be written."""
    if request.param == "set one by one":
        # As in napari 0.8.
        monkeypatch.delattr(Labels, "_paint_region_with_mask", raising=False)
    if request.param == "painted in another way":
        monkeypatch.setattr(Labels, "_paint_region_with_mask", other_painter, raising=False)
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


def set_one(layer):
    layer.data_setitem(tuple(np.array([[0], [1], [2]])), 40)


def set_many(layer):
    places = tuple(np.array([[0, 0, 0], [1, 2, 3], [2, 2, 2]]))
    layer.data_setitem(places, np.array([7, 40, 0], np.uint16))


def paint(layer):
    layer.selected_label = 40
    layer.paint((0, 1, 2), 40)


@pytest.mark.parametrize("write", [set_one, set_many, paint])
def test_an_id_that_somebody_else_has_written_is_not_given_again(write):
    layer = Labels(np.zeros(SHAPE, np.uint16))
    store = store_of(layer, PLANES[0])
    assert store.next_label() == 1
    write(layer)
    assert store.next_label() == 41
    layer.undo()
    layer.redo()
    assert store.next_label() == 41


def test_a_selected_id_is_free_until_it_is_painted():
    layer = Labels(np.zeros(SHAPE, np.uint16))
    store = store_of(layer, PLANES[0])
    layer.selected_label = 12
    store.write(WINDOW, CHANGED, store.next_label())
    assert store.next_label() == 2
