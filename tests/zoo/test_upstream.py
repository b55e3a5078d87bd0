import datetime
import pickle
import random
import sys
import uuid
import zipfile
from argparse import Namespace
from collections import OrderedDict, defaultdict, deque
from decimal import Decimal
from pathlib import PosixPath, PureWindowsPath
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from checkpoints import (
    HRNET,
    TINY_VIT,
    VIT,
    Malicious,
    plain_pickle,
    same_weights,
    settings,
    tiny,
    write,
)
from golden_models import arrays, made_up_weights, public_shapes
from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl.zoo import load, stand_ins

MODEL = tiny()
WEIGHTS = MODEL.state_dict()
PUBLISHED = {
    "use_leaky_relu": True,
    "use_disks": True,
    "norm_radius": 5,
    "binary_prev_mask": False,
    "clicks_groups": None,
    "norm_mean_std": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}
MAE = {"pos_embed": torch.zeros(1, 5, 8), "patch_embed.proj.weight": torch.zeros(8, 3, 16, 16)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


def attempt(path):
    """The model and nothing, or nothing and what is said about it."""
    try:
        return load(path), ""
    except ModelFileError as error:
        return None, str(error)


def hrnet(**changes):
    return {"state_dict": WEIGHTS, "config": settings("HRNetModel", **PUBLISHED | changes)}


@pytest.mark.parametrize("source", [HRNET, VIT], ids=["hrnet", "vit"])
def test_public_files_load_and_give_the_public_logits(source):
    recorded = arrays(f"{source.stem}__raw")
    image = torch.from_numpy(recorded["a_image"]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        logits = load(source)(
            image, torch.from_numpy(recorded["a_prev"]), torch.from_numpy(recorded["a_points"])
        )
    expected = torch.from_numpy(recorded["a_logits_s2"])
    torch.testing.assert_close(logits[..., ::2, ::2], expected, atol=1e-4, rtol=0)


def test_what_comes_is_ready_to_use():
    model = load(str(HRNET))
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before-1.6"])
@pytest.mark.parametrize("name", ["hrnet18s", "hrnet18_noprevmask", "vit_xtiny"])
def test_published_sizes_fit_key_by_key(path, name, legacy):
    weights = made_up_weights(public_shapes()[name], gain=1.0)
    model = load(write(path, {"state_dict": OrderedDict(weights)}, legacy=legacy))
    mine = model.state_dict()
    unused = [key for key in weights if key not in mine]
    assert all(key.startswith(model.dead_keys) for key in unused)
    assert all(torch.equal(mine[key], weights[key]) for key in mine)


def test_settings_decide_what_shapes_do_not(path):
    content = hrnet(use_disks=False, norm_radius=260)
    model = load(write(path, content))
    assert model.architecture["click_style"] == "distances"
    assert model.architecture["click_radius"] == 260


def test_attention_heads_come_from_the_settings(path):
    weights = tiny(TINY_VIT).state_dict()
    config = settings("PlainVitModel", backbone_params={"num_heads": 4}, use_leaky_relu=False)
    assert (
        load(write(path, {"state_dict": weights, "config": config})).architecture["num_heads"] == 4
    )


def test_attention_heads_that_nothing_tells_are_not_guessed(path):
    with pytest.raises(ModelFileError, match=r"attention heads .* cannot be told"):
        load(write(path, {"state_dict": tiny(TINY_VIT).state_dict()}))


@pytest.mark.parametrize("content", [{"state_dict": WEIGHTS}, dict(WEIGHTS)], ids=["no", "bare"])
def test_without_settings_it_is_taken_as_published(path, content):
    assert same_weights(load(write(path, content)), MODEL)


def test_a_network_saved_from_several_gpus_loads(path):
    wrapped = torch.nn.DataParallel(tiny())
    content = {"state_dict": wrapped.state_dict(), "config": hrnet()["config"]}

    assert all(key.startswith("module.") for key in content["state_dict"])
    assert same_weights(load(write(path, content)), MODEL)


def prefixed(prefix, weights=WEIGHTS):
    return {prefix + key: weight for key, weight in weights.items()}


ADAM = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}}, "param_groups": []}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"model": WEIGHTS, "optimizer": ADAM, "epoch": 3}, id="training-state"),
        pytest.param({"model": prefixed("module."), "optimizer": ADAM}, id="module-in-model"),
        pytest.param({"model_state_dict": WEIGHTS, "loss": 0.5}, id="model_state_dict"),
        pytest.param({"net": WEIGHTS, "acc": 1.0}, id="net"),
        pytest.param({"state_dict": prefixed("_orig_mod.")}, id="compiled"),
        pytest.param(prefixed("module._orig_mod."), id="compiled-and-parallel"),
        pytest.param(
            {k.replace("extractor.", "extractor._orig_mod."): w for k, w in WEIGHTS.items()},
            id="compiled-part",
        ),
        pytest.param(
            {
                "state_dict": prefixed("model.") | {"loss.weight": torch.ones(2)},
                "optimizer_states": [ADAM],
                "hyper_parameters": {"lr": 0.1},
                "pytorch-lightning_version": "2.5",
                "config": {"lr": 0.1},
            },
            id="lightning",
        ),
        pytest.param(
            {"module": prefixed("net."), "n_averaged": torch.tensor(4)}, id="averaged-and-net"
        ),
        pytest.param({"checkpoint": {"model": WEIGHTS, "step": 7}}, id="unknown-container"),
        pytest.param(
            {"model_ema": {k: w * 2 for k, w in WEIGHTS.items()}, "model": WEIGHTS},
            id="average-first",
        ),
        pytest.param({"model": {k: w.numpy() for k, w in WEIGHTS.items()}}, id="numpy-weights"),
    ],
)
def test_the_network_is_found_in_whatever_a_training_program_wraps_it(path, content):
    assert same_weights(load(write(path, content)), MODEL)


HARMLESS = [
    np.float64(0.93),
    np.float32(0.5),
    np.int64(3),
    np.bool_(True),
    np.str_("best"),
    np.datetime64("2024-05-01"),
    np.arange(3),
    np.array(["a", None], object),
    PosixPath("/data/run"),
    PureWindowsPath("C:/run"),
    defaultdict(list, {"iou": [np.float64(0.9)]}),
    defaultdict(float),
    deque([1, 2], maxlen=3),
    Namespace(lr=0.1, out=PosixPath("out")),
    SimpleNamespace(lr=0.1),
    datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC),
    datetime.timedelta(1),
    uuid.UUID(int=3),
    {"a": {1, 2}, "b": frozenset({3}), "c": range(3), "d": Decimal(1)},
    np.random.default_rng(0).bit_generator.state,
    np.random.RandomState(0).get_state(),
    torch.__version__,
]


def test_harmless_values_beside_the_weights_do_not_matter(path):
    refused = []
    for extra in HARMLESS:
        _, complaint = attempt(write(path, {"model": WEIGHTS, "best": extra, "all": [[extra]]}))
        refused += [(extra, complaint)] * bool(complaint)
    assert not refused


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before-1.6"])
def test_harmless_values_side_by_side_leave_the_weights_as_they_are(path, legacy):
    assert same_weights(load(write(path, {"net": WEIGHTS, "a": HARMLESS}, legacy=legacy)), MODEL)


@pytest.mark.parametrize("radius", [np.int64(260), np.float32(260), np.array(260.0, ">f8")[()]])
def test_settings_of_numpy_are_read_by_their_values(path, radius):
    model = load(write(path, hrnet(use_disks=np.bool_(False), norm_radius=radius)))
    assert model.architecture["click_style"] == "distances"
    assert model.architecture["click_radius"] == 260


def test_a_function_in_the_guise_of_a_default_runs_nothing(path, tmp_path):
    content = {"model": WEIGHTS, "log": defaultdict(list, {"a": Malicious(tmp_path / "it ran")})}
    with pytest.raises(ModelFileError, match=r"wants to run code .*\.mkdir"):
        load(write(path, content))
    assert not (tmp_path / "it ran").exists()


def test_a_list_of_one_network_is_that_network(path):
    assert same_weights(load(write(path, [hrnet()])), MODEL)


def test_half_precision_is_widened(path):
    half = {key: weight.half() for key, weight in WEIGHTS.items()}
    loaded = load(write(path, {"state_dict": half})).state_dict()
    assert loaded["maps_transform.0.weight"].dtype is torch.float32
    assert loaded["feature_extractor.bn1.num_batches_tracked"].dtype is torch.int64


def test_batch_counters_may_be_missing(path):
    kept = {k: w for k, w in WEIGHTS.items() if not k.endswith("num_batches_tracked")}
    assert same_weights(load(write(path, {"state_dict": kept})), MODEL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"norm_mean_std": ([0.5] * 3, [0.5] * 3)}, "norm_mean_std=", id="colours"),
        pytest.param({"norm_mean_std": 7}, "norm_mean_std=7", id="nonsense"),
        pytest.param({"use_leaky_relu": False}, "use_leaky_relu=False", id="activation"),
        pytest.param({"binary_prev_mask": True}, "binary_prev_mask=True", id="binary-mask"),
        pytest.param({"clicks_groups": [1]}, r"clicks_groups=\[1\]", id="click-groups"),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(path, change, message):
    with pytest.raises(ModelFileError, match=f"not supported here: .*{message}"):
        load(write(path, hrnet(**change)))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_published_mobile_sam_loads_without_its_classifier(path, wrapped):
    weights = made_up_weights(public_shapes()["mobile_sam"], 1.0)
    model = load(write(path, {"model": weights} if wrapped else weights))
    assert model.architecture["family"] == "mobile_sam"
    ours = model.state_dict()
    assert torch.equal(ours["image_encoder.neck.0.weight"], weights["image_encoder.neck.0.weight"])
    assert not any(
        key.startswith(("image_encoder.head", "image_encoder.norm_head")) for key in ours
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param([{}, {}], "holds 2 networks, one for each stage", id="several-stages"),
        pytest.param({"model": MAE}, "a pretrained backbone .such as an MAE", id="mae"),
        pytest.param(MAE, "a pretrained backbone .such as an MAE", id="mae-bare"),
        pytest.param(
            {"ema": WEIGHTS, "teacher": WEIGHTS}, r"2 networks \('ema\.', 'teacher\.'\)", id="two"
        ),
        pytest.param(7, "holds a int, not a network", id="number"),
        pytest.param({}, "no weights of a network", id="nothing"),
        pytest.param({"state_dict": {"a": 1}}, "no weights of a network", id="no-tensors"),
        pytest.param({"state_dict": {3: torch.zeros(1)}}, "no weights of a", id="no-names"),
        pytest.param(
            {"state_dict": {"a": torch.zeros(1)}},
            "no plain ViT, no HRNet .* and no MobileSAM",
            id="other-network",
        ),
        pytest.param({"state_dict": WEIGHTS, "config": 3}, "damaged settings", id="config"),
        pytest.param(
            {"state_dict": WEIGHTS, "config": {"class": "x.HRNetModel", "params": {"a": 1}}},
            "damaged settings",
            id="params",
        ),
        pytest.param(
            {"state_dict": WEIGHTS, "config": {"class": "isegm.model.DeeplabModel"}},
            "of the kind DeeplabModel; only PlainVitModel and HRNetModel",
            id="deeplab",
        ),
    ],
)
def test_what_is_no_click_model_gets_one_sentence(path, content, message):
    with pytest.raises(ModelFileError, match=message):
        load(write(path, content))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before-1.6"])
def test_a_malicious_file_runs_nothing(path, tmp_path, legacy):
    trace = tmp_path / "it ran"
    write(path, {"state_dict": WEIGHTS, "config": Malicious(trace)}, legacy=legacy)
    with pytest.raises(ModelFileError, match=r"wants to run code .*\.mkdir.*its publisher"):
        load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the file is harmless: this test shows nothing"


def test_a_malicious_bare_pickle_runs_nothing(path, tmp_path):
    trace = tmp_path / "it ran"
    with pytest.raises(ModelFileError, match="wants to run code"):
        load(plain_pickle(path, Malicious(trace)))
    assert not trace.exists()


def test_a_loss_in_the_old_format_is_told_from_damage(path, monkeypatch):
    home = stand_ins._LOSS
    loss = type("CrossEntropyLoss", (torch.nn.Module,), {"__module__": home})
    for name in ("isegm", home):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[home].CrossEntropyLoss = loss
    with pytest.warns(UserWarning, match="source code"):
        write(path, {"state_dict": WEIGHTS, "config": {"loss": loss()}}, legacy=True)
    with pytest.raises(ModelFileError, match=r"before 1\.6 and holds .* Save it anew"):
        load(path)


def test_the_stand_ins_are_not_left_behind(path):
    load(VIT)
    with pytest.raises(pickle.UnpicklingError, match="CrossEntropyLoss"):
        torch.load(VIT, weights_only=True)


def test_all_that_was_refused_is_listed(path):
    content = {"a": torch.nn.Linear(1, 1), "b": torch.nn.ReLU()}
    with pytest.raises(ModelFileError, match=r"activation\.ReLU, torch\..*\.Linear"):
        load(write(path, content))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before-1.6"])
@pytest.mark.parametrize("seed", range(15))
def test_a_damaged_file_is_loaded_whole_or_gets_one_sentence(path, legacy, seed):
    """Old files have no checksums, so a change among the weights cannot be seen in them."""
    content = bytearray(write(path, {"state_dict": WEIGHTS}, legacy=legacy).read_bytes())
    draw = random.Random(seed)
    where = draw.randrange(4, 20_000)
    if draw.random() < 0.3:
        del content[where:]
    else:
        content[where] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    loaded, complaint = attempt(path)
    if loaded is None:
        assert complaint.startswith(str(path))
    else:
        assert legacy
        assert loaded.state_dict().keys() == WEIGHTS.keys()


def test_a_pickle_protocol_that_cannot_be_read_safely_is_named(path):
    torch.save({"state_dict": WEIGHTS}, path, pickle_protocol=4)
    with pytest.raises(ModelFileError, match=r"pickle_protocol above 3, .* save it anew"):
        load(path)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        (["rdf.yaml", "vit_b.pt"], "zip archive: unpack it, .* holds vit_b.pt"),
        ([], "zip archive: unpack it, .* holds nothing"),
        (["m/data.pkl", "m/constants.pkl"], "TorchScript program"),
    ],
    ids=["model-zoo", "empty", "torchscript"],
)
def test_zips_of_other_kinds_are_named(path, members, what):
    path.write_bytes(b"" if members else b"PK\x03\x04")
    with zipfile.ZipFile(path, "a") as archive:
        for size, name in enumerate(members):
            archive.writestr(name, "x" * size)
    with pytest.raises(ModelFileError, match=what):
        load(path)
