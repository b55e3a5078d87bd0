"""The plain ViT against the public code's numbers, and against a slow and simple second writing."""

import re

import numpy as np
import pytest
import torch

from golden_models import (
    TOY_HEADS,
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
from napari_cfr_icl.engine.models.plain_vit import join_windows, split_windows
from simple_plain_vit import SimplePlainVit

TOLERANCE = 5e-5
"""Rounding of float32 in logits of some tens; 1.3e-5 was measured at most."""

TOY = {
    "family": "plain_vit",
    "dim": 16,
    "depth": 8,
    "num_heads": 2,
    "patch": 16,
    "neck_dims": [6, 10, 12, 20],
    "head_channels": 4,
    "upsample": 1,
    "image_size": 448,
}


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def toy():
    return network(public_weights("g_vit_d12_p16"), TOY_HEADS)


def test_logits_are_those_of_the_public_code(toy):
    raw = arrays("g_vit_d12_p16__raw")
    previous, points = torch.from_numpy(raw["a_prev"]), torch.from_numpy(raw["a_points"])

    logits = toy(image_tensor(raw["a_image"]), previous, points)

    expected = raw["a_logits_s2"]
    np.testing.assert_allclose(logits[:, :, ::2, ::2], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", ["224x224", "448x672", "576x576", "672x672"])
def test_logits_at_other_sizes_are_those_of_the_public_code(toy, size):
    raw = arrays("g_vit_d12_p16__raw")
    image = image_tensor(raw[f"sz{size}_image"])

    logits = toy(image, torch.zeros_like(image[:, :1]), torch.from_numpy(raw[f"sz{size}_points"]))

    expected = raw[f"sz{size}_logits_s4"]
    np.testing.assert_allclose(logits[:, :, ::4, ::4], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("size", "grid"), [("224x224", (14, 14)), ("448x672", (28, 42)), ("576x576", (36, 36))]
)
def test_positions_are_resized_as_the_public_code_does(toy, size, grid):
    expected = arrays("g_vit_d12_p16__raw")[f"sz{size}_pos_embed_s8"][:, 1:]

    positions = toy.backbone.positions(*grid).reshape(1, grid[0] * grid[1], -1)

    # Every eighth token was recorded, counted from the class token, which is not among ours.
    np.testing.assert_allclose(positions[:, 7::8], expected, rtol=0, atol=1e-6)


def test_positions_at_the_stored_size_are_the_stored_ones(toy):
    stored = toy.backbone.pos_embed[:, 1:]
    assert torch.equal(toy.backbone.positions(28, 28).flatten(1, 2), stored)


def test_every_stage_is_that_of_the_public_code(toy):
    raw = arrays("g_vit_d12_p16__raw")
    stages = {f"block{index}": block for index, block in enumerate(toy.backbone.blocks)}
    stages |= {"head": toy.head}
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for name, module in stages.items()
    ]
    neck = toy.neck.register_forward_hook(
        lambda _, __, levels: seen.update({f"neck{i}": level for i, level in enumerate(levels)})
    )
    toy(
        image_tensor(raw["a_image"]),
        torch.from_numpy(raw["a_prev"]),
        torch.from_numpy(raw["a_points"]),
    )
    for hook in (*hooks, neck):
        hook.remove()

    assert len(seen) == 12 + 1 + 4
    for name, value in seen.items():
        assert tuple(value.shape) == tuple(raw[f"dbg_{name}__shape"]), name
        first = value.flatten()[:16]
        np.testing.assert_allclose(first, raw[f"dbg_{name}__first16"], atol=TOLERANCE, err_msg=name)
        means = [value.mean(), value.abs().mean()]
        np.testing.assert_allclose(means, raw[f"dbg_{name}__meanabs"], atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit_xtiny", "448x448"), ("vit_b", "448x448"), ("vit_b", "672x672")],
)
def test_full_sizes_give_the_logits_of_the_public_code(name, size):
    raw = arrays(f"full_{name}")
    image = image_tensor(raw[f"{size}_image"])

    logits = full_size(name)(
        image, bump(*image.shape[-2:]), torch.from_numpy(raw[f"{size}_points"])
    )

    expected = raw[f"{size}_logits_s4"]
    np.testing.assert_allclose(logits[:, :, ::4, ::4], expected, rtol=0, atol=TOLERANCE)
    stats = [logits.mean(), logits.std(), logits.min(), logits.max()]
    np.testing.assert_allclose(stats, raw[f"{size}_logits_stats"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("changes", "rows", "cols"),
    [
        pytest.param({}, 448, 672, id="patch 16, windows 2 x 3"),
        pytest.param({}, 240, 416, id="one window of odd sides"),
        pytest.param({"patch": 14}, 448, 448, id="patch 14, as ViT-H"),
        pytest.param({"patch": 14}, 224, 714, id="patch 14, windows of 16 x 17"),
        pytest.param({"depth": 12}, 448, 448, id="depth 12, as ViT-B"),
        pytest.param({"depth": 16, "num_heads": 4}, 448, 448, id="depth 16, groups of 4"),
        pytest.param({"upsample": 2}, 448, 448, id="x2"),
        pytest.param({"upsample": 4}, 448, 448, id="x4"),
        pytest.param({"neck_dims": [3, 4, 5, 6]}, 224, 224, id="neck narrower than the tokens"),
    ],
)
def test_logits_equal_those_of_a_simple_second_writing(changes, rows, cols):
    model = randomised({**TOY, **changes}).double()
    image, maps = (x.double() for x in random_input(rows, cols, batch=2))

    logits = model.forward_maps(image, maps)

    expected = SimplePlainVit(model)(image, maps)
    assert logits.shape == (2, 1, rows, cols)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-9)
    assert expected.std() > 0.005


def test_windows_are_cut_row_by_row_and_joined_again():
    rows, cols = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
    tokens = torch.stack([rows, cols], dim=-1)[None]

    windows = split_windows(tokens, base=2)

    assert windows.shape == (6, 4, 2)
    assert windows[1].tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert windows[3].tolist() == [[2, 0], [2, 1], [3, 0], [3, 1]]
    assert torch.equal(join_windows(windows, 4, 6, base=2), tokens)


def test_a_size_leaves_no_trace_in_the_network(toy):
    image, maps = random_input(448, 448)
    before = toy.forward_maps(image, maps)
    toy.forward_maps(*random_input(224, 672))
    assert torch.equal(toy.forward_maps(image, maps), before)


@pytest.mark.parametrize(
    ("patch", "size", "good"),
    [
        pytest.param(16, (600, 600), (608, 608), id="no whole number of patches"),
        pytest.param(16, (464, 448), (448, 448), id="29 tokens make no two windows"),
        pytest.param(16, (64, 2000), (224, 2016), id="less than a window"),
        pytest.param(14, (574, 448), (560, 448), id="41 tokens of 14 pixels"),
    ],
)
def test_a_size_that_cannot_be_cut_is_refused_with_one_that_can(patch, size, good):
    model = build({**TOY, "patch": patch})
    message = f"{size[0]} x {size[1]} pixels .* {good[0]} x {good[1]}"
    with pytest.raises(ValueError, match=message):
        model.forward_maps(*random_input(*size))

    assert model.nearest_size(*size) == good
    assert model.forward_maps(*random_input(*good)).shape[-2:] == good


@pytest.mark.parametrize("patch", [14, 16])
def test_the_nearest_size_is_the_nearest_that_works(patch):
    model = build({**TOY, "patch": patch})
    base = 224 // patch
    valid = [n * patch for n in range(base, 200) if n % (n // base) == 0]
    for pixels in range(1, 1500, 7):
        rows, cols = model.nearest_size(pixels, 448)
        assert rows in valid
        assert abs(rows - pixels) == min(abs(side - pixels) for side in valid)
        assert cols == 448


def test_bfloat16_gives_nearly_the_same_mask(toy):
    raw = arrays("g_vit_d12_p16__raw")
    image = image_tensor(raw["a_image"])
    maps = toy.draw_maps(torch.from_numpy(raw["a_prev"]), torch.from_numpy(raw["a_points"]))
    exact = toy.forward_maps(image, maps) > 0

    with torch.autocast("cpu", torch.bfloat16):
        mixed = toy.forward_maps(image, maps) > 0
    whole = network(public_weights("g_vit_d12_p16"), TOY_HEADS).bfloat16()
    rounded = whole.forward_maps(image.bfloat16(), maps.bfloat16())

    assert rounded.dtype == torch.bfloat16
    assert exact.any()
    for mask in (mixed, rounded > 0):
        assert (mask & exact).sum() > 0.97 * (mask | exact).sum()


# torch is about to replace tracing, and its own group norm asks for the size while traced.
@pytest.mark.filterwarnings("ignore:.*is deprecated. Please switch:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_holds_for_other_sizes():
    model = randomised(TOY)
    traced = torch.jit.trace_module(model, {"forward_maps": random_input(224, 224)})
    image, maps = random_input(448, 672, batch=2)
    torch.testing.assert_close(traced.forward_maps(image, maps), model.forward_maps(image, maps))


def test_every_weight_is_trained():
    with torch.inference_mode(False):
        model = build({**TOY, "upsample": 4}).train()
        model.forward_maps(*random_input(224, 224)).sum().backward()
        idle = [name for name, weight in model.named_parameters() if not weight.grad.any()]
    assert idle == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 6}, "depth of 6 blocks"),
        ({"depth": 13}, "depth of 13 blocks"),
        ({"num_heads": 3}, "dim 16 is not a multiple of num_heads 3"),
        ({"neck_dims": [4, 4, 4]}, "neck_dims must be four numbers"),
        ({"neck_dims": [4, 4, 4, 0]}, "neck_dims must be a whole number above 0, not 0"),
        ({"upsample": 3}, "upsample must be 1, 2 or 4, not 3"),
        ({"image_size": 450}, "image_size 450 is no multiple of patch 16"),
        ({"dim": 16.0}, "dim must be a whole number above 0, not 16.0"),
        ({"patch": 448}, "patch 448 is larger than a window"),
        ({"click_style": "crosses"}, "click_style must be one of disks, distances"),
        ({"click_radius": 0}, "click_radius must be above 0 pixels"),
    ],
)
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build({**TOY, **changes})
