from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from checkpoints import HRNET, TINY_VIT, same_weights, tiny, write
from napari_cfr_icl._errors import ModelFileError, UnknownModelError
from napari_cfr_icl.zoo import ModelInfo, ModelStore, import_checkpoint, load, save

MODEL = tiny()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def rewrite(path, change):
    """Change the weights in one of our files, not its description."""
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    weights = load_file(path)
    change(weights)
    save_file({key: weight.clone() for key, weight in weights.items()}, path, metadata)


def test_by_catalogue_name(store):
    assert load("hrnet18-cocolvis", store).architecture["width"] == 18


def test_by_the_name_of_an_imported_model(store):
    import_checkpoint(HRNET, "mine", store)
    assert same_weights(load("mine", store), load(HRNET))


def test_by_text_and_by_path(path, store):
    save(MODEL, path, ModelInfo("m", MODEL.architecture))
    assert same_weights(load(str(path), store), MODEL)
    assert same_weights(load(path, store), MODEL)


def test_a_tilde_is_a_home(tmp_path, monkeypatch, store):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save(MODEL, tmp_path / "m.safetensors", ModelInfo("m", MODEL.architecture))
    assert same_weights(load("~/m.safetensors", store), MODEL)


def test_a_name_comes_before_a_file_of_that_name(tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    Path("hrnet18-cocolvis").write_text("not me")
    assert load("hrnet18-cocolvis", store).architecture["width"] == 18


def test_an_unknown_name_gets_the_nearest_of_all_that_are_known(store):
    import_checkpoint(HRNET, "my-cells", store)
    with pytest.raises(UnknownModelError, match=r"called 'my-cell'\. Did you mean my-cells"):
        load("my-cell", store)


@pytest.mark.parametrize("given", ["there/is/none", "none.pth", Path("none")])
def test_a_file_that_is_not_there(given, store):
    with pytest.raises(ModelFileError, match=r"There is no file .*none.*check the path"):
        load(given, store)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "an empty file, not a model", id="empty"),
        pytest.param(b"<html>Sign in</html>", "a web page, such as a login", id="page"),
        pytest.param(b"404: Not Found", "a text file, not a model", id="text"),
        pytest.param(b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive.*checkpoint, unpacked", id="7z"),
        pytest.param(b"\x89HDF\r\n\x1a\n", "a file of an unknown kind", id="hdf5"),
    ],
)
def test_what_is_no_model_gets_one_sentence(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ModelFileError, match="is a folder, not a model: choose"):
        load(tmp_path)


def test_the_model_does_not_hang_on_to_its_file(path):
    save(MODEL, path, ModelInfo("m", MODEL.architecture))
    loaded = load(path)
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert same_weights(loaded, MODEL)


def test_missing_and_surplus_weights_are_reported_by_name(tmp_path):
    weights = MODEL.state_dict()
    del weights["feature_extractor.cls_head.bias"]
    weights |= {f"extra.{number}": torch.zeros(1) for number in range(5)}
    with pytest.raises(
        ModelFileError,
        match=r"1 missing \(feature_extractor\.cls_head\.bias\); "
        r"5 unexpected \(extra\.0, extra\.1, extra\.2, \.\.\.\)",
    ):
        load(write(tmp_path / "m.pth", {"state_dict": weights}))


def test_a_weight_of_another_shape_is_reported(tmp_path):
    weights = MODEL.state_dict() | {"feature_extractor.bn1.bias": torch.zeros(3)}
    with pytest.raises(ModelFileError, match=r"bn1\.bias is \(3,\) instead of \(64,\)"):
        load(write(tmp_path / "m.pth", {"state_dict": weights}))


@pytest.mark.parametrize(
    "changed",
    [
        lambda weight: weight.to_sparse(),
        lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        lambda weight: weight.to("meta"),
        lambda weight: weight.to(torch.complex64),
        lambda weight: weight.to(torch.int8),
    ],
    ids=["sparse", "quantized", "meta", "complex", "whole"],
)
@pytest.mark.filterwarnings("ignore:.*(deprecated|TypedStorage|Sparse)")
def test_weights_of_other_kinds_are_refused(tmp_path, changed):
    weights = MODEL.state_dict()
    weights["feature_extractor.bn1.bias"] = changed(weights["feature_extractor.bn1.bias"])
    with pytest.raises(ModelFileError, match=r"no plain fractions \(feature_extractor\.bn1\.bias"):
        load(write(tmp_path / "m.pth", {"state_dict": weights}))


def test_weights_that_are_not_numbers_are_damage(path):
    save(MODEL, path, ModelInfo("m", MODEL.architecture))
    rewrite(path, lambda weights: weights["feature_extractor.bn1.bias"].fill_(float("nan")))
    with pytest.raises(ModelFileError, match=r"not numbers \(feature_extractor\.bn1\.bias\)"):
        load(path)


@pytest.mark.parametrize(
    ("model", "field", "value", "message"),
    [
        pytest.param(MODEL, "width", 10**9, "another network .*width", id="enormous"),
        pytest.param(MODEL, "small", None, "another network .*small", id="no-answer"),
        pytest.param(MODEL, "mood", "good", "cannot be built|can be built", id="unknown-field"),
        pytest.param(MODEL, "click_style", "stars", "click_style must be", id="click-style"),
        pytest.param(tiny(TINY_VIT), "depth", 10**9, "another network .*depth", id="deep"),
        pytest.param(tiny(TINY_VIT), "num_heads", 3, "not a multiple of num_heads", id="heads"),
    ],
)
def test_a_description_that_the_weights_belie_builds_nothing(path, model, field, value, message):
    save(model, path, ModelInfo("m", model.architecture | {field: value}))
    with pytest.raises(ModelFileError, match=message):
        load(path)
