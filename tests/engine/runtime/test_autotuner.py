import numpy as np
import pytest
import torch

from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Click, Predictor, Settings
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.engine.runtime import autotuner
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
@pytest.mark.parametrize("variant", ["float32", "float32-traced", "float32-packed"])
@torch.inference_mode()
def test_folded_and_packed_or_traced_it_gives_the_same_logits_at_any_size(hrnet, variant, shape):
    run = autotuner.make_variant(hrnet, variant)
    inputs = _inputs(hrnet, shape)
    torch.testing.assert_close(run(*inputs), hrnet(*inputs), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("variant", ["bfloat16", "int8"])
@torch.inference_mode()
def test_a_quicker_arithmetic_stays_near_float32(vit, variant):
    inputs = _inputs(vit, (448, 448))
    reference = vit(*inputs)
    logits = autotuner.make_variant(vit, variant)(*inputs)
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


def test_the_quickest_way_that_agrees_is_taken(hrnet, monkeypatch):
    seconds = {
        "bfloat16": 2.0,
        "bfloat16-traced": 3.0,
        "bfloat16-packed": 1.0,
        "float32-traced": 4.0,
        "float32-packed": 5.0,
    }
    made = []

    def make_variant(model, variant):
        made.append(variant)
        error = wrong if "bfloat16" in variant else 0
        return lambda *inputs: model(*inputs) + error

    monkeypatch.setattr(autotuner, "make_variant", make_variant)
    monkeypatch.setattr(
        autotuner, "_seconds", lambda run, inputs: seconds[made[-1]] if made else 9.0
    )
    wrong = 0.0
    assert autotuner.find_fastest(hrnet, torch.device("cpu"))[0] == "bfloat16-packed"
    wrong = 1e6
    made.clear()
    # No layout of an arithmetic that disagrees is tried.
    assert autotuner.find_fastest(hrnet, torch.device("cpu"))[0] == "float32-traced"
    assert made == ["bfloat16", "float32-traced", "float32-packed"]


def test_a_way_that_this_machine_lacks_is_passed_over(hrnet, monkeypatch):
    def make_variant(model, variant):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(autotuner, "make_variant", make_variant)
    assert autotuner.find_fastest(hrnet, torch.device("cpu"))[0] == "float32"


def test_the_model_that_was_given_is_not_changed(hrnet):
    before = {name: value.clone() for name, value in hrnet.state_dict().items()}
    network = Network(hrnet, "cpu", "fast")
    assert network.arithmetic.partition("-")[0] in ("float32", "bfloat16")
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
