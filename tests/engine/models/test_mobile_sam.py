"""MobileSAM against the published code's numbers, and its shortcuts against the long way."""

import numpy as np
import pytest
import torch

from golden_models import arrays, full_size, image_tensor, randomised
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.engine.runtime.arithmetic import EncoderCache, run_in
from napari_cfr_icl.engine.runtime.batch_norm_folding import fold_batch_norms

ARCHITECTURE = {"family": "mobile_sam", "detail": True, "image_size": 448, "outline": True}
CLICKS = torch.tensor([[[40.0, 60.0, 0.0], [90.0, 30.0, 1.0]]])
"""One on the object, one beside it."""


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def model():
    return randomised(ARCHITECTURE).eval()


@pytest.fixture(scope="module")
def published():
    return full_size("mobile_sam")


@pytest.fixture(scope="module")
def features(published):
    y, x = np.mgrid[:1024, :1024]
    colours = [127 + 120 * np.sin(y / 37 + c) * np.cos(x / (53 + 9 * c)) for c in range(3)]
    return published.encode(image_tensor(np.stack(colours, -1).astype(np.uint8)))


def picture(rows, cols, seed=0):
    return torch.rand(1, 3, rows, cols, generator=torch.Generator().manual_seed(seed))


def test_features_are_those_of_the_published_code(features):
    (coarse,) = features
    expected = arrays("full_mobile_sam")["features_s8"]
    np.testing.assert_allclose(coarse[0, ::16, ::8, ::8], expected, rtol=0, atol=5e-5)


def test_a_first_click_gives_the_logits_of_the_published_code(published, features):
    points = torch.tensor([[[200.0, 300.0, 0.0], [-1.0, -1.0, -1.0]]])
    logits = published.decode(features, torch.zeros(1, 1, 1024, 1024), points)
    expected = arrays("full_mobile_sam")["first_logits_s8"]
    np.testing.assert_allclose(logits[0, 0, ::8, ::8], expected, rtol=0, atol=1e-4)


def test_two_clicks_and_a_mask_give_the_logits_of_the_published_code(published, features):
    encoder = published.prompt_encoder
    points = torch.tensor([[[200.0, 300.0, 0.0], [650.0, 700.0, 1.0]]])
    tokens, empty = encoder.tokens(points, (1024, 1024))
    mask = torch.from_numpy((4 * np.sin(np.mgrid[:256, :256][0] / 9)).astype(np.float32))
    seen = features[0] + encoder.mask(mask[None, None], torch.ones(1, 1, 1, 1, dtype=torch.bool))
    position = encoder.pe_layer.grid(64, 64)
    logits = published.mask_decoder(seen, position, tokens, empty, [])
    expected = arrays("full_mobile_sam")["later_logits_s2"]
    np.testing.assert_allclose(logits[0, 0, ::2, ::2], expected, rtol=0, atol=1e-4)


def test_empty_slots_change_nothing(model):
    image, previous = picture(128, 96), torch.rand(1, 1, 128, 96)
    nothing = torch.full((1, 3, 3), -1.0)
    more = torch.cat([CLICKS[:, :1], nothing, CLICKS[:, 1:], nothing], dim=1)
    one, other = model(image, previous, CLICKS), model(image, previous, more)
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    moved = torch.where(CLICKS == 90, 20.0, CLICKS)
    assert not torch.allclose(model(image, previous, moved), one)


def test_a_click_beside_the_window_is_none(model):
    image, previous = picture(128, 96), torch.rand(1, 1, 128, 96)
    inside = torch.tensor([[[127.0, 95.0, 0.0], [-1.0, -1.0, -1.0]]])
    for row, col in ((140.0, 30.0), (30.0, 97.0), (-20.0, 50.0), (50.0, -20.0)):
        beside = inside.clone()
        beside[0, 1] = torch.tensor([row, col, 1.0])
        torch.testing.assert_close(model(image, previous, beside), model(image, previous, inside))


def test_a_click_on_the_object_is_another_thing_than_one_beside_it(model):
    image, previous = picture(128, 128), torch.zeros(1, 1, 128, 128)
    assert not torch.allclose(
        model(image, previous, CLICKS), model(image, previous, CLICKS.flip(1))
    )


def test_no_previous_mask_is_not_the_mask_of_nothing(model):
    image = picture(128, 128)
    none, faint = model(image, None, CLICKS), torch.full((1, 1, 128, 128), 1e-6)
    assert torch.equal(none, model(image, torch.zeros(1, 1, 128, 128), CLICKS))
    assert not torch.allclose(none, model(image, faint, CLICKS))


def test_each_sample_of_a_batch_has_its_own_answer(model):
    images = torch.cat([picture(96, 128, seed) for seed in (0, 1)])
    previous = torch.cat([torch.zeros(1, 1, 96, 128), torch.rand(1, 1, 96, 128)])
    points = torch.cat([CLICKS, CLICKS.flip(1)])
    together = model(images, previous, points)
    for at in range(2):
        one = slice(at, at + 1)
        alone = model(images[one], previous[one], points[one])
        torch.testing.assert_close(together[one], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", ["detail", "outline"])
def test_an_untrained_part_adds_nothing(model, part):
    bare = build({**ARCHITECTURE, part: False})
    weights = model.state_dict()
    bare.load_state_dict({key: x for key, x in weights.items() if key in bare.state_dict()})
    fresh = build(ARCHITECTURE)
    fresh.load_state_dict(bare.state_dict(), strict=False)
    image = picture(128, 128)
    torch.testing.assert_close(fresh(image, None, CLICKS), bare(image, None, CLICKS))
    assert not torch.allclose(model(image, None, CLICKS), bare(image, None, CLICKS))


def test_the_outline_head_sees_each_click_where_it_is(model):
    image, previous = picture(128, 96), torch.zeros(1, 1, 128, 96)
    drawn = []
    hook = model.outline.register_forward_pre_hook(lambda _, given: drawn.append(given[1][1]))
    for row, col in ((0.0, 0.0), (40.0, 60.0), (127.0, 95.0)):
        points = torch.tensor([[[row, col, 0.0], [-1.0, -1.0, -1.0]]])
        model(image, previous, points)
    hook.remove()
    for (row, col), maps in zip(((0, 0), (10, 15), (31, 23)), drawn, strict=True):
        assert maps.shape == (1, 2, 32, 24)
        assert maps[0, 0, row, col] == 1
        assert maps[0, 0].sum() < 12
        assert not maps[0, 1].any()


@pytest.mark.parametrize(
    ("asked", "given"),
    [((448, 448), (448, 448)), ((440, 337), (448, 336)), ((3, 1000), (64, 992))],
)
def test_the_nearest_size_is_one_that_it_takes(model, asked, given):
    assert model.nearest_size(*asked) == given
    assert model(picture(*given), None, CLICKS).shape[-2:] == given


def test_batch_norms_fold(model):
    image, light = picture(112, 128), fold_batch_norms(model)
    assert not any("bn.running_mean" in key for key in light.state_dict())
    torch.testing.assert_close(
        light(image, None, CLICKS), model(image, None, CLICKS), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("size", [(128, 128), (448, 224), (176, 96)], ids=str)
def test_traced_it_gives_the_same_logits_at_any_size(model, size):
    image, previous = picture(*size), torch.rand(1, 1, *size)
    expected = model(image, previous, CLICKS)
    run = run_in(model, "float32")
    torch.testing.assert_close(run(image, previous, CLICKS), expected, rtol=1e-3, atol=1e-3)


def test_bfloat16_stays_near_float32(model):
    image, previous = picture(224, 224), torch.rand(1, 1, 224, 224)
    expected = model(image, previous, CLICKS)
    logits = run_in(model, "bfloat16")(image, previous, CLICKS)
    assert logits.dtype == torch.float32
    assert 0 < float((logits - expected).pow(2).mean().sqrt() / expected.std()) < 0.1


def test_a_picture_is_looked_at_once_until_another_comes(model):
    looked = []

    def encode(image):
        looked.append(image)
        return model.encode(image)

    run = EncoderCache(encode, model.decode)
    image, previous = picture(128, 128), torch.zeros(1, 1, 128, 128)
    first = run(image, previous, CLICKS)
    again = run(image.clone(), torch.sigmoid(first), CLICKS)
    assert len(looked) == 1
    assert torch.equal(again, model(image, torch.sigmoid(first), CLICKS))
    brighter = run(image * 0.9, previous, CLICKS)
    assert len(looked) == 2
    assert torch.equal(brighter, model(image * 0.9, previous, CLICKS))
    run(picture(96, 128), previous[..., :96, :], CLICKS)
    assert len(looked) == 3


@pytest.mark.parametrize("wrong", [{"detail": 1}, {"outline": 0}, {"image_size": 0}, {"width": 3}])
def test_an_impossible_description_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}"):
        build({**ARCHITECTURE, **wrong})
