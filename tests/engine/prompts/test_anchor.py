"""The click on the object that a mask to correct is given."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Clicks, Patch, Predictor, Settings
from napari_cfr_icl.engine.prompts.anchor import anchored

WRONG = Click(20, 60, positive=False)


@pytest.fixture
def pair():
    """Discs of radius 10 about (20, 30) and of radius 8 about (20, 60), as one mask."""
    rows, cols = np.mgrid[:40, :90]
    return Patch.from_full(
        (np.hypot(rows - 20, cols - 30) <= 10) | (np.hypot(rows - 20, cols - 60) <= 8)
    )


def test_it_lies_deep_in_the_part_that_is_not_clicked_away(pair):
    assert anchored(Clicks([WRONG]), pair, 0.5) == Clicks([Click(20, 30), WRONG])
    far = Click(20, 30, positive=False)
    (anchor, _) = anchored(Clicks([far]), pair, 0.5)
    assert np.hypot(anchor.row - 20, anchor.col - 60) <= 1


def test_without_clicks_it_lies_deepest_in_the_mask(pair):
    assert anchored(Clicks(), pair, 0.5) == Clicks([Click(20, 30)])


def test_clicks_on_the_object_and_empty_masks_stay_as_they_are(pair):
    clicks = Clicks([WRONG, Click(5, 5)])
    assert anchored(clicks, pair, 0.5) is clicks
    empty = Patch.from_full(np.zeros((40, 90), bool))
    assert anchored(Clicks([WRONG]), empty, 0.5) == Clicks([WRONG])
    dot = np.zeros((40, 90), bool)
    dot[20, 60] = True
    assert anchored(Clicks([WRONG]), Patch.from_full(dot), 0.5) == Clicks([WRONG])


@pytest.mark.parametrize("name", ["cfr-icl-mobilesam", "cfr-icl-hrnet18"])
def test_one_click_takes_the_second_nucleus_out_of_a_label_of_two(name):
    sample = samples.load("nuclei")
    kept, wrong = sample.labels == 8, sample.labels == 11
    model = zoo.load(name)
    predictor = Predictor(model, Settings.interactive(model), "cpu")
    click = Click(*np.argwhere(wrong).mean(axis=0), positive=False)
    mask = predictor.predict(sample.image, [click], kept | wrong).mask().full()
    assert np.sum(mask & kept) / np.sum(mask | kept) > 0.85
