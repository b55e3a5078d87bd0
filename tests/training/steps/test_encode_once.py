"""A network that looks once learns the same as if it looked in every pass."""

from dataclasses import replace

import pytest
import torch

from golden_models import randomised
from napari_cfr_icl import zoo
from napari_cfr_icl.training.options import (
    ClickOptions,
    DataOptions,
    IclOptions,
    OptimizerOptions,
    ScheduleOptions,
    TrainOptions,
    ValidationOptions,
)
from napari_cfr_icl.training.runs import loop
from napari_cfr_icl.training.runs.setup import recompute_activations
from napari_cfr_icl.training.steps import step
from napari_cfr_icl.training.steps.precision import for_measuring
from napari_cfr_icl.zoo import ModelInfo, save
from training_collections import write_collection

ARCHITECTURE = {"family": "mobile_sam", "detail": True, "image_size": 64}
CLICK = torch.tensor([[[30.0, 20.0, 0.0], [-1.0, -1.0, -1.0]]])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    model = randomised(ARCHITECTURE)
    save(model, path, ModelInfo("base", model.architecture))
    return path


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("data") / "cells", 5)


@pytest.fixture
def options(base):
    return TrainOptions(
        base=str(base),
        data=DataOptions(side=64, min_area=20, min_side=24),
        clicks=ClickOptions(centre_start=0.5, max_clicks=4),
        # As the paper has it: the first pass is not trained.
        icl=IclOptions(first_pass="paper"),
        schedule=ScheduleOptions(steps=1, batch=3, micro_batch=2, precision="float32"),
        validation=ValidationOptions(every=0, gate_objects=0),
    )


@pytest.fixture
def gradients(cells, tmp_path, monkeypatch):
    """The gradients of the one step of a run, by name."""
    found = {}
    add_up = step.Stepper.gradients

    def spied(self, number, micro_batch):
        result = add_up(self, number, micro_batch)
        named = self.model.named_parameters()
        found.update({name: p.grad.clone() for name, p in named if p.grad is not None})
        return result

    def of(options):
        found.clear()
        monkeypatch.setattr(step.Stepper, "gradients", spied)
        loop.main(options, [cells], tmp_path / str(len(list(tmp_path.iterdir()))), "cpu")
        return dict(found)

    return of


def test_the_gradient_is_that_of_looking_in_every_pass(options, gradients, monkeypatch):
    once = gradients(options)
    monkeypatch.setattr(step.Stepper, "_encoded", lambda self, images: None)
    every = gradients(options)
    assert set(once) == set(every)
    assert any(name.startswith("image_encoder.patch_embed") for name in once)
    for name, gradient in every.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(once[name], gradient, rtol=1e-3, atol=1e-3 * scale + 1e-9)


def test_a_frozen_look_gives_its_decoder_all_it_needs(options, gradients):
    frozen = OptimizerOptions(frozen=("image_encoder.", "detail."))
    learned = gradients(replace(options, optimizer=frozen))
    assert learned
    assert all(name.startswith(("prompt_encoder.", "mask_decoder.")) for name in learned)


def test_activations_computed_again_give_the_same_gradient(base):
    def found(prepare):
        model = zoo.load(base)
        prepare(model)
        model(image, None, CLICK).square().mean().backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    kept, again = found(lambda model: None), found(recompute_activations)
    assert set(kept) == set(again)
    for name, gradient in kept.items():
        torch.testing.assert_close(again[name], gradient, msg=name)


@torch.inference_mode()
def test_measured_in_bfloat16_it_stays_near_float32(base):
    model = zoo.load(base)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    exact = model(image, None, CLICK)
    measured = for_measuring(model, torch.device("cpu"), torch.bfloat16)(image, None, CLICK)
    assert measured.dtype == torch.float32
    assert 0 < float((measured - exact).pow(2).mean().sqrt() / exact.std()) < 0.1
