"""A network that looks once learns the same as if it looked in every pass."""

import pytest
import torch

from golden_models import randomised
from napari_cfr_icl.training.icl import icl_passes
from napari_cfr_icl.training.step import Look

WEIGHTS = (0.0, 1.0, 3.0)
"""As the paper has them: the first pass is not trained."""


@pytest.fixture(scope="module")
def model():
    return randomised({"family": "mobile_sam", "detail": True, "image_size": 64}).eval()


def gradients(model, forward, backward):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 64, 64, generator=generator)
    target = (torch.rand(2, 1, 64, 64, generator=generator) > 0.5).float()
    points = torch.tensor([[[30.0, 20.0, 0.0], [-1.0, -1.0, -1.0]]]).repeat(2, 1, 1)
    model.zero_grad()
    for one in icl_passes(forward(images), (images, target, points), WEIGHTS, moved):
        if one.weight:
            (one.weight * one.loss.sum()).backward()
    backward()
    return {name: x.grad.clone() for name, x in model.named_parameters() if x.grad is not None}


def moved(probabilities, target, points):
    return torch.where(points < 0, points, points + 7)


def test_the_gradient_is_that_of_looking_in_every_pass(model):
    looks = []

    def look(images):
        looks.append(Look(model, images))
        return lambda _, previous, points: looks[0].decode(previous, points)

    once = gradients(model, look, lambda: looks[0].backward())
    every = gradients(model, lambda _: model, lambda: None)
    # The fed-back mask is the same in both, so the sums differ by rounding only.
    assert set(once) == set(every)
    assert any(name.startswith("image_encoder.patch_embed") for name in once)
    for name, gradient in every.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(once[name], gradient, rtol=1e-3, atol=1e-4 * scale + 1e-9)


def test_a_frozen_look_gives_its_decoder_all_it_needs(model):
    encoder = [*model.image_encoder.parameters(), *model.detail.parameters()]
    for parameter in encoder:
        parameter.requires_grad_(False)
    looks = []

    def look(images):
        looks.append(Look(model, images))
        return lambda _, previous, points: looks[0].decode(previous, points)

    learned = gradients(model, look, lambda: looks[0].backward())
    for parameter in encoder:
        parameter.requires_grad_(True)
    assert learned
    assert all(name.startswith(("prompt_encoder.", "mask_decoder.")) for name in learned)
