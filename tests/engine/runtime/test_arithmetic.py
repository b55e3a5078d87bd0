import numpy as np
import pytest
import torch
from torch import nn

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine import Click, Predictor, Settings
from napari_cfr_icl.engine.models import PUBLISHED, build
from napari_cfr_icl.engine.runtime.arithmetic import Abilities, fastest, run_in
from napari_cfr_icl.engine.runtime.convolved_linear import ConvolvedLinear, replace_linears
from napari_cfr_icl.engine.runtime.int8_linear import Int8Linear
from napari_cfr_icl.engine.runtime.network import Network

SHAPES = [(128, 128), (96, 160), (131, 77)]


@pytest.fixture(scope="module")
def hrnet(golden):
    return zoo.load(golden / "g_hrnet_w4s.pth")


@pytest.fixture(scope="module")
def vit(golden):
    return zoo.load(golden / "g_vit_d12_p16.pth")


def _inputs(model, shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows, cols = model.nearest_size(*shape)
    image = torch.rand(1, 3, rows, cols, generator=generator)
    points = torch.tensor([[[rows / 2, cols / 3, 0.0], [-1.0, -1.0, -1.0]]])
    return image, torch.zeros(1, 1, rows, cols), points


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@torch.inference_mode()
def test_folded_it_gives_the_same_logits_at_any_size(hrnet, shape):
    run = run_in(hrnet, "float32")
    inputs = _inputs(hrnet, shape)
    torch.testing.assert_close(run(*inputs), hrnet(*inputs), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["vit_xtiny", "mobile_sam", "sam2_hiera_tiny"])
@torch.inference_mode()
def test_a_cpu_convolves_linear_layers_and_gives_the_same_logits(name):
    torch.manual_seed(0)
    model = build(PUBLISHED[name])
    inputs = _inputs(model, (224, 224))
    expected = model(*inputs)
    before = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    torch.testing.assert_close(run_in(model, "float32")(*inputs), expected, atol=1e-4, rtol=1e-4)
    after = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    assert before == after


def test_a_convolved_linear_layer_is_that_layer_and_shares_its_weights():
    linear = nn.Linear(5, 3)
    convolved = ConvolvedLinear(linear)
    values = torch.randn(2, 7, 4, 5)
    torch.testing.assert_close(convolved(values), linear(values))
    torch.testing.assert_close(convolved(values.transpose(1, 2)), linear(values.transpose(1, 2)))
    with torch.no_grad():
        linear.weight.mul_(2)
    torch.testing.assert_close(convolved(values), linear(values))
    assert ConvolvedLinear(nn.Linear(5, 3, bias=False))(values[:, 0]).shape == (2, 4, 3)


def test_linear_layers_of_another_kind_are_not_replaced():
    class Doubled(nn.Linear):
        def forward(self, values):
            return 2 * super().forward(values)

    layers = nn.Sequential(nn.Linear(3, 3), nn.Sequential(Doubled(3, 3)))
    values = torch.randn(4, 3)
    expected = layers(values)
    torch.testing.assert_close(replace_linears(layers, ConvolvedLinear)(values), expected)
    assert [type(layers[0]), type(layers[1][0])] == [ConvolvedLinear, Doubled]


@pytest.mark.parametrize("arithmetic", ["bfloat16", "int8"])
@torch.inference_mode()
def test_another_arithmetic_stays_near_float32(vit, arithmetic):
    inputs = _inputs(vit, (448, 448))
    reference = vit(*inputs)
    logits = run_in(vit, arithmetic)(*inputs)
    assert logits.dtype == torch.float32
    assert 0 < float((logits - reference).pow(2).mean().sqrt() / reference.std()) < 0.1


def test_8_bit_weights_are_exact_where_8_bits_are_enough():
    linear = torch.nn.Linear(4, 3)
    weight = torch.tensor([[127, -3, 0, 50], [1, 2, -127, 4], [0, 0, 127, 0]]) / 64
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    values = torch.tensor([[255.0, 0, 3, 17], [1, 2, 3, 4]])
    torch.testing.assert_close(
        Int8Linear(linear)(values), linear(values).detach(), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("abilities", "expected"),
    [
        (Abilities(), {"hrnet": "float32", "vit": "float32"}),
        (Abilities(int8=True), {"hrnet": "float32", "vit": "int8"}),
        (Abilities(bfloat16=True), {"hrnet": "bfloat16", "vit": "bfloat16"}),
    ],
    ids=["AVX2", "VNNI", "GPU"],
)
def test_the_arithmetic_follows_from_what_the_device_computes(abilities, expected, hrnet, vit):
    networks = {"hrnet": hrnet, "vit": vit}
    assert {name: fastest(network, abilities) for name, network in networks.items()} == expected


@pytest.mark.parametrize(
    ("limits", "able"),
    [
        ({}, True),
        ({"capability": "AVX2"}, False),
        ({"instructions": {"avx512_bf16": True}}, False),
        ({"onednn": "AVX2"}, False),
    ],
    ids=["VNNI", "kernels for AVX2", "no VNNI", "oneDNN for AVX2"],
)
def test_8_bits_are_for_processors_that_have_them(limits, able, monkeypatch):
    capability = limits.get("capability", "AVX512")
    instructions = limits.get("instructions", {"avx512_vnni": True})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if "onednn" in limits:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limits["onednn"])
    assert Abilities.of(torch.device("cpu")) == Abilities(int8=able)


def test_an_arithmetic_that_this_machine_lacks_is_named(vit, monkeypatch):
    def missing(*args):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(torch, "quantize_per_channel", missing)
    with pytest.raises(DeviceError, match="cannot compute in int8: choose float32"):
        Network(vit, "cpu", "int8")


def test_the_first_pass_is_the_first_time_that_a_network_runs(hrnet):
    """Nothing is tried before a click: a predictor is made without a pass."""
    passes = []
    hook = torch.nn.modules.module.register_module_forward_hook(lambda *args: passes.append(1))
    try:
        Network(hrnet, "cpu", "fast")
    finally:
        hook.remove()
    assert passes == []


def test_the_model_that_was_given_is_not_changed(hrnet):
    before = {name: value.clone() for name, value in hrnet.state_dict().items()}
    network = Network(hrnet, "cpu", "fast")
    assert network.arithmetic == "float32"
    after = hrnet.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert next(hrnet.parameters()).dtype == torch.float32


def test_a_vit_of_random_weights_survives_every_input_shape(golden):
    description = zoo.load(golden / "g_vit_d12_p16.pth").architecture
    torch.manual_seed(0)
    predictor = Predictor(build(description).eval(), Settings.interactive(), "cpu")
    for shape in ((40, 300), (300, 40), (1000, 750), (33, 33)):
        prediction = predictor.predict(np.zeros(shape, np.uint8), [Click(5, 5)])
        assert prediction.probabilities.image_shape == shape
