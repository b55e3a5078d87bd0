"""What is kept of answers and label changes: small, and nothing that can be seen is lost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from disk_predictor import DiskAnswer
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.session.answer_cache import CachedAnswer, CompressedArray
from napari_cfr_icl.session.history import REACH, History
from napari_cfr_icl.session.objects import ObjectState

WINDOW, SHAPE = Window(3, 4, 200, 300), (400, 500)


def answer(seed=0):
    """Random probabilities, and all places of the slider with their neighbours."""
    values = np.random.default_rng(seed).random(WINDOW.shape, np.float32)
    places = (np.arange(1, 100) / 100).astype(np.float32)
    values[0, :99] = places
    values[1, :99] = np.nextafter(places, np.float32(0))
    values[2, :99] = np.nextafter(places, np.float32(1))
    values[3, :2] = 0, 1
    return DiskAnswer(Patch(values, WINDOW, SHAPE), (), "limit")


@pytest.mark.parametrize("shrinks", [True, False], ids=["shrunk", "only-retired"])
def test_the_mask_stays_at_every_place_of_the_slider(shrinks):
    original, kept = answer(), CachedAnswer(answer())
    kept.retire()
    if shrinks:
        kept.shrink()
    found = kept.answer
    for place in range(1, 100):
        for patch in (original, found):
            assert patch.probabilities.window == WINDOW
        a, b = (x.probabilities.threshold(place / 100).values for x in (original, found))
        assert np.array_equal(a, b), place
    assert np.abs(found.probabilities.values - original.probabilities.values).max() < 0.0051
    assert found.stopped == "limit"


def test_before_it_retires_it_is_the_very_same_object():
    original = answer()
    kept = CachedAnswer(original)
    kept.shrink()
    assert kept.answer is original


def test_what_is_read_does_not_depend_on_when_it_shrinks():
    early, late = CachedAnswer(answer()), CachedAnswer(answer())
    for kept in (early, late):
        kept.retire()
    early.shrink()
    read = late.answer.probabilities.values
    late.shrink()
    for values in (early.answer.probabilities.values, late.answer.probabilities.values):
        assert np.array_equal(values, read)


def test_squeezing_loses_nothing():
    array = np.random.default_rng(0).integers(0, 3, (50, 70)).astype(np.uint16)
    squeezed = CompressedArray.of(array)
    assert np.array_equal(squeezed.array(), array)
    assert squeezed.array().dtype == np.uint16
    assert len(squeezed.data) < array.nbytes / 4


def test_what_is_the_same_everywhere_is_kept_once():
    array = np.full((2000, 3000), 7, np.uint16)
    squeezed = CompressedArray.of(array)
    assert np.array_equal(squeezed.array(), array)
    assert squeezed.array().dtype == np.uint16
    assert len(squeezed.data) == 2


def test_squeezing_nothing_gives_nothing():
    assert CompressedArray.of(np.zeros((0, 4), np.uint8)).array().shape == (0, 4)


def test_steps_out_of_reach_retire_on_both_sides():
    history, kept = History(), [CachedAnswer(answer(seed)) for seed in range(2 * REACH + 3)]
    states = [ObjectState(None, Clicks([Click(5, 5)]), (one,)) for one in kept]

    def small():
        return [number for number, one in enumerate(kept) if one.is_small]

    def settle(retired):
        for one in retired:
            one.shrink()

    for before, now in itertools.pairwise(states):
        settle(history.record(before, now))
    last = len(states) - 1
    assert small() == list(range(last - REACH))
    state = states[-1]
    for _ in range(last):
        state = history.undo(state)
        assert state.answer.probabilities.values.shape == WINDOW.shape
        settle(history.retire(state))
    assert state is states[0]
    assert small() == list(range(REACH + 1, last + 1))
