import itertools

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from napari_cfr_icl.engine import Window
from napari_cfr_icl.engine.finding.appearance import Appearance
from napari_cfr_icl.engine.finding.proposals import Shapes, certainty
from napari_cfr_icl.engine.finding.tiles import Tile, cover


@pytest.mark.parametrize("region", [Window(5, 7, 230, 101), Window(0, 0, 96, 96)])
def test_tiles_cover_a_region_and_share_pixels(region):
    looks = cover(region, 96, (300, 200))
    windows = [look.window for look in looks]
    seen, own = np.zeros((300, 200), int), np.zeros((300, 200), int)
    for look in looks:
        assert look.window.intersection(Window(0, 0, 300, 200)) == look.window
        assert look.own.intersection(look.window) == look.own
        seen[look.window.slices] += 1
        own[look.own.slices] += 1
    assert own[region.slices].min() == own.max() == 1
    assert own.sum() == region.height * region.width
    assert seen[region.slices].min() == 1
    tops = sorted({window.top for window in windows})
    assert all(below - above <= 96 - 24 for above, below in itertools.pairwise(tops))


def test_the_look_tells_objects_from_their_surroundings():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(40, 8, generator=generator) * 0.2
    noise[:20, 0] += 1
    noise[20:, 1] += 1
    vectors = normalize(noise, dim=1)
    appearance = Appearance(vectors[:15], vectors[20:35], vectors[:0])
    features = vectors.T.reshape(1, 8, 1, 40)
    tile = Tile(Window(0, 0, 8, 320), (8, 320), (features,))
    scores = appearance.scores(tile)
    assert scores.shape == (8, 320)
    assert scores[:, 15 * 8 : 19 * 8].min() > 0.3
    assert scores[:, 36 * 8 :].max() < -0.3


def test_objects_that_nobody_finished_are_no_background():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(80, 32, generator=generator) * 0.1
    noise[:40, 0] += 1
    noise[40:, 1] += 1
    vectors = normalize(noise, dim=1)
    mixed = torch.cat([vectors[10:30], vectors[40:75]])
    appearance = Appearance(vectors[:10], mixed, vectors[:0])
    tile = Tile(Window(0, 0, 8, 640), (8, 640), (vectors.T.reshape(1, 32, 1, 80),))
    scores = appearance.scores(tile)[:, 4::8]
    assert scores[:, 10:40].min() > 0.3
    assert scores[:, 75:].max() < -0.3


def test_sizes_and_shapes_like_the_examples_are_likely():
    square = np.ones((10, 10), bool)
    shapes = Shapes.of([np.ones((9, 10), bool), square, np.ones((10, 11), bool)])
    assert shapes.diameter == pytest.approx(np.sqrt(400 / np.pi))
    assert shapes.likeness(square) == shapes.likeness(np.ones((11, 12), bool)) == 1
    assert shapes.likeness(np.ones((32, 32), bool)) < 0.01
    assert shapes.likeness(np.ones((3, 3), bool)) < 0.01
    assert shapes.likeness(np.ones((4, 25), bool)) < 0.4
    assert shapes.likeness(np.ones((1, 100), bool)) < 0.01


def test_agreement_sharpness_and_look_make_a_mask_certain():
    shapes = Shapes.of([np.ones((10, 10), bool)])
    looks_alike = np.full((20, 20), 3, np.float32)
    sharp = np.zeros((20, 20), np.float32)
    sharp[5:15, 5:15] = 0.95
    moved = np.roll(sharp, 5, axis=0)
    blurred = np.where(sharp > 0, 0.6, 0.4).astype(np.float32)
    assert certainty(sharp, sharp, looks_alike, shapes) == pytest.approx(1, abs=0.01)
    assert certainty(moved, sharp, looks_alike, shapes) == pytest.approx(1 / 3, abs=0.01)
    assert certainty(blurred, blurred, looks_alike, shapes) == 0
    assert certainty(sharp, sharp, -looks_alike, shapes) < 0.01
    assert certainty(sharp, np.zeros_like(sharp), looks_alike, shapes) == 0
