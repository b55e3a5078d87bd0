from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cfr_icl.engine.prompts.prompt import STRENGTH
from napari_cfr_icl.training.data.rough_starts import rough_starts
from training_scenes import disk, draws, scenes_of

TARGET = disk((120, 140), (50, 60), 20)


@pytest.fixture(scope="module")
def begun():
    """Sixty samples of one disk, all of which begin with a stroke."""
    points = torch.full((60, 24, 3), -1.0)
    return rough_starts(scenes_of([TARGET] * 60), points, 1.0, draws(60))


def test_the_masks_are_weak_and_differ_from_the_object_as_a_hand_does(begun):
    drawn = begun[0][:, 0] > 0
    assert begun[0][:, 0][drawn].unique().tolist() == [pytest.approx(STRENGTH)]
    truth = torch.from_numpy(TARGET)
    overlap = (drawn & truth).sum((1, 2)) / (drawn | truth).sum((1, 2))
    assert overlap.min() > 0.5
    assert overlap.max() < 1
    assert 0.7 < overlap.mean() < 0.9
    assert len({mask.numpy().tobytes() for mask in drawn}) == 60


def test_the_clicks_are_those_that_a_gesture_stands_for(begun):
    for mask, points in zip(begun[0][:, 0] > 0, begun[1], strict=True):
        positive, negative = points[:12], points[12:]
        (centre,) = positive[positive[:, 2] >= 0].long().tolist()
        assert mask[centre[0], centre[1]]
        rows, cols = (mask.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        corners = negative[negative[:, 2] >= 0]
        assert len(corners) == 4
        for row, col, _ in corners.tolist():
            assert row < rows[0] or row > rows[-1]
            assert col < cols[0] or col > cols[-1]


def test_corners_beyond_the_picture_are_left_out():
    filled = np.ones((40, 50), bool)
    _, points = rough_starts(scenes_of([filled]), torch.full((1, 24, 3), -1.0), 1.0, draws(1))
    used = points[0][points[0, :, 2] >= 0]
    inside = (used[:, 0] >= 0) & (used[:, 0] < 40) & (used[:, 1] >= 0) & (used[:, 1] < 50)
    assert len(used) >= 1
    assert inside.all()


def test_the_share_decides_how_many_begin_so_and_the_others_stay():
    scenes = scenes_of([TARGET] * 400)
    points = torch.arange(400 * 24 * 3, dtype=torch.float32).view(400, 24, 3)
    previous, changed = rough_starts(scenes, points, 0.25, draws(400))
    begun = previous.flatten(1).any(dim=1)
    assert begun.float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert torch.equal(changed[~begun], points[~begun])
    assert not torch.equal(changed[begun], points[begun])


def test_without_a_share_nothing_is_drawn_from_the_random_stream():
    stream, untouched = draws(2), draws(2)
    points = torch.full((2, 24, 3), -1.0)
    previous, same = rough_starts(scenes_of([TARGET] * 2), points, 0.0, stream)
    assert not previous.any()
    assert same is points
    assert torch.equal(stream.uniform(5), untouched.uniform(5))


def test_samples_without_an_object_begin_with_nothing():
    nothing = np.zeros_like(TARGET)
    previous, _ = rough_starts(scenes_of([nothing]), torch.full((1, 24, 3), -1.0), 1.0, draws(1))
    assert not previous.any()
