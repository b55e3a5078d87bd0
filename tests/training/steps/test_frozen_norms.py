from __future__ import annotations

import pytest
import torch

from napari_cfr_icl import zoo
from napari_cfr_icl.engine.models import PUBLISHED, build
from napari_cfr_icl.training.steps.frozen_norms import freeze_norms
from training_goldens import GOLDEN


@pytest.fixture
def inputs():
    torch.manual_seed(0)
    points = torch.full((2, 4, 3), -1.0)
    points[:, 0] = torch.tensor([30.0, 20.0, 0.0])
    return torch.rand(2, 3, 64, 80), torch.rand(2, 1, 64, 80), points


def _gradients(model, inputs):
    model.zero_grad()
    model(*inputs).square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_function_gradients_and_names_stay(inputs):
    plain, frozen = (zoo.load(GOLDEN / "g_hrnet_w4s.pth").double() for _ in range(2))
    inputs = tuple(x.double() for x in inputs)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    freeze_norms(frozen.float())
    frozen.double()
    torch.testing.assert_close(frozen(*inputs), plain(*inputs), rtol=1e-6, atol=1e-8)
    assert list(frozen.state_dict()) == list(before)
    expected, found = _gradients(plain, inputs), _gradients(frozen, inputs)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6, msg=name)


def test_statistics_stay_in_training_mode(inputs):
    model = build(PUBLISHED["hrnet18s"])
    freeze_norms(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.eval()
    with torch.no_grad():
        first, alone = model(*inputs), model(*(x[:1] for x in inputs))
    torch.testing.assert_close(first[:1], alone, rtol=1e-3, atol=1e-4)  # no sample sees another
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_network_without_batch_norms_is_left_alone():
    model = zoo.load(GOLDEN / "g_vit_d12_p16.pth")
    kinds = [type(module) for module in model.modules()]
    freeze_norms(model)
    assert [type(module) for module in model.modules()] == kinds
