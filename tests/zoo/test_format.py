import json
import struct

import pytest
import torch
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file

from checkpoints import same_weights, tiny
from napari_cfr_icl._errors import ModelFileError, OutputError
from napari_cfr_icl.zoo import ModelInfo, load, read_info, save

MODEL = tiny()
INFO = ModelInfo(
    name="cells",
    architecture=MODEL.architecture,
    licence="CC0",
    attribution="Zoë and Åke",
    trained_on="forty pictures",
    training={"epochs": 3, "loss": [0.5, 0.25]},
)


def rewrite_header(path, change):
    """Change the JSON text in which our description stands."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = change(header["__metadata__"])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def with_description(path, **fields):
    def change(metadata):
        described = json.loads(metadata["napari_cfr_icl"]) | fields
        return {"napari_cfr_icl": json.dumps(described)}

    rewrite_header(path, change)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.safetensors"


def test_a_model_comes_back_bit_by_bit_with_its_description(path):
    save(MODEL, path, INFO)
    assert same_weights(load(path), MODEL)
    assert read_info(path) == INFO
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_float16_halves_the_file_and_comes_back_as_float32(path):
    save(MODEL, path, INFO)
    whole = path.stat().st_size
    save(MODEL, path, ModelInfo("cells", MODEL.architecture, dtype="float16"))
    assert path.stat().st_size < 0.7 * whole
    stored = load_file(path)
    assert stored["feature_extractor.bn1.num_batches_tracked"].dtype is torch.int64
    assert stored["feature_extractor.conv1.weight"].dtype is torch.float16
    loaded = load(path).state_dict()
    for key, weight in MODEL.state_dict().items():
        assert loaded[key].dtype is weight.dtype
        assert torch.equal(loaded[key], weight.half().to(weight.dtype))


def test_the_same_model_gives_the_same_bytes(path):
    save(MODEL, path, INFO)
    first = path.read_bytes()
    save(MODEL, path, INFO)
    assert path.read_bytes() == first


def test_others_may_read_what_the_owner_s_mask_lets_them(path):
    path.with_name("plain").touch()
    save(MODEL, path, INFO)
    assert path.stat().st_mode == path.with_name("plain").stat().st_mode


def test_weights_too_large_for_float16_are_not_made_infinite(path):
    large = tiny()
    with torch.no_grad():
        large.feature_extractor.conv1.weight[0] = 1e6
    with pytest.raises(OutputError, match=r"conv1\.weight are too large .* store .* float32"):
        save(large, path, ModelInfo("cells", large.architecture, dtype="float16"))
    assert list(path.parent.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Nothing can be written into"):
        save(MODEL, tmp_path / "file" / "cells.safetensors", INFO)
    assert (tmp_path / "file").read_text() == "in the way"


def test_fields_of_later_versions_are_passed_over(path):
    save(MODEL, path, INFO)
    with_description(path, mood="cheerful")
    assert read_info(path) == INFO


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"format": 2}, "newer version of napari-cfr-icl: upgrade", id="newer"),
        pytest.param({"name": 5}, "damaged description .*name must not be int", id="name"),
        pytest.param({"architecture": []}, "architecture must not be list", id="architecture"),
        pytest.param({"dtype": "int4"}, "float32 or float16, not 'int4'", id="dtype"),
        pytest.param({"format": None}, "damaged description", id="format"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(path, fields, message):
    save(MODEL, path, INFO)
    with_description(path, **fields)
    with pytest.raises(ModelFileError, match=message):
        read_info(path)


@pytest.mark.parametrize("text", ["", "null", "[1]", "[" * 100_000], ids=len)
def test_a_description_that_is_no_object_is_refused(path, text):
    save(MODEL, path, INFO)
    rewrite_header(path, lambda metadata: {"napari_cfr_icl": text})
    with pytest.raises(ModelFileError, match="damaged description"):
        read_info(path)


def test_a_safetensors_file_of_others_is_refused(path):
    path.write_bytes(save_arrays({}))
    with pytest.raises(ModelFileError, match=r"does not say which network.*Use its \.pth"):
        read_info(path)


@pytest.mark.parametrize("kept", [9, 1000, -1])
def test_a_cut_off_file_is_refused(path, kept):
    save(MODEL, path, INFO)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match=r"damaged or incomplete.*fetch or copy it again"):
        read_info(path)
