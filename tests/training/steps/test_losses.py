from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_cfr_icl.training.steps.losses import normalized_focal_loss
from training_goldens import golden


@pytest.fixture(scope="module")
def recorded():
    return golden("losses.npz")


def _loss_and_gradient(recorded, **kwargs):
    logits = torch.from_numpy(recorded["logits"]).requires_grad_()
    loss = normalized_focal_loss(logits, torch.from_numpy(recorded["target"]), **kwargs)
    loss.sum().backward()
    return loss.detach().numpy(), logits.grad.numpy()


@pytest.mark.parametrize(("name", "alpha"), [("nfl_a05_g2", 0.5), ("nfl_a025_g2", 0.25)])
def test_values_and_gradients_are_those_of_the_public_code(recorded, name, alpha):
    value, gradient = _loss_and_gradient(recorded, alpha=alpha, gamma=2.0)
    np.testing.assert_allclose(value, recorded[f"{name}__value"], rtol=1e-6)
    np.testing.assert_allclose(gradient, recorded[f"{name}__grad"], rtol=1e-5, atol=1e-9)


def test_the_scale_carries_no_gradient(recorded):
    _, gradient = _loss_and_gradient(recorded)
    with_scale = recorded["nfl_a05_g2_nodetach__grad"]
    assert np.abs(gradient - with_scale).max() > 1e-4


def test_without_focus_it_is_half_the_cross_entropy(recorded):
    value, gradient = _loss_and_gradient(recorded, alpha=0.5, gamma=0.0)
    np.testing.assert_allclose(2 * value, recorded["bce__value"], rtol=1e-5)
    np.testing.assert_allclose(2 * gradient, recorded["bce__grad"], rtol=1e-4, atol=1e-7)


def test_ignored_pixels_neither_count_nor_learn():
    target = torch.tensor([[[[1.0, 0.0], [-1.0, -1.0]]]])
    logits = torch.tensor([[[[0.3, -0.2], [9.0, -9.0]]]], requires_grad=True)
    loss = normalized_focal_loss(logits, target)
    loss.sum().backward()
    alone = normalized_focal_loss(logits[..., :1, :].detach(), target[..., :1, :])
    torch.testing.assert_close(loss.detach(), alone)
    assert logits.grad[0, 0, 1].tolist() == [0.0, 0.0]


def test_bfloat16_logits_are_judged_in_float32():
    target = torch.ones(1, 1, 8, 8)
    logits = torch.full((1, 1, 8, 8), 12.0)
    loss = normalized_focal_loss(logits.bfloat16(), target)
    torch.testing.assert_close(loss, normalized_focal_loss(logits, target))
    assert 0 < loss.item() < 1e-4
