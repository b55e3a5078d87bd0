from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from napari_cfr_icl.training.data.sample_batch import SampleBatch
from napari_cfr_icl.training.data.suem import (
    SuemPlan,
    exclude,
    mix_images,
    mix_object,
    paste_simple,
    shifted,
    suem,
    unite,
)
from napari_cfr_icl.training.options import SuemOptions
from training_goldens import golden
from training_scenes import disk, draws, scenes_of

EXCLUSION, UNION = 1, 2


@pytest.fixture(scope="module")
def recorded():
    return golden("suem.npz")


def _scenes(recorded, which):
    image = torch.from_numpy(recorded[f"{which}_image"]).permute(2, 0, 1)[None]
    mask = torch.from_numpy(recorded[f"{which}_mask"] > 0)[None, None]
    empty = torch.zeros_like(mask)
    return SampleBatch(image, torch.cat([mask, empty], dim=1), empty, empty)


def _alpha(value):
    return torch.full((1, 1, 1, 1), value)


def _stacked(source, extra):
    first = paste_simple(source, extra, _alpha(0.8))
    return mix_images(unite(first, extra), extra, _alpha(0.75))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("simple_cp_alpha080", lambda s, e: paste_simple(s, e, _alpha(0.8))),
        ("simple_cp_alpha1", lambda s, e: paste_simple(s, e, _alpha(1.0))),
        ("exclusion", exclude),
        ("union", unite),
        ("object_alpha_mix_080", lambda s, e: mix_object(s, e, _alpha(0.8))),
        ("image_mix_alpha075", lambda s, e: mix_images(s, e, _alpha(0.75))),
        ("simple_then_union_then_mix", _stacked),
    ],
)
def test_modes_are_exactly_those_of_the_public_code(recorded, name, mode):
    result = mode(_scenes(recorded, "src"), _scenes(recorded, "extra"))
    np.testing.assert_array_equal(result.images[0].permute(1, 2, 0), recorded[f"{name}__image"])
    np.testing.assert_array_equal(result.mask[0, 0], recorded[f"{name}__mask"] > 0)


def _pair(count=1):
    source = scenes_of([disk((60, 60), (26, 26), 12)] * count)
    extra = scenes_of([disk((60, 60), (36, 36), 10)] * count, [disk((60, 60), (8, 50), 5)] * count)
    return source, dataclasses.replace(extra, images=255 - extra.images)


def _plan(simple=False, paste=0, mix=False):
    return SuemPlan(torch.tensor([simple]), torch.tensor([paste]), torch.tensor([mix]))


def test_objects_of_the_other_picture_are_kept_as_others():
    source, extra = _pair()
    pasted = paste_simple(source, extra, _alpha(1.0))
    assert (pasted.others == (extra.mask | extra.others) & ~source.mask).all()
    occluded = exclude(source, extra)
    assert (occluded.others & extra.mask).any()
    assert not (occluded.others & occluded.mask).any()


def test_a_union_remembers_its_two_objects():
    source, extra = _pair()
    parts = unite(source, extra).parts
    assert parts.any(dim=(2, 3)).all()
    assert not (parts[:, 0] & parts[:, 1]).any()


def test_stages_fall_as_often_as_asked():
    options = SuemOptions(simple=0.3, paste=0.6, mix=0.1)
    plan = SuemPlan.drawn(options, draws(4000))
    assert plan.simple.float().mean() == pytest.approx(0.3, abs=0.03)
    assert plan.mix.float().mean() == pytest.approx(0.1, abs=0.02)
    kinds = np.bincount(plan.paste) / 4000
    np.testing.assert_allclose(kinds, [0.4, 0.2, 0.2, 0.2], atol=0.03)
    assert (plan.needs_extra == (plan.simple | (plan.paste > 0) | plan.mix)).all()


def test_the_paper_pastes_opaque_and_knows_no_ghosts():
    options = SuemOptions(simple=1.0, paste=1.0, mix=0.0, translucent=False, object_mixing=False)
    assert set(SuemPlan.drawn(options, draws(300)).paste.tolist()) == {EXCLUSION, UNION}
    source, extra = _pair()
    result = suem(source, extra, _plan(simple=True), options, draws(1))
    inside = source.mask.expand_as(source.images)
    assert torch.equal(result.images[inside], source.images[inside])
    assert torch.equal(result.images[~inside], extra.images[~inside])


def test_a_sample_that_nothing_falls_on_stays():
    source, extra = _pair()
    result = suem(source, extra, _plan(), SuemOptions(), draws(1))
    assert torch.equal(result.images, source.images)
    assert torch.equal(result.parts, source.parts)


def test_a_paste_that_would_hide_the_object_is_left_out():
    source = scenes_of([disk((60, 60), (30, 30), 6)])
    extra = scenes_of([disk((60, 60), (30, 30), 12)])
    hidden = suem(source, extra, _plan(paste=EXCLUSION), SuemOptions(), draws(1))
    assert torch.equal(hidden.parts, source.parts)
    assert torch.equal(hidden.images, source.images)


def test_jitter_finds_a_place_that_leaves_the_object_visible():
    source = scenes_of([disk((60, 60), (30, 30), 6)])
    extra = scenes_of([disk((60, 60), (30, 30), 8)])
    options = SuemOptions(place=0.3, scale=0.5)
    result = suem(source, extra, _plan(paste=EXCLUSION), options, draws(1))
    assert not torch.equal(result.images, source.images)
    assert 20 < result.mask.sum() <= source.mask.sum()


def test_a_shift_moves_rows_down_and_columns_right():
    scenes = scenes_of([disk((60, 60), (30, 30), 6)])
    moved = shifted(scenes, torch.tensor([[0.25, -0.1]]), torch.tensor([[2.0]]))
    rows, cols = moved.mask[0, 0].nonzero().float().unbind(dim=1)
    # The scene is enlarged about its middle (29.5), then moved by 15 rows and -6 columns.
    assert rows.mean() == pytest.approx(45.5, abs=0.6)
    assert cols.mean() == pytest.approx(24.5, abs=0.6)
    assert moved.mask.sum().item() == pytest.approx(4 * scenes.mask.sum().item(), rel=0.1)


def test_a_sample_is_changed_in_the_same_way_in_any_batch():
    source, extra = _pair(4)
    options = SuemOptions(place=0.2, scale=0.3)
    plan = SuemPlan(
        torch.tensor([True, False, True, False]), torch.arange(4), torch.tensor([False, True] * 2)
    )
    whole = suem(source, extra, plan, options, draws(4))
    for i in range(4):
        one = SuemPlan(plan.simple[i : i + 1], plan.paste[i : i + 1], plan.mix[i : i + 1])
        row = torch.tensor([i])
        alone = suem(source.rows(row), extra.rows(row), one, options, draws(4, i, i + 1))
        assert torch.equal(alone.images, whole.images[row])
        assert torch.equal(alone.parts, whole.parts[row])
