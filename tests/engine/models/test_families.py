import json
import re

import pytest
import torch

from golden_models import TOY_HEADS, public_shapes, public_weights, randomised
from napari_cfr_icl.engine.models import PUBLISHED, build, infer_architecture
from napari_cfr_icl.zoo.key_maps import published_weights

FINER = {"vit_b_x2": 2, "vit_b_x4": 4}


def _built(name):
    with torch.device("meta"):
        if name not in FINER:
            return build(PUBLISHED[name])
        upsample = FINER[name]
        return build({**PUBLISHED["vit_b"], "upsample": upsample, "head_channels": 256 // upsample})


def _meta_weights(name):
    return {
        key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        for key, (shape, dtype) in public_shapes()[name].items()
    }


@pytest.mark.parametrize("name", [*PUBLISHED, *FINER])
def test_keys_shapes_and_types_are_those_of_the_public_checkpoint(name):
    model = _built(name)
    ours = {
        key: [list(weight.shape), str(weight.dtype).removeprefix("torch.")]
        for key, weight in published_weights(model).items()
    }
    public = public_shapes()[name]
    assert ours == {key: public[key] for key in public if not key.startswith(model.dead_keys)}


def test_only_the_classifier_and_unused_steps_of_the_head_are_dead():
    dead = {
        name: {key.rpartition(".")[0] for key in public_shapes()[name] if key.startswith(dead)}
        for name in ("vit_b", "vit_b_x2", "vit_b_x4", "hrnet18")
        if (dead := _built(name).dead_keys) is not None
    }
    classifier = {"backbone", "backbone.fc_norm", "backbone.head"}
    first = {f"head.up_conv1.{layer}" for layer in range(4)}
    second = {f"head.up_conv2.{layer}" for layer in range(4)}
    assert dead == {
        "vit_b": classifier | first | second,
        "vit_b_x2": classifier | second,
        "vit_b_x4": classifier,
        "hrnet18": set(),
    }


@pytest.mark.parametrize("name", [*PUBLISHED, *FINER])
def test_the_architecture_is_known_from_the_shapes(name):
    assert infer_architecture(_meta_weights(name)) == _built(name).architecture


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_is_built_again_from_its_description_as_json(name):
    model = _built(name)
    with torch.device("meta"):
        again = build(json.loads(json.dumps(model.architecture)))
    assert again.architecture == model.architecture
    assert type(again) is type(model)
    assert not again.training
    shapes = {key: weight.shape for key, weight in model.state_dict().items()}
    assert {key: weight.shape for key, weight in again.state_dict().items()} == shapes


@pytest.mark.parametrize("with_previous", [True, False])
def test_no_previous_mask_is_an_empty_one(with_previous):
    model = randomised(
        {
            "family": "hrnet_ocr",
            "width": 3,
            "ocr_width": 4,
            "small": True,
            "with_previous": with_previous,
        }
    )
    points = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0]]])
    with torch.inference_mode():
        image = torch.rand(1, 3, 40, 64)
        expected = model(image, torch.zeros(1, 1, 40, 64), points)
        assert torch.equal(model(image, None, points), expected)


@pytest.mark.parametrize(
    ("name", "with_previous", "input_size", "fixed_square"),
    [
        ("hrnet18", True, 400, False),
        ("hrnet18_noprevmask", False, 400, False),
        ("vit_b", True, 448, True),
        ("vit_h", True, 448, True),
    ],
)
def test_a_network_says_what_it_needs(name, with_previous, input_size, fixed_square):
    model = _built(name)
    assert model.with_previous is with_previous
    assert model.input_size == input_size
    assert model.fixed_square is fixed_square


@pytest.mark.parametrize(
    ("name", "millions"),
    [("hrnet18s", 4.220047), ("hrnet18", 10.032019), ("hrnet32", 30.951363)],
)
def test_the_number_of_parameters_is_the_published_one(name, millions):
    assert sum(weight.numel() for weight in _built(name).parameters()) == round(millions * 1e6)


def test_attention_heads_of_an_unknown_width_have_to_be_given():
    weights = public_weights("g_vit_d12_p16")
    with pytest.raises(ValueError, match="attention heads of a plain ViT of width 32"):
        infer_architecture(weights)
    assert infer_architecture(weights, TOY_HEADS)["num_heads"] == TOY_HEADS


def test_foreign_weights_are_refused():
    with pytest.raises(ValueError, match="no plain ViT, no HRNet with OCR and no MobileSAM"):
        infer_architecture({"conv.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("vit_b", "backbone.patch_embed.proj.weight", "hold no backbone.patch_embed.proj.weight"),
        ("vit_b", "head.conv_seg.weight", "hold no head.conv_seg.weight"),
        ("hrnet18", "maps_transform.0.weight", "hold no maps_transform.0.weight"),
    ],
)
def test_weights_that_lack_a_part_are_refused_by_its_name(name, key, message):
    weights = _meta_weights(name)
    del weights[key]
    with pytest.raises(ValueError, match=re.escape(message)):
        infer_architecture(weights)


@pytest.mark.parametrize(
    ("name", "key", "shape", "message"),
    [
        ("vit_b", "backbone.pos_embed", (1, 786, 768), "785 tokens is not that of a square image"),
        ("vit_b", "backbone.pos_embed", (768,), "should have 3 axes, but its shape is (768,)"),
        ("vit_b", "head.conv_seg.weight", (1, 0, 1, 1), "head_channels must be"),
        ("vit_b", "head.conv_seg.weight", (1, 80, 1, 1), "upsample must be 1, 2 or 4, not 3"),
        ("hrnet18", "maps_transform.0.weight", (16, 5, 1, 1), "takes 5 click maps"),
    ],
)
def test_weights_of_an_impossible_shape_are_refused(name, key, shape, message):
    weights = _meta_weights(name)
    weights[key] = torch.empty(shape, device="meta")
    with pytest.raises(ValueError, match=re.escape(message)):
        infer_architecture(weights)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({}, "no network family None"),
        (
            {"family": "unet"},
            "no network family 'unet'; known are plain_vit, hrnet_ocr, sam_vit, sam2 and "
            "mobile_sam",
        ),
        ({"family": "hrnet_ocr"}, "no description of a hrnet_ocr network"),
        ({"family": "hrnet_ocr", "width": 18, "ocr_width": 64, "depth": 3}, "'depth'"),
        ({"family": "plain_vit", "neck_dims": 5}, "no description of a plain_vit network"),
    ],
)
def test_a_description_of_no_network_is_refused(architecture, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build(architecture)
