from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_cfr_icl.training.data.click_sampling import (
    choose_pixels,
    click_count_law,
    dilate,
    erode,
    error_candidates,
    next_clicks,
    starting_clicks,
)
from napari_cfr_icl.training.data.distance import distance_inside
from napari_cfr_icl.training.options import ClickOptions
from training_goldens import GOLDEN, golden
from training_scenes import disk, draws, scenes_of


def test_distance_is_exact_and_the_border_is_outside():
    rng = np.random.default_rng(0)
    masks = rng.random((3, 37, 53)) < np.array([0.5, 0.95, 0.999])[:, None, None]
    expected = [ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] for mask in masks]
    np.testing.assert_allclose(distance_inside(torch.from_numpy(masks)), expected, rtol=1e-6)


def test_distance_of_nothing_and_of_everything():
    masks = torch.stack([torch.zeros(9, 14), torch.ones(9, 14)]).bool()
    nothing, everything = distance_inside(masks)
    assert nothing.max() == 0
    assert everything[4, 7] == 5  # the fifth row from either border


def test_next_clicks_are_those_of_the_public_code():
    recorded = golden("next_points.npz")
    pred, truth, points = (torch.from_numpy(recorded[k]) for k in ("pred", "gt", "points_in"))
    candidates, positive = error_candidates(pred[:, 0], truth[:, 0])
    np.testing.assert_array_equal(candidates, recorded["candidate_mask"])
    has_error = recorded["candidate_mask"].any(axis=(1, 2))
    np.testing.assert_array_equal(positive[has_error], recorded["is_positive"][has_error])
    # The public code draws one whole number below the number of candidates for each sample.
    stream = np.random.RandomState(123)
    counts = recorded["candidate_mask"].sum(axis=(1, 2))
    chance = [[(stream.randint(0, n) + 0.5) / n] if n else [0.0] for n in counts]
    after = next_clicks(pred, truth, points, torch.tensor(chance))
    np.testing.assert_array_equal(after, recorded["cfr_points_out"])


@pytest.mark.parametrize(("row", "least"), [(0, 1), (1, 0)], ids=["positive", "negative"])
def test_click_counts_follow_the_recorded_law(row, least):
    recorded = np.load(GOLDEN / "points_sampler_probs.npy")[row]
    law = click_count_law(24, 0.8, least)
    np.testing.assert_allclose(law, recorded[: len(law)], rtol=1e-6)
    assert recorded[len(law) :].sum() == pytest.approx(0)


def test_numbers_of_starting_clicks_follow_the_law():
    target = disk((32, 32), (16, 16), 10)
    scenes = scenes_of([target] * 3000)
    points = starting_clicks(scenes, ClickOptions(), draws(3000))
    for half, least in ((points[:, :24], 1), (points[:, 24:], 0)):
        counts = np.bincount((half[..., 2] >= 0).sum(dim=1), minlength=25)[least:]
        np.testing.assert_allclose(counts / 3000, click_count_law(24, 0.8, least), atol=0.025)


def test_starting_clicks_lie_where_they_say():
    target = disk((80, 90), (30, 40), 12)
    other = disk((80, 90), (60, 70), 9)
    points = starting_clicks(scenes_of([target] * 50, [other] * 50), ClickOptions(), draws(50))
    positive, negative = points[:, :24].reshape(-1, 3), points[:, 24:].reshape(-1, 3)
    for rows, inside in ((positive, True), (negative, False)):
        clicked = rows[rows[:, 2] >= 0].long()
        assert len(clicked) > 50
        assert (torch.from_numpy(target)[clicked[:, 0], clicked[:, 1]] == inside).all()
    clicked = negative[negative[:, 2] >= 0].long()
    on_other = torch.from_numpy(other)[clicked[:, 0], clicked[:, 1]].float().mean()
    assert 0.3 < on_other < 0.5  # 0.4 of them by law
    distance = torch.hypot(clicked[:, 0] - 30.0, clicked[:, 1] - 40.0)
    assert 0.4 < (distance <= 12 + 3 * np.sqrt(2)).float().mean() < 0.6  # the ring: 0.5 by law


def test_merged_objects_get_a_click_each():
    first, second = disk((60, 60), (15, 15), 9), disk((60, 60), (45, 45), 9)
    scenes = scenes_of([first] * 30, second=[second] * 30)
    points = starting_clicks(scenes, ClickOptions(), draws(30)).long()
    assert torch.from_numpy(first)[points[:, 0, 0], points[:, 0, 1]].all()
    assert torch.from_numpy(second)[points[:, 1, 0], points[:, 1, 1]].all()


def test_a_central_start_is_one_deep_positive_click():
    target = disk((64, 64), (30, 34), 20)
    points = starting_clicks(scenes_of([target] * 40), ClickOptions(centre_start=1.0), draws(40))
    assert (points[:, 1:] == -1).all()
    distance = torch.hypot(points[:, 0, 0] - 30, points[:, 0, 1] - 34)
    assert distance.max() <= 11  # half as deep as the deepest, or deeper
    assert distance.max() > 6  # but anywhere there


def test_a_scene_without_object_gets_negative_clicks_only():
    empty = np.zeros((40, 40), bool)
    points = starting_clicks(scenes_of([empty] * 200), ClickOptions(centre_start=1.0), draws(200))
    assert (points[:, :24] == -1).all()
    assert (points[:, 24:, 2] >= 0).any()


def test_the_same_sample_gets_the_same_clicks_in_any_batch():
    targets = [disk((48, 48), (20 + i, 24), 8 + i) for i in range(6)]
    whole = starting_clicks(scenes_of(targets), ClickOptions(centre_start=0.5), draws(6))
    parts = [
        starting_clicks(scenes_of(targets[a:b]), ClickOptions(centre_start=0.5), draws(6, a, b))
        for a, b in ((0, 1), (1, 4), (4, 6))
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)


def test_every_pixel_of_a_region_is_as_likely():
    region = torch.zeros(1, 5, 7, dtype=torch.bool)
    region[0, 1, 2:6] = True
    places, found = choose_pixels(region, (torch.arange(400)[None] + 0.5) / 400)
    assert found.all()
    assert torch.bincount(places[0, :, 0] * 7 + places[0, :, 1]).tolist()[9:] == [100] * 4


def test_erosion_and_dilation_are_those_of_square_stencils():
    rng = np.random.default_rng(1)
    mask = ndimage.binary_dilation(rng.random((1, 40, 50)) < 0.02, iterations=5)
    square = np.ones((3, 3), bool)
    eroded = ndimage.binary_erosion(mask[0], square, iterations=3, border_value=1)
    np.testing.assert_array_equal(erode(torch.from_numpy(mask), 3)[0], eroded)
    for by in (1, 4):
        dilated = ndimage.binary_dilation(mask[0], square, iterations=by)
        got = dilate(torch.from_numpy(mask), torch.tensor([by]))[0]
        np.testing.assert_array_equal(got, dilated)
