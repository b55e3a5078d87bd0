import pytest
import torch
from torch import nn

from golden_models import (
    arrays,
    full_size,
    image_tensor,
    network,
    public_weights,
    random_input,
    randomised,
)
from napari_cfr_icl.engine.runtime.batch_norm_folding import fold_batch_norms


@pytest.mark.parametrize("name", ["toy", "hrnet18"])
def test_a_folded_network_gives_the_same_logits_without_batch_norms(name):
    model = network(public_weights("g_hrnet_w4s")) if name == "toy" else full_size(name)
    image = image_tensor(arrays("g_hrnet_w4s__raw")["b_image"][:1])
    _, maps = random_input(*image.shape[-2:])
    before = {key: weight.clone() for key, weight in model.state_dict().items()}

    light = fold_batch_norms(model)

    with torch.inference_mode():
        expected = model.forward_maps_with_aux(image, maps)
        logits = light.forward_maps_with_aux(image, maps)
    torch.testing.assert_close(logits, expected, rtol=2e-6, atol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in light.modules())
    assert all(torch.equal(weight, before[key]) for key, weight in model.state_dict().items())
    assert light.nearest_size(40, 50) == model.nearest_size(40, 50)


def test_a_network_without_batch_norms_is_copied():
    model = randomised(
        {
            "family": "plain_vit",
            "dim": 8,
            "depth": 8,
            "num_heads": 2,
            "patch": 16,
            "neck_dims": [4, 4, 4, 4],
            "head_channels": 4,
        }
    )
    image, maps = random_input(224, 224)
    light = fold_batch_norms(model)
    with torch.inference_mode():
        assert torch.equal(light.forward_maps(image, maps), model.forward_maps(image, maps))
    assert light is not model


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match="in eval mode"):
        fold_batch_norms(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)).train())


def test_a_batch_norm_without_its_convolution_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    with pytest.raises(ValueError, match="Batch norm 2 does not follow a convolution"):
        fold_batch_norms(model)
