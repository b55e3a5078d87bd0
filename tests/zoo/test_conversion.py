"""The script that made the shipped model, on a made-up package of the same form."""

import importlib.util
import struct
from pathlib import Path

import pytest
import torch

from napari_cfr_icl.engine.models import build

SCRIPT = Path(__file__).parents[2] / "training" / "convert_hrnet18_cocolvis.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("convert_hrnet18_cocolvis", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def published(tensor):
    """One tensor as PaddlePaddle writes it."""
    described = b"\x08\x05" + b"".join(b"\x10" + varint(side) for side in tensor.shape)
    head = struct.pack("<IQIi", 0, 0, 0, len(described))
    return head + described + tensor.numpy().astype("<f4").tobytes()


def test_shapes_of_any_size_are_read(script):
    for shape in ([1], [127, 128], [270, 270, 1, 1], [20_000_000]):
        described = b"\x08\x05" + b"".join(b"\x10" + varint(side) for side in shape)
        assert script.tensor_shape(described) == shape


def test_only_float32_is_accepted(script):
    with pytest.raises(SystemExit, match="not as float32"):
        script.tensor_shape(b"\x08\x06\x10\x01")


def test_names_are_found_in_the_program_and_values_in_their_order(script):
    tensors = {"conv2d_10.w_0": torch.arange(6.0).view(2, 3), "conv2d_9.b_0": torch.ones(2)}
    program = b"\x0a\x0dconv2d_9.b_0\x12\x05conv2d_10.w_0\x00conv2d_9.b_0 pool2d_1.w_0"
    names = script.parameter_names(program)
    assert names == ["conv2d_10.w_0", "conv2d_9.b_0"]
    content = b"".join(published(tensors[name]) for name in names)
    found = script.read_parameters(content, names)
    assert all(torch.equal(found[name], tensors[name]) for name in names)
    with pytest.raises(SystemExit, match="3 bytes are left over"):
        script.read_parameters(content + b"abc", names)


MODEL = build({"family": "hrnet_ocr", "width": 2, "ocr_width": 4})


def numbered(script):
    """The weights under the numbers that their maker would have given them."""
    weights = MODEL.state_dict()
    found, counts = {}, {"conv2d": 0, "batch_norm2d": 0, "scale_layer": 0}
    for layer in script.layers_as_made(weights):
        norm, scale = f"{layer}.running_mean" in weights, f"{layer}.scale" in weights
        kind = "batch_norm2d" if norm else "scale_layer" if scale else "conv2d"
        for ours, theirs in script.PADDLE_SUFFIXES[kind].items():
            if f"{layer}.{ours}" in weights:
                found[f"{kind}_{counts[kind]}.{theirs}"] = weights[f"{layer}.{ours}"]
        counts[kind] += 1
    return found


def test_layers_stand_in_the_order_in_which_they_were_made(script):
    layers = script.layers_as_made(MODEL.state_dict())
    assert layers[0] == "maps_transform.0"
    assert layers[-1] == "feature_extractor.aux_head.3"
    first = layers.index("feature_extractor.layer1.0.conv1")
    assert layers[first - 2 : first] == [
        "feature_extractor.layer1.0.downsample.0",
        "feature_extractor.layer1.0.downsample.1",
    ]


def test_every_weight_finds_its_place(script):
    weights = MODEL.state_dict()
    translated = script.translate(numbered(script), MODEL)
    assert translated.keys() == weights.keys()
    assert all(torch.equal(translated[key], weights[key]) for key in weights)


def test_a_parameter_too_many_is_not_passed_over(script):
    surplus = numbered(script) | {"conv2d_999.w_0": torch.zeros(1)}
    with pytest.raises(SystemExit, match=r"without a place in the network: conv2d_999\.w_0"):
        script.translate(surplus, MODEL)
