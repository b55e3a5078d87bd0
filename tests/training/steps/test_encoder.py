"""Training of SAM's family: the encoder learns, stays, or learns adapters that merge exactly."""

import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from golden_models import randomised
from napari_cfr_icl import zoo
from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.engine.models.prompt_encoder import TokenEmbedding
from napari_cfr_icl.training.options import (
    ClickOptions,
    DataOptions,
    FeatureOptions,
    OptimizerOptions,
    ScheduleOptions,
    SuemOptions,
    TrainOptions,
    ValidationOptions,
)
from napari_cfr_icl.training.runs import loop
from napari_cfr_icl.training.steps.encoder import AdaptedLinear, merged_weights, prepare_encoder
from napari_cfr_icl.training.steps.optimizer import make_optimizer
from napari_cfr_icl.training.steps.step import Stepper
from napari_cfr_icl.zoo import ModelInfo, read_info, save
from training_collections import write_collection
from training_goldens import GOLDEN

VIT = {"family": "sam_vit", "dim": 32, "depth": 4, "num_heads": 2, "image_size": 64}
SAM2 = {
    "family": "sam2",
    "width": 16,
    "stages": [1, 1, 2, 1],
    "num_heads": 1,
    "global_blocks": [3],
    "image_size": 64,
}
MOBILE = {"family": "mobile_sam", "full_decoder": True, "image_size": 64}
EVERY = pytest.mark.parametrize("architecture", [VIT, SAM2, MOBILE], ids=lambda a: a["family"])
ENCODER = ("image_encoder.", "no_mem_embed", "sam_mask_decoder.conv_s")
CLICK = torch.tensor([[[30.0, 20.0, 0.0], [-1.0, -1.0, -1.0]]])
QUICK = TrainOptions(
    data=DataOptions(side=64, min_area=20, min_side=24),
    clicks=ClickOptions(centre_start=1.0, max_clicks=2),
    suem=SuemOptions(0, 0, 0),
    optimizer=OptimizerOptions(rate=3e-3, ema=0.0),
    schedule=ScheduleOptions(steps=4, batch=4, precision="float32"),
    validation=ValidationOptions(every=0, gate_objects=0),
    checkpoint_every=0,
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("data") / "cells", 5)


def untrained(architecture):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = build(architecture)
        model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.normal_()
        for module in model.modules():
            if isinstance(module, TokenEmbedding):
                torch.nn.init.normal_(module.weight)
    return model


def kept(architecture, folder):
    model, path = untrained(architecture), folder / "base.safetensors"
    save(model, path, ModelInfo("base", model.architecture))
    return path


def changed(base, out):
    """Names of the weights that a run changed."""
    before, after = zoo.load(base).state_dict(), zoo.load(out / "model.safetensors").state_dict()
    assert before.keys() == after.keys()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@EVERY
@pytest.mark.parametrize("encoder", ["whole", "frozen", "lora"])
def test_the_loss_falls(architecture, encoder):
    model = untrained(architecture)
    options = OptimizerOptions(rate=2e-3, encoder=encoder)
    prepare_encoder(model, options, seed=0)
    optimizer = make_optimizer(model, options)
    rows, cols = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    target = ((rows - 30) ** 2 + (cols - 20) ** 2 < 150).float()[None, None]
    picture, losses = 0.2 + 0.6 * target.expand(1, 3, -1, -1), []
    for _ in range(15):
        loss = binary_cross_entropy_with_logits(model(picture, None, CLICK), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@EVERY
@pytest.mark.parametrize("encoder", ["whole", "frozen", "lora"])
def test_what_is_frozen_stays(architecture, encoder, cells, tmp_path):
    base, out = kept(architecture, tmp_path), tmp_path / "run"
    options = replace(QUICK, base=str(base), optimizer=replace(QUICK.optimizer, encoder=encoder))
    if encoder == "frozen":
        options = replace(options, features=FeatureOptions(gib=0.1, objects=3, uses=4))
    loop.main(options, [cells], out, "cpu")
    assert read_info(out / "model.safetensors").training["masks"] == zoo.load(base).published_masks
    learned = changed(base, out)
    of_encoder = {name for name in learned if name.startswith(ENCODER)}
    assert any("mask_decoder" in name for name in learned)
    assert not any("iou_prediction_head" in name for name in learned)
    if encoder == "frozen":
        assert not of_encoder
    elif encoder == "lora":
        assert of_encoder
        assert all(name.endswith("attn.qkv.weight") for name in of_encoder)
    else:
        assert any("patch_embed" in name for name in of_encoder)


@EVERY
def test_the_merged_network_is_the_one_with_adapters(architecture):
    model = randomised(architecture)
    plain = copy.deepcopy(model)
    prepare_encoder(model, OptimizerOptions(encoder="lora", lora_rank=3), seed=5)
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model(picture, None, CLICK), plain(picture, None, CLICK))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("adapter_b"):
                parameter.normal_(std=0.1)
    merged = build(model.architecture)
    merged.load_state_dict(merged_weights(model))
    with torch.inference_mode():
        expected, found = model(picture, None, CLICK), merged(picture, None, CLICK)
        assert not torch.allclose(expected, plain(picture, None, CLICK))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    adapted = {name for name in learning if name.startswith(ENCODER)}
    assert len(adapted) == 2 * sum(isinstance(m, AdaptedLinear) for m in model.modules()) > 0


def test_a_first_click_trains_the_mask_that_it_will_be_given(tmp_path, cells, monkeypatch):
    base = kept(VIT, tmp_path)
    reached = set()
    gradients = Stepper.gradients

    def spied(self, *args):
        result = gradients(self, *args)
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and parameter.grad.abs().max() > 0:
                reached.add(name)
        return result

    monkeypatch.setattr(Stepper, "gradients", spied)
    schedule = ScheduleOptions(steps=2, batch=4, precision="float32")
    loop.main(replace(QUICK, base=str(base), schedule=schedule), [cells], tmp_path / "run", "cpu")
    masks = {name.split(".")[2] for name in reached if "output_hypernetworks" in name}
    assert "0" in masks
    assert len(masks) > 1


def test_an_interrupted_run_goes_on_with_its_adapters(tmp_path, cells):
    base = kept(SAM2, tmp_path)
    optimizer = replace(QUICK.optimizer, encoder="lora", ema=0.9)
    options = replace(QUICK, base=str(base), optimizer=optimizer)
    loop.main(options, [cells], tmp_path / "whole", "cpu")

    def stop(event):
        if event["event"] == "step" and event["step"] == 2:
            (tmp_path / "two" / "stop").touch()

    assert not loop.main(options, [cells], tmp_path / "two", "cpu", stop).finished
    loop.main(None, [], tmp_path / "two", "cpu")
    one, two = (zoo.load(tmp_path / run / "model.safetensors") for run in ("whole", "two"))
    assert all(torch.equal(value, two.state_dict()[k]) for k, value in one.state_dict().items())


@pytest.mark.parametrize("encoder", ["frozen", "lora"])
def test_a_network_without_an_encoder_of_its_own_is_told(encoder):
    model = zoo.load(GOLDEN / "g_hrnet_w4s.pth")
    with pytest.raises(SettingsError, match="no image encoder of its own"):
        prepare_encoder(model, OptimizerOptions(encoder=encoder), 0)


def test_a_side_that_the_network_does_not_take_is_told(cells, tmp_path):
    data = replace(QUICK.data, side=104)
    with pytest.raises(SettingsError, match=r"no windows of 104 pixels: set data.side to 96"):
        loop.main(
            replace(QUICK, base=str(kept(SAM2, tmp_path)), data=data), [cells], tmp_path / "x"
        )


@pytest.mark.slow
@EVERY
def test_two_processes_give_what_one_gives(architecture, tmp_path, cells):
    base = kept(architecture, tmp_path)
    for encoder in ("lora", "whole"):
        one, two = tmp_path / f"one-{encoder}", tmp_path / f"two-{encoder}"
        loop.main(_shared(base, encoder), [cells], one, "cpu")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        words = [__file__, str(cells), str(two), str(base), encoder]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        ended = subprocess.run(
            [*command, "--nproc-per-node=2", *words], env=env, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode()[-3000:]
        start = zoo.load(base).state_dict()
        alone, together = (zoo.load(run / "model.safetensors").state_dict() for run in (one, two))
        learned = [name for name, value in start.items() if not torch.equal(value, alone[name])]

        def apart(first, second, names=learned):
            return sum((first[name] - second[name]).square().sum() for name in names).sqrt()

        assert apart(alone, together) < 0.05 * apart(alone, start)


def _shared(base, encoder):
    # Adam's first steps go by the sign of a gradient; where it is all but zero, sums of another
    # order turn it.
    optimizer = replace(QUICK.optimizer, encoder=encoder)
    schedule = ScheduleOptions(steps=2, batch=4, micro_batch=2, precision="float32")
    return replace(QUICK, base=str(base), optimizer=optimizer, schedule=schedule)


if __name__ == "__main__":
    pictures, out, start, how = sys.argv[1:]
    loop.main(_shared(start, how), [Path(pictures)], Path(out), "cpu")
