"""Writing objects among others, and taking it back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.session.labels import writing
from plain_store import PlainStore

SHAPE = (12, 15)


@pytest.fixture
def store():
    """A plane with object 1 in its left part."""
    store = PlainStore(SHAPE)
    store.labels[2:6, 1:5] = 1
    return store


def square(top, left, side):
    window = Window(top, left, side, side)
    return Patch(np.ones(window.shape, bool), window, SHAPE)


def test_protected_objects_keep_every_pixel(store):
    before = store.labels.copy()
    writing(store, square(3, 3, 6), 2, protect=True).apply()
    assert (store.labels[before == 1] == 1).all()
    assert (store.labels == 2).sum() == 36 - 6


def test_without_protection_the_new_object_wins(store):
    writing(store, square(3, 3, 6), 2, protect=False).apply()
    assert (store.labels == 2).sum() == 36


@pytest.mark.parametrize("protect", [True, False])
def test_revert_restores_bit_by_bit(store, protect):
    before = store.labels.copy()
    edit = writing(store, square(3, 3, 6), 2, protect=protect)
    edit.apply()
    edit.revert()
    assert np.array_equal(store.labels, before)


def test_revert_and_apply_spare_what_was_painted_since(store):
    edit = writing(store, square(3, 7, 4), 2, protect=True)
    edit.apply()
    store.labels[3, 7] = 9
    edit.revert()
    assert store.labels[3, 7] == 9
    assert (store.labels == 2).sum() == 0
    edit.apply()
    assert store.labels[3, 7] == 9
    assert (store.labels == 2).sum() == 15


def test_an_old_object_gives_up_the_pixels_that_its_new_mask_leaves_out(store):
    old = square(2, 1, 4)
    store.labels[2, 1] = 7
    writing(store, square(4, 3, 4), 1, protect=True, old=old).apply()
    assert store.labels[2, 1] == 7
    expected = np.zeros(SHAPE, int)
    expected[4:8, 3:7] = 1
    expected[2, 1] = 7
    assert np.array_equal(store.labels, expected)


def test_only_the_box_is_read(store):
    writing(store, square(7, 8, 2), 2, protect=True)
    assert store.read_windows == [Window(7, 8, 2, 2)]


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(Patch(np.zeros((3, 3), bool), Window(7, 8, 3, 3), SHAPE), id="empty"),
        pytest.param(square(3, 2, 2), id="all-of-it-on-another-object"),
    ],
)
def test_nothing_to_write_is_no_edit(store, mask):
    assert writing(store, mask, 2, protect=True) is None
