"""HRNet with OCR against the public code's numbers, and its shortcuts against the long way."""

import numpy as np
import pytest
import torch

from golden_models import (
    arrays,
    bump,
    full_size,
    image_tensor,
    network,
    public_weights,
    random_input,
    randomised,
)
from napari_cfr_icl.engine.models import build

ROUNDING = {"rtol": 2e-6, "atol": 1e-4}
"""Float32 against float64 alone differs by 8e-5 where auxiliary logits reach -54."""

TOY = {"family": "hrnet_ocr", "width": 3, "ocr_width": 4, "small": True}


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def toy():
    return network(public_weights("g_hrnet_w4s"))


@pytest.mark.parametrize("case", ["a", "b"])
def test_logits_are_those_of_the_public_code(toy, case):
    raw = arrays("g_hrnet_w4s__raw")
    image = image_tensor(raw[f"{case}_image"])
    previous, points = (torch.from_numpy(raw[f"{case}_{name}"]) for name in ("prev", "points"))

    logits, aux = toy.forward_maps_with_aux(image, toy.draw_maps(previous, points))

    expected = raw[f"{case}_logits_s2"]
    np.testing.assert_allclose(logits[:, :, ::2, ::2], expected, rtol=0, atol=5e-5)
    expected = raw[f"{case}_aux_logits_s4"]
    np.testing.assert_allclose(aux[:, :, ::4, ::4], expected, rtol=0, atol=5e-5)
    assert torch.equal(toy(image, previous, points), logits)


@pytest.mark.parametrize("size", ["320x480", "251x333"])
@pytest.mark.parametrize("name", ["hrnet18s", "hrnet18"])
def test_full_sizes_give_the_logits_of_the_public_code(name, size):
    raw = arrays(f"full_{name}")
    image = image_tensor(raw[f"{size}_image"])
    model = full_size(name)
    maps = model.draw_maps(bump(*image.shape[-2:]), torch.from_numpy(raw[f"{size}_points"]))

    logits, aux = model.forward_maps_with_aux(image, maps)

    expected = raw[f"{size}_logits_s4"]
    np.testing.assert_allclose(logits[:, :, ::4, ::4], expected, **ROUNDING)
    stats = [logits.mean(), logits.std(), logits.min(), logits.max()]
    np.testing.assert_allclose(stats, raw[f"{size}_logits_stats"], **ROUNDING)
    expected = raw[f"{size}_aux_logits_s4"]
    np.testing.assert_allclose(aux[:, :, ::4, ::4], expected, **ROUNDING)


def test_images_are_normalised_as_in_the_public_code(toy):
    recorded = arrays("normalisation")
    normalised = toy.normalised(torch.from_numpy(recorded["x"]))
    np.testing.assert_allclose(normalised, recorded["out"], rtol=0, atol=1e-6)


def test_the_context_shortcut_equals_attention_over_one_object():
    head = randomised(TOY).feature_extractor.ocr_distri_head
    block = head.object_context_block
    generator = torch.Generator().manual_seed(2)
    features = torch.rand(2, 8, 5, 7, generator=generator)
    mean = torch.rand(2, 8, 1, 1, generator=generator)

    query = block.f_pixel(features).flatten(2).transpose(1, 2)  # (B, pixels, 4)
    key = block.f_object(mean).flatten(2)  # (B, 4, objects)
    value = block.f_down(mean).flatten(2).transpose(1, 2)  # (B, objects, 4)
    attention = (query @ key * 4**-0.5).softmax(dim=-1)
    context = block.f_up((attention @ value).transpose(1, 2).reshape(2, 4, 5, 7))
    expected = head.conv_bn_dropout(torch.cat([context, features], dim=1))

    torch.testing.assert_close(head(features, mean), expected)


def test_without_previous_mask_only_clicks_are_seen():
    model = randomised({**TOY, "with_previous": False})
    image, _ = random_input(64, 96)
    points = torch.tensor([[(20.0, 30.0, 0.0), (50.0, 70.0, 1.0)]])
    moved = torch.tensor([[(40.0, 30.0, 0.0), (50.0, 70.0, 1.0)]])

    empty = model(image, torch.zeros(1, 1, 64, 96), points)

    assert model.draw_maps(torch.ones(1, 1, 64, 96), points).shape == (1, 2, 64, 96)
    assert torch.equal(model(image, torch.ones(1, 1, 64, 96), points), empty)
    assert not torch.allclose(model(image, torch.zeros(1, 1, 64, 96), moved), empty)


def test_maps_are_previous_mask_then_positive_then_negative_clicks(toy):
    points = torch.tensor([[(20.0, 30.0, 0.0), (50.0, 70.0, 1.0)]])
    previous, positive, negative = toy.draw_maps(torch.full((1, 1, 64, 96), 0.25), points)[0]
    assert (previous == 0.25).all()
    assert positive[20, 30] == negative[50, 70] == 1
    assert positive.sum() == negative.sum() == 81


def test_clicks_can_be_drawn_as_distances():
    model = build({**TOY, "click_style": "distances", "click_radius": 20.0})
    points = torch.tensor([[(20.0, 30.0, 0.0), (-1.0, -1.0, -1.0)]])
    _, positive, negative = model.draw_maps(torch.zeros(1, 1, 64, 96), points)[0]
    assert positive[20, 30] == 0
    assert positive[20, 40].item() == pytest.approx(np.tanh(1.0))
    assert (negative == 1).all()


@pytest.mark.parametrize(("rows", "cols"), [(32, 32), (33, 47), (101, 32)])
def test_any_size_from_32_pixels_works(rows, cols):
    model = randomised(TOY)
    assert model.nearest_size(rows, cols) == (rows, cols)
    logits = model.forward_maps(*random_input(rows, cols))
    assert logits.shape == (1, 1, rows, cols)
    assert logits.isfinite().all()


def test_less_than_32_pixels_is_refused():
    model = randomised(TOY)
    with pytest.raises(ValueError, match="at least 32 pixels a side, not 31 x 40"):
        model.forward_maps(*random_input(31, 40))
    assert model.nearest_size(31, 40) == (32, 40)


def test_bfloat16_gives_nearly_the_same_mask(toy):
    raw = arrays("g_hrnet_w4s__raw")
    image = image_tensor(raw["a_image"])
    maps = toy.draw_maps(torch.from_numpy(raw["a_prev"]), torch.from_numpy(raw["a_points"]))
    exact = toy.forward_maps(image, maps) > 0

    whole = network(public_weights("g_hrnet_w4s")).bfloat16()
    rounded = whole.forward_maps(image.bfloat16(), maps.bfloat16())

    assert rounded.dtype == torch.bfloat16
    assert exact.any()
    assert ((rounded > 0) & exact).sum() > 0.97 * ((rounded > 0) | exact).sum()


def test_channels_last_gives_the_same_logits(toy):
    image, maps = random_input(96, 64)
    expected = toy.forward_maps(image, maps)
    model = network(public_weights("g_hrnet_w4s")).to(memory_format=torch.channels_last)
    image, maps = (x.to(memory_format=torch.channels_last) for x in (image, maps))
    torch.testing.assert_close(model.forward_maps(image, maps), expected, rtol=1e-5, atol=5e-5)


@pytest.mark.filterwarnings("ignore:.*is deprecated. Please switch:FutureWarning")
def test_a_trace_holds_for_other_sizes():
    model = randomised(TOY)
    traced = torch.jit.trace_module(model, {"forward_maps": random_input(64, 96)})
    image, maps = random_input(131, 77, batch=2)
    torch.testing.assert_close(traced.forward_maps(image, maps), model.forward_maps(image, maps))


def test_every_weight_that_counts_is_trained():
    with torch.inference_mode(False):
        model = randomised(TOY).train()
        logits, aux = model.forward_maps_with_aux(*random_input(64, 96, batch=2))
        (logits.square().sum() + aux.square().sum()).backward()
        idle = {
            name.split(".")[3]
            for name, weight in model.named_parameters()
            if weight.grad is None or not weight.grad.any()
        }
    assert idle == {"f_pixel", "f_object"}


@pytest.mark.parametrize("field", ["width", "ocr_width", "image_size"])
def test_impossible_sizes_are_refused(field):
    with pytest.raises(ValueError, match=f"{field} must be a whole number above 0, not 0"):
        build({**TOY, field: 0})


def test_the_sign_of_the_learned_scale_of_the_clicks_does_not_matter():
    model = randomised(TOY)
    image, maps = random_input(64, 96)
    expected = model.forward_maps(image, maps)
    model.maps_transform[-1].scale.neg_()
    assert torch.equal(model.forward_maps(image, maps), expected)
    model.maps_transform[-1].scale.zero_()
    assert not torch.allclose(model.forward_maps(image, maps), expected)
