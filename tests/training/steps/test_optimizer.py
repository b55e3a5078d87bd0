from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.models.mobile_sam import MobileSam, MobileSamArchitecture
from napari_cfr_icl.training.options import OptimizerOptions, ScheduleOptions, TrainOptions
from napari_cfr_icl.training.steps.optimizer import (
    averaged,
    make_optimizer,
    rate_at,
    scheduled,
    seeded,
)
from napari_cfr_icl.zoo.key_maps import published_name
from training_goldens import GOLDEN


@pytest.fixture
def hrnet():
    return zoo.load(GOLDEN / "g_hrnet_w4s.pth")


@pytest.fixture
def vit():
    return zoo.load(GOLDEN / "g_vit_d12_p16.pth")


def _rates(model, optimizer):
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}


def test_backbone_and_heads_of_the_hrnet_have_their_rates(hrnet):
    rates = _rates(hrnet, make_optimizer(hrnet, OptimizerOptions(rate=1e-3, backbone_rate=0.1)))
    assert rates["feature_extractor.conv1.weight"] == pytest.approx(1e-4)
    assert rates["feature_extractor.stage4.0.branches.0.0.conv1.weight"] == pytest.approx(1e-4)
    assert rates["feature_extractor.cls_head.weight"] == pytest.approx(1e-3)
    assert rates["feature_extractor.aux_head.0.weight"] == pytest.approx(1e-3)
    assert rates["maps_transform.0.weight"] == pytest.approx(1e-3)
    assert len(rates) == sum(p.requires_grad for p in hrnet.parameters())


def test_layers_of_the_vit_slow_down_towards_the_image(vit):
    options = OptimizerOptions(rate=1e-3, backbone_rate=1.0, layer_decay=0.5)
    rates = _rates(vit, make_optimizer(vit, options))
    assert rates["head.conv_seg.weight"] == pytest.approx(1e-3)
    assert rates["backbone.blocks.11.mlp.fc1.weight"] == pytest.approx(1e-3)
    assert rates["backbone.blocks.10.mlp.fc1.weight"] == pytest.approx(5e-4)
    assert rates["backbone.pos_embed"] == pytest.approx(1e-3 / 2**12)
    assert "patch_embed_coords.proj.weight" in rates  # clicks are learned, whatever the decay


def test_scales_and_shifts_do_not_decay(hrnet):
    optimizer = make_optimizer(hrnet, OptimizerOptions(weight_decay=0.1))
    for group in optimizer.param_groups:
        wanted = 0.1 if group["params"][0].ndim > 1 else 0.0
        assert group["weight_decay"] == wanted
        assert len({p.ndim > 1 for p in group["params"]}) == 1


def test_frozen_parameters_are_left_out(hrnet):
    options = OptimizerOptions(frozen=("feature_extractor.conv", "feature_extractor.layer1."))
    rates = _rates(hrnet, make_optimizer(hrnet, options))
    assert "feature_extractor.conv1.weight" not in rates
    assert not any(name.startswith("feature_extractor.layer1.") for name in rates)
    assert "feature_extractor.stage2.0.branches.0.0.conv1.weight" in rates


@pytest.mark.parametrize(
    ("frozen", "message"), [(("nothing.",), "No parameter begins"), (("",), "nothing that could")]
)
def test_freezing_nothing_or_everything_is_refused(hrnet, frozen, message):
    with pytest.raises(SettingsError, match=message):
        make_optimizer(hrnet, OptimizerOptions(frozen=frozen))


def test_the_rate_rises_then_falls_to_its_end():
    options = ScheduleOptions(steps=100, warm_up=0.1, final_rate=0.2)
    rates = [rate_at(step, options) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.6)
    assert 0.2 < rates[99] < 0.21


def test_a_rate_without_end_stays():
    options = ScheduleOptions(steps=50, warm_up=0.0, final_rate=1.0)
    assert {rate_at(step, options) for step in range(50)} == {1.0}


def test_groups_keep_their_share_of_the_rate():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(
        [{"params": [model.weight], "share": 0.5}, {"params": [model.bias], "share": 1.0}], lr=9.0
    )
    options = TrainOptions(
        optimizer=OptimizerOptions(rate=0.2),
        schedule=ScheduleOptions(steps=100, warm_up=0.1, final_rate=0.2),
    )
    schedule = scheduled(optimizer, options)
    for step in range(100):
        rate = 0.2 * rate_at(step, options.schedule)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate / 2, rate])
        optimizer.step()
        schedule.step()


def test_the_schedule_goes_on_from_any_step_of_a_checkpoint(hrnet):
    options = TrainOptions(schedule=ScheduleOptions(steps=10, warm_up=0.5))
    optimizer = make_optimizer(hrnet, options.optimizer)
    saved = optimizer.state_dict()  # as checkpoints were before there was a LambdaLR
    assert "initial_lr" not in saved["param_groups"][0]
    optimizer.load_state_dict(saved)
    scheduled(optimizer, options, step=3)
    shares = [group["share"] for group in optimizer.param_groups]
    expected = [options.optimizer.rate * share * rate_at(3, options.schedule) for share in shares]
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(expected)


def test_the_average_follows_slowly_and_starts_quickly():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = averaged(model, memory=0.99)
    model.weight.data.fill_(1.0)
    average.update_parameters(model)
    assert average.module.weight.item() == pytest.approx(0.9)  # a tenth is remembered
    average.n_averaged.fill_(10_001)
    average.update_parameters(model)
    assert average.module.weight.item() == pytest.approx(0.9 + 0.1 * 0.01)


def test_an_average_without_memory_is_the_model():
    model = nn.BatchNorm1d(2)
    average = averaged(model, memory=0.0)
    model.weight.data.fill_(3.0)
    model.num_batches_tracked += 5
    average.update_parameters(model)
    assert average.module.weight.tolist() == [3, 3]
    assert average.module.num_batches_tracked.item() == 5


def test_seeded_draws_leave_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded(5, torch.device("cpu")):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded(5, torch.device("cpu")):
        assert torch.equal(torch.rand(3), first)


def test_parameters_are_frozen_by_their_published_names():
    with torch.device("meta"):
        model = MobileSam(MobileSamArchitecture())
    frozen = ("image_encoder.patch_embed", "image_encoder.layers.0")  # as a recipe in training/ has

    optimizer = make_optimizer(model, OptimizerOptions(frozen=frozen))

    still = {published_name(name) for name, p in model.named_parameters() if not p.requires_grad}
    assert "image_encoder.layers.0.downsample.conv1.c.weight" in still
    assert all(name.startswith(frozen) for name in still)
    learning = sum(len(group["params"]) for group in optimizer.param_groups)
    assert learning == len(list(model.parameters())) - len(still)
