"""Files of SAM, SAM 2 and micro-sam: which load, which are refused, and that none runs anything.

The recorded stand-ins have every key and shape of the real files; each weight is one number that
follows from its name.
"""

import os
import subprocess
import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from golden_models import GOLDEN, randomised
from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.zoo import ModelInfo, ModelStore, import_checkpoint, load, save
from napari_cfr_icl.zoo.key_maps import published_weights
from napari_cfr_icl.zoo.micro_sam import merged_adapters

FORMATS = GOLDEN / "sam" / "formats"
TINY_MOBILE = {"family": "mobile_sam", "full_decoder": True}


def value_of(key):
    return (zlib.crc32(key.encode()) & 0xFFFF) / 65536 - 0.5


@pytest.fixture(scope="module")
def model():
    return randomised(TINY_MOBILE)


@pytest.fixture(scope="module")
def weights(model):
    return published_weights(model)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("name", "family", "padded"),
    [
        ("vit_b_lm", "sam_vit", None),
        ("export_with_decoder.pt", "sam_vit", None),
        ("best.pt", "sam_vit", None),
        ("sam2_hiera_tiny.pt", "sam2", False),
        ("sam2.1_hiera_tiny.pt", "sam2", False),
        ("hvit_t_cells", "sam2", True),
        ("best_sam2.pt", "sam2", True),
    ],
)
def test_a_file_of_each_form_loads_with_its_weights(name, family, padded):
    model = load(FORMATS / name)
    assert model.architecture["family"] == family
    assert model.architecture.get("padded") is padded
    for key, weight in published_weights(model).items():
        assert weight.flatten()[0] == weight.flatten()[-1] == np.float32(value_of(key)), key


def test_lora_is_merged_into_the_weights():
    raw = torch.load(FORMATS / "vit_b_lora.pt", weights_only=True)
    merged = load(FORMATS / "vit_b_lora.pt").state_dict()
    at = "image_encoder.blocks.3.attn.qkv."
    parts, bases = merged[f"{at}weight"].chunk(3), raw[f"{at}qkv_proj.weight"].chunk(3)
    thirds = zip("qkv", parts, bases, strict=True)
    for third, part, base in thirds:
        added = torch.zeros(())
        if third != "k":
            inner, outer = (raw[f"{at}w_{side}_linear_{third}.weight"] for side in "ab")
            added = outer @ inner
            assert added.abs().min() > 0.01
        torch.testing.assert_close(part, base + added)
    assert torch.equal(merged[f"{at}bias"], raw[f"{at}qkv_proj.bias"])


def test_the_part_for_automatic_segmentation_names_the_file_beside_it():
    with pytest.raises(ModelFileError, match="takes no clicks: choose the model itself, vit_b_lm "):
        load(FORMATS / "vit_b_lm_decoder")


@pytest.mark.parametrize("prefix", ["", "sam.", "module.sam.", "module.", "_orig_mod.sam."])
def test_prefixes_of_several_gpus_and_of_training_are_taken_off(path, model, weights, prefix):
    state = {prefix + key: weight for key, weight in weights.items()}
    decoder = {"out_conv.weight": torch.zeros(1), "base.block.1.weight": torch.zeros(1)}
    torch.save({"model_state": state, "decoder_state": decoder, "iteration": 3}, path)
    again = load(path).state_dict()
    assert all(torch.equal(again[key], weight) for key, weight in model.state_dict().items())


def test_a_network_for_automatic_segmentation_is_refused(path):
    state = {"encoder.pos_embed": torch.zeros(1), "decoder.out_conv.weight": torch.zeros(1)}
    torch.save({"model_state": state}, path)
    with pytest.raises(ModelFileError, match="trained for automatic segmentation"):
        load(path)


def test_a_network_for_classes_of_pixels_is_refused(path, weights):
    more = {**weights, "mask_decoder.mask_tokens.weight": torch.zeros(7, 256)}
    torch.save(more, path)
    with pytest.raises(ModelFileError, match="gives 7 masks, not 4: it was trained to tell"):
        load(path)


def test_adapters_of_other_kinds_are_merged_too(path):
    torch.manual_seed(0)
    x, block = torch.randn(6), "image_encoder.blocks.0."
    qkv, mlp = f"{block}attn.qkv.", f"{block}mlp."
    shapes = {
        f"{qkv}qkv_proj.weight": (18, 6),
        f"{qkv}FacTu.weight": (2, 6),
        f"{qkv}q_FacTs.weight": (2, 2),
        f"{qkv}v_FacTs.weight": (2, 2),
        f"{qkv}FacTv.weight": (6, 2),
        f"{mlp}mlp_layer.lin1.weight": (8, 6),
        f"{mlp}mlp_layer.lin1.bias": (8,),
        f"{mlp}mlp_layer.lin2.weight": (6, 8),
        f"{mlp}mlp_layer.lin2.bias": (6,),
        f"{mlp}w_a_linear_1.weight": (2, 6),
        f"{mlp}w_b_linear_1.weight": (8, 2),
        f"{block}attn.proj.layer.weight": (6, 6),
        f"{block}attn.proj.layer.bias": (6,),
        f"{block}attn.proj.scale": (6,),
        f"{block}attn.proj.shift": (6,),
    }
    raw = {key: torch.randn(shape) for key, shape in shapes.items()}
    merged = merged_adapters(raw, path)
    assert sorted(merged) == sorted(
        [f"{qkv}weight", f"{block}attn.proj.weight", f"{block}attn.proj.bias"]
        + [f"{mlp}lin{i}.{leaf}" for i in (1, 2) for leaf in ("weight", "bias")]
    )
    inner = raw[f"{qkv}FacTu.weight"] @ x
    for third, at in (("q", 0), ("k", 6), ("v", 12)):
        expected = raw[f"{qkv}qkv_proj.weight"][at : at + 6] @ x
        if third != "k":
            expected = expected + raw[f"{qkv}FacTv.weight"] @ (
                raw[f"{qkv}{third}_FacTs.weight"] @ inner
            )
        torch.testing.assert_close(merged[f"{qkv}weight"][at : at + 6] @ x, expected)
    low_rank = raw[f"{mlp}w_b_linear_1.weight"] @ (raw[f"{mlp}w_a_linear_1.weight"] @ x)
    expected = raw[f"{mlp}mlp_layer.lin1.weight"] @ x + low_rank
    torch.testing.assert_close(merged[f"{mlp}lin1.weight"] @ x, expected)
    proj = f"{block}attn.proj."
    before = raw[f"{proj}layer.weight"] @ x + raw[f"{proj}layer.bias"]
    after = merged[f"{proj}weight"] @ x + merged[f"{proj}bias"]
    torch.testing.assert_close(after, before * raw[f"{proj}scale"] + raw[f"{proj}shift"])


def test_adapters_beside_the_layers_are_refused(path, weights):
    torch.save({**weights, "image_encoder.blocks.0.mlp_proj.weight": torch.zeros(2)}, path)
    with pytest.raises(ModelFileError, match="AdaptFormer"):
        load(path)


def test_weights_of_four_bits_are_refused(path, weights):
    key = "image_encoder.blocks.0.attn.qkv.qkv_proj.weight"
    packed = {
        key: torch.zeros(96, 1, dtype=torch.uint8),
        f"{key}.quant_state.bitsandbytes__nf4": torch.zeros(90, dtype=torch.uint8),
    }
    torch.save({"model_state": {**weights, **packed}}, path)
    with pytest.raises(ModelFileError, match=r"QLoRA .* export_custom_qlora_model"):
        load(path)


@pytest.mark.parametrize(
    "shapes",
    [
        {"attn.qkv.w_a_linear_q": (2, 5), "attn.qkv.w_b_linear_q": (6, 2)},
        {"attn.qkv.w_a_linear_q": (2, 6), "attn.qkv.w_b_linear_q": (7, 2)},
        {"mlp.mlp_layer.lin1": (8, 6)},
    ],
    ids=["inner", "outer", "half-a-layer"],
)
def test_adapters_that_do_not_fit_are_refused(path, weights, shapes):
    block = "image_encoder.blocks.0."
    adapters = {f"{block}{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    torch.save(
        {**weights, f"{block}attn.qkv.qkv_proj.weight": torch.zeros(18, 6), **adapters}, path
    )
    with pytest.raises(ModelFileError, match="adapters that do not fit"):
        load(path)


class Call:
    """Calls a function while it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["init", "model_state", "decoder_state"])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda made: Call(os.mkdir, made), id="os"),
        pytest.param(lambda made: Call(subprocess.check_call, ["mkdir", made]), id="subprocess"),
        pytest.param(lambda made: Call(exec, f"import os; os.mkdir({made!r})"), id="exec"),
        pytest.param(lambda made: Call(np.savetxt, made, [1.0]), id="numpy"),
    ],
)
def test_nothing_of_a_training_checkpoint_is_run(path, tmp_path, weights, place, call):
    made = tmp_path / "made"
    content = {"model_state": weights, "decoder_state": {}, "init": {}}
    content[place] = {**content[place], "x": call(str(made))}
    torch.save(content, path)
    if place == "model_state":
        with pytest.raises(ModelFileError, match="wants to run code"):
            load(path)
    else:  # PyTorch itself refuses some modules, whatever stands in for them
        with suppress(ModelFileError):
            load(path)
    assert not made.exists()


def test_without_a_training_checkpoint_unknown_types_are_still_refused(path, weights):
    torch.save({"model": weights, "init": Call(np.savetxt, "x", [1.0])}, path)
    with pytest.raises(ModelFileError, match="wants to run code"):
        load(path)


def test_a_model_keeps_what_shapes_do_not_tell_in_a_file_of_ours(tmp_path):
    described = {"width": 16, "stages": [1, 1, 2, 1], "num_heads": 1, "global_blocks": [3]}
    model = randomised({"family": "sam2", **described, "padded": True})
    save(model, tmp_path / "own.safetensors", ModelInfo("own", model.architecture))
    again = load(tmp_path / "own.safetensors")
    assert again.architecture == model.architecture
    weights = again.state_dict()
    assert all(torch.equal(weights[key], weight) for key, weight in model.state_dict().items())


def test_a_size_that_was_never_published_is_refused(path):
    described = {"width": 16, "stages": [1, 1, 2, 1], "num_heads": 1}
    torch.save({"model": published_weights(randomised({"family": "sam2", **described}))}, path)
    with pytest.raises(ModelFileError, match="was never published"):
        load(path)


class Own:
    """A class of the user's, such as a data set."""


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before-1.6"])
def test_a_training_checkpoint_with_classes_of_the_user_s_own_loads(path, model, weights, zipped):
    state = {f"module.sam.{key}": weight for key, weight in weights.items()}
    content = {"model_state": state, "init": {"data": Own()}, "best_metric": np.float64(0.3)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    again = load(path).state_dict()
    assert all(torch.equal(again[key], weight) for key, weight in model.state_dict().items())


def test_nothing_of_an_old_training_checkpoint_is_run(path, tmp_path, weights):
    made = tmp_path / "made"
    content = {"model_state": weights, "init": {"a": Own(), "x": Call(os.mkdir, str(made))}}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    with suppress(ModelFileError):
        load(path)
    assert not made.exists()


def test_a_converted_file_without_a_description_loads(path, tmp_path, model, weights):
    beside = {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)}
    save_file({f"sam.{key}": weight for key, weight in (weights | beside).items()}, path)
    again = load(path).state_dict()
    assert all(torch.equal(again[key], weight) for key, weight in model.state_dict().items())
    store = ModelStore(tmp_path / "models")
    assert load(import_checkpoint(path, "mine", store), store).architecture == model.architecture


@pytest.mark.parametrize(
    ("name", "wrapped", "contrast"),
    [
        ("vit_t_lm", False, "min-max"),
        ("export.pt", True, "min-max"),
        ("mobile_sam.pt", False, "shown"),
    ],
)
def test_a_model_knows_the_contrast_it_was_trained_with(tmp_path, weights, name, wrapped, contrast):
    torch.save({"model_state": weights} if wrapped else weights, tmp_path / name)
    model = load(tmp_path / name)
    assert model.published_contrast == Settings.whole_image(model).contrast == contrast
    assert Settings.interactive(model).contrast == "shown"
    save(model, tmp_path / "own.safetensors", ModelInfo("own", model.architecture))
    assert load(tmp_path / "own.safetensors").published_contrast == contrast
