from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.training.data.augment import augment
from napari_cfr_icl.training.data.batches import Batches
from napari_cfr_icl.training.data.check import inspect_dataset
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.data.crops import REST, choose_window, cut_image, cut_masks
from napari_cfr_icl.training.data.image_cache import ImageCache
from napari_cfr_icl.training.data.splits import divide
from napari_cfr_icl.training.options import (
    AugmentOptions,
    ClickOptions,
    DataOptions,
    SuemOptions,
    TrainOptions,
)
from training_collections import write_collection
from training_scenes import disk, draws, scenes_of

OPTIONS = TrainOptions(
    data=DataOptions(side=64, min_area=20, min_side=24),
    clicks=ClickOptions(centre_start=0.5),
    suem=SuemOptions(place=0.2, scale=0.5),
)
PLAIN = AugmentOptions(0, False, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    collection = open_collection(write_collection(tmp_path_factory.mktemp("cells") / "cells", 6))
    return [divide(inspect_dataset(collection), held_out=0.2, seed=0)]


def _batches(parts, options=OPTIONS, budget=1.0):
    store = ImageCache(budget)
    for record in parts[0].train:
        store.keep(record.example, record.example.image(), record.example.labels())
    return Batches(parts, store, options, torch.device("cpu"))


def test_a_sample_is_the_same_however_the_batch_is_cut_and_whenever_it_is_made(parts):
    batches = _batches(parts)
    batches.inputs(4, range(3))
    whole = batches.inputs(5, range(6))
    for first, last in ((0, 1), (1, 4), (4, 6)):
        part = batches.inputs(5, range(first, last))
        for name in ("images", "target", "points"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[first:last]), name


def test_steps_and_seeds_give_other_samples(parts):
    batches = _batches(parts)
    one, other = batches.inputs(1, range(2)), batches.inputs(2, range(2))
    seeded = _batches(parts, replace(OPTIONS, seed=1)).inputs(1, range(2))
    assert not torch.equal(one.images, other.images)
    assert not torch.equal(one.images, seeded.images)
    assert not torch.equal(one.images[0], one.images[1])


@pytest.mark.parametrize(
    "suem", [SuemOptions(0, 0, 0), SuemOptions(place=0.2)], ids=["plain", "suem"]
)
def test_several_samples_share_one_picture_and_each_has_an_object_of_its_own(parts, suem):
    batches = _batches(parts, replace(OPTIONS, suem=suem, data=replace(OPTIONS.data, field=1.0)))
    counts = []
    for number in range(12):
        several = batches.several(number, 3)
        assert torch.equal(several.images, several.images[:1].expand_as(several.images))
        assert several.parts.flatten(1).any(dim=1).all()
        for one, other in combinations(several.mask, 2):
            assert not torch.equal(one, other)
        alone = batches.several(number, 1)
        for each, first in zip(alone.tensors, several.tensors, strict=True):
            assert torch.equal(each, first[:1])
        counts.append(len(several))
    assert max(counts) == 3


def test_threads_that_read_ahead_change_nothing(parts):
    alone = _batches(parts)
    helped = _batches(parts, replace(OPTIONS, data=replace(OPTIONS.data, workers=3)), budget=0.0)
    for step in range(3):
        helped.expect(step + 1, range(4))
        expected, found = (batches.inputs(step, range(4)) for batches in (alone, helped))
        assert torch.equal(expected.images, found.images)
        assert torch.equal(expected.points, found.points)


def test_pictures_that_do_not_fit_into_memory_are_read_again(parts):
    kept, read = (
        _batches(parts).inputs(0, range(4)),
        _batches(parts, budget=0.0).inputs(0, range(4)),
    )
    assert torch.equal(kept.images, read.images)
    assert torch.equal(kept.target, read.target)


def test_inputs_are_what_the_network_takes(parts):
    inputs = _batches(parts).inputs(0, range(16))
    assert inputs.images.shape == (16, 3, 64, 64)
    assert inputs.images.min() >= 0
    assert 0.5 < inputs.images.max() <= 1
    assert inputs.target.unique().tolist() == [0, 1]
    assert (inputs.target.sum((1, 2, 3)) >= 20).all()
    assert (inputs.points[:, 0, 2] >= 0).all()  # every sample has an object, so a positive click


def test_pixels_of_unknown_truth_are_neither_object_nor_background(parts):
    ignoring = replace(OPTIONS.data, ignored_id=2, merge=0.0, field=1.0)
    options = replace(OPTIONS, data=ignoring, augment=PLAIN, suem=SuemOptions(0, 0, 0))
    source, _, _ = _batches(parts, options).at(0, range(8))
    assert source.ignored.any()
    assert (source.target[source.ignored & ~source.mask] == -1).all()
    assert not (source.ignored & source.others).any()


def test_weights_decide_the_share_of_each_collection(parts, tmp_path):
    bright = open_collection(write_collection(tmp_path / "bright", 3, first=50))
    store = ImageCache(1.0)
    second = divide(inspect_dataset(bright), held_out=0, seed=0)
    options = replace(OPTIONS, data=replace(OPTIONS.data, weights=(0.0, 1.0)))
    batches = Batches([*parts, second], store, options, torch.device("cpu"))
    alone = replace(OPTIONS, data=replace(OPTIONS.data, weights=(1.0,)))
    expected = Batches([second], store, alone, torch.device("cpu")).inputs(0, range(4))
    assert torch.equal(batches.inputs(0, range(4)).images, expected.images)


def test_nothing_to_train_on_is_said(parts):
    options = replace(OPTIONS, data=replace(OPTIONS.data, min_area=10_000))
    with pytest.raises(InputError, match="no object of 10000 pixels"):
        _batches(parts, options)


@pytest.mark.parametrize("field", [0.0, 1.0], ids=["zoomed", "field"])
def test_windows_hold_the_object_and_lie_in_the_picture(field):
    options = DataOptions(zoom=(1.2, 5.0), min_side=30, field=field, field_side=150)
    rng, box, sizes = np.random.default_rng(0), np.array([3, 160, 33, 180]), []
    for _ in range(300):
        window = choose_window(box, (200, 190), options, rng)
        assert 0 <= window.top <= box[0]
        assert window.left <= box[1]
        assert box[2] <= window.bottom <= 200
        assert box[3] <= window.right <= 190
        sizes.append(window.height)
        assert window.height == window.width
    if field:
        assert set(sizes) == {150}
    else:
        assert min(sizes) < 40
        assert 130 < max(sizes) <= 150


def test_a_window_as_large_as_the_picture_shows_all_of_it():
    options = DataOptions(zoom=(1.2, 2.0), field=0.0)
    window = choose_window(np.array([5, 0, 50, 90]), (60, 100), options, np.random.default_rng(1))
    assert window == Window(0, 0, 60, 100)


def test_a_window_is_at_most_twice_as_long_as_wide():
    options = DataOptions(zoom=(1.2, 2.0), field=0.0)
    window = choose_window(np.array([10, 0, 50, 300]), (60, 300), options, np.random.default_rng(1))
    assert (window.top, window.height, window.width) == (0, 60, 120)
    assert 0 <= window.left <= 180


def test_picture_and_labels_are_cut_at_the_same_place():
    labels = torch.from_numpy(disk((80, 80), (30, 50), 15)).int() * 9
    picture = (labels > 0).byte()[None].expand(3, -1, -1) * 200
    window = choose_window(
        np.array([15, 35, 46, 66]), (80, 80), DataOptions(field=0.0), np.random.default_rng(0)
    )
    for side in (window.height // 2, window.height, 3 * window.height):
        bright = cut_image(picture, window, side)[0] > 100
        (inside,) = cut_masks(labels, window, side, [9])
        assert torch.equal(bright, inside)


def test_masks_are_cut_by_id_and_the_rest_is_the_rest():
    labels = torch.zeros(6, 8, dtype=torch.int32)
    labels[0:2], labels[3:5, :4], labels[3:5, 4:] = 5, 7, 9
    window = Window(1, 2, 4, 4)
    five, rest, nobody = cut_masks(labels, window, 4, [5, REST, -2])
    assert torch.equal(five, labels[1:5, 2:6] == 5)
    assert torch.equal(rest, labels[1:5, 2:6] > 5)
    assert not nobody.any()


def test_enlarged_outlines_are_smooth():
    labels = torch.from_numpy(disk((20, 20), (10, 10), 7)).int()
    (large,) = cut_masks(labels, Window(0, 0, 20, 20), 200, [1])
    ideal = torch.from_numpy(disk((200, 200), (104.5, 104.5), 69))
    wrong = (large != ideal).sum().item()
    stairs = labels.bool().repeat_interleave(10, 0).repeat_interleave(10, 1)
    steps = (stairs != ideal).sum().item()
    assert wrong < 0.75 * steps


def test_augmentation_turns_picture_and_masks_alike():
    target = disk((64, 64), (20, 40), 9)
    scenes = scenes_of([target] * 40)
    pictures = (scenes.mask.expand(-1, 3, -1, -1) * 200).byte()
    turned = augment(
        replace(scenes, images=pictures), replace(PLAIN, flip=0.5, rotate=True), draws(40)
    )
    assert torch.equal(turned.images[:, :1] > 100, turned.mask)
    assert len(torch.unique(turned.mask.flatten(1), dim=0)) == 8  # all turns and mirrorings


def test_augmentation_without_strength_changes_nothing():
    scenes = scenes_of([disk((32, 32), (16, 16), 6)] * 3)
    assert torch.equal(augment(scenes, PLAIN, draws(3)).images, scenes.images)


@pytest.mark.parametrize(
    "change",
    [
        {"brightness": 0.3},
        {"contrast": 0.5},
        {"gamma": 0.5},
        {"colour": 0.2},
        {"noise": 0.1},
        {"blur": 1.0},
        {"grey": 1.0},
        {"invert": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_recolouring_works_sample_by_sample(change):
    scenes = scenes_of([disk((32, 32), (16, 16), 6)] * 4)
    scenes = replace(scenes, images=scenes.images[:1].expand(4, -1, -1, -1) // 2 + 40)
    changed = augment(scenes, replace(PLAIN, **change), draws(4)).images
    assert not torch.equal(changed, scenes.images)
    if "grey" in change:
        assert torch.equal(changed[:, 0], changed[:, 2])
    elif "invert" in change:
        assert torch.equal(changed, 255 - scenes.images)
    else:
        assert not torch.equal(changed[0], changed[1])
