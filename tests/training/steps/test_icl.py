from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from napari_cfr_icl import zoo
from napari_cfr_icl.training.data.batches import Inputs
from napari_cfr_icl.training.data.click_sampling import error_candidates
from napari_cfr_icl.training.options import IclOptions
from napari_cfr_icl.training.steps.icl import icl_passes, pass_weights
from training_goldens import GOLDEN, golden

MODELS = ("g_hrnet_w4s", "g_vit_d12_p16")


@pytest.fixture(scope="module")
def recorded():
    return golden("icl.npz")


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return request.param, zoo.load(GOLDEN / f"{request.param}.pth")


def _inputs(recorded, name):
    images = torch.from_numpy(recorded[f"{name}__images"]).permute(0, 3, 1, 2) / 255
    truth, points = (torch.from_numpy(recorded[f"{name}__{key}"]) for key in ("gt", "points"))
    return Inputs(images, truth, points, torch.zeros_like(images[:, :1]))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_totals_outputs_and_gradients_are_those_of_the_public_code(recorded, model, length):
    name, network = model
    run = f"{name}__icl{length}"
    clicks = iter(torch.from_numpy(recorded[f"{run}__points_per_iter"][1:]))
    network.zero_grad()
    total, components, logits = 0.0, [], []
    weights = pass_weights(IclOptions(), (length - 0.5) / 3)
    for step in icl_passes(network, _inputs(recorded, name), weights, lambda *_: next(clicks)):
        weighted = step.weight * step.loss.mean()
        weighted.backward()  # pass by pass: the gradient must be that of the sum
        total += weighted.item()
        components.append(step.loss.mean().item())
        logits.append(step.logits.detach().numpy()[..., ::4, ::4])
    np.testing.assert_allclose(components, recorded[f"{run}__components"], rtol=2e-6)
    assert total == pytest.approx(float(recorded[f"{run}__total"]), rel=2e-6)
    np.testing.assert_allclose(logits, recorded[f"{run}__logits_s4_per_iter"], atol=1e-4)
    parameters = dict(network.named_parameters())
    norms = {key: value for key, value in recorded.items() if key.startswith(f"{run}__gradnorm__")}
    assert len(norms) >= 4
    for key, norm in norms.items():
        gradient = parameters[key.removeprefix(f"{run}__gradnorm__")].grad
        assert gradient.norm().item() == pytest.approx(float(norm), rel=5e-4), key


def test_recorded_next_clicks_are_among_our_candidates(recorded, model):
    """The public code's distances are approximate, so the rim of the region may differ by one."""
    name, network = model
    inputs = _inputs(recorded, name)
    truth = inputs.target
    points = torch.from_numpy(recorded[f"{name}__icl3__points_per_iter"])
    following = iter(points[1:])
    with torch.no_grad():
        passes = list(icl_passes(network, inputs, (0.0, 0.0, 0.0), lambda *_: next(following)))
    slots = points.shape[2] // 2
    for step, before, after in zip(passes[:-1], points[:-1], points[1:], strict=True):
        candidates, positive = error_candidates(torch.sigmoid(step.logits[:, 0]), truth[:, 0])
        for sample in range(len(truth)):
            new = (before[sample] != after[sample]).any(dim=1).nonzero().item()
            assert (new < slots) == positive[sample]
            row, col, _ = after[sample, new].long().tolist()
            assert ndimage.binary_dilation(candidates[sample].numpy(), iterations=2)[row, col]


class _Recorder(nn.Module):
    """A network of one weight that keeps what it was shown."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.seen = []

    def forward(self, image, previous, points):
        self.seen.append((previous, points, torch.is_grad_enabled()))
        return self.weight * (image.mean(dim=1, keepdim=True) - 0.3) + previous


def _tiny_inputs():
    image = torch.linspace(0, 1, 2 * 3 * 16 * 16).view(2, 3, 16, 16)
    nothing = torch.zeros_like(image[:, :1])
    return Inputs(image, (image[:, :1] > 0.5).float(), torch.full((2, 4, 3), -1.0), nothing)


def test_the_last_mask_is_fed_back_without_gradient_and_each_pass_has_one_click_more():
    network = _Recorder()
    clicks = []

    def next_clicks(probabilities, target, points):
        clicks.append(probabilities)
        return points + 1

    passes = []
    for step in icl_passes(network, _tiny_inputs(), (1.0, 2.0, 3.0), next_clicks):
        step.loss.sum().backward()
        passes.append(step)
    assert [step.weight for step in passes] == [1, 2, 3]
    assert network.seen[0][0].abs().max() == 0
    for index in (1, 2):
        previous, points, _ = network.seen[index]
        torch.testing.assert_close(previous, torch.sigmoid(passes[index - 1].logits.detach()))
        assert previous.grad_fn is None
        assert clicks[index - 1] is previous
        assert (points == index - 1).all()
    assert len(clicks) == 2  # none is made after the last pass


def test_the_first_pass_sees_the_mask_that_a_sample_starts_with():
    network, inputs = _Recorder(), _tiny_inputs()
    begun = replace(inputs, previous=torch.full_like(inputs.previous, 0.7))
    list(icl_passes(network, begun, (1.0,), lambda p, t, points: points))
    assert network.seen[0][0] is begun.previous


def test_passes_of_no_weight_carry_no_gradient():
    network = _Recorder()
    weights = (0.0, 1.0)
    passes = list(icl_passes(network, _tiny_inputs(), weights, lambda p, t, points: points))
    assert [grad for *_, grad in network.seen] == [False, True]
    assert not passes[0].loss.requires_grad
    assert passes[1].loss.requires_grad


def test_weights_of_the_schemes():
    code, paper = IclOptions(), IclOptions(first_pass="paper")
    assert pass_weights(code, 0.0) == (1,)
    assert pass_weights(code, 0.5) == (1, 2)
    assert pass_weights(code, 0.999) == (1, 2, 3)
    assert pass_weights(paper, 0.0) == pass_weights(paper, 0.999) == (0, 1, 2, 3)
    without = IclOptions(enabled=False, max_untrained_passes=3)
    assert [len(pass_weights(without, x)) for x in (0, 0.3, 0.6, 0.999)] == [1, 2, 3, 4]
    assert pass_weights(without, 0.999) == (0, 0, 0, 1)
