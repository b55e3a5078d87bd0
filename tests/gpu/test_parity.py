"""Every network computes on the GPU what it computes on a processor."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from golden_models import GOLDEN, full_size
from golden_runs import settings_of
from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Clicks, Predictor, Settings
from napari_cfr_icl.engine.runtime.device import full_float32
from napari_cfr_icl.engine.runtime.network import Network
from napari_cfr_icl.evaluation.protocol.metrics import iou
from sam_goldens import sam_network

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel

pytestmark = pytest.mark.gpu

SHIPPED = tuple(name for name, entry in zoo.CATALOGUE.items() if entry.embedded)
GOLDENS = tuple(sorted(path.stem for path in GOLDEN.glob("*.pth")))
FULL = tuple(sorted(path.stem.removeprefix("full_") for path in GOLDEN.glob("full_*.npz")))
"""Published sizes with made-up weights."""
SAM = ("sam_vit_b", "sam2_hiera_tiny")
"""The same of SAM's family."""

LOGITS = 1e-3
"""Largest difference of logits over their standard deviation: float32 on both sides, with sums in
another order."""

SCHEMES = ("std", "cfr-4", "a-cfr-4")


def model_of(name: str) -> ClickModel:
    """A network of its own: one that is moved to a GPU is gone from the processor."""
    if name in SAM:
        return sam_network(name)
    if name in FULL:
        return full_size(name)
    return zoo.load(GOLDEN / f"{name}.pth" if name in GOLDENS else name)


def tensors(network: Network, side: int) -> list[torch.Tensor]:
    """A photo, a mask to correct, and a click on either side of its border."""
    rows, cols = network.nearest_size((side, side))
    photo = samples.load("astronaut").image[:rows, :cols]
    image = torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None] / 255
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, cols), indexing="ij")
    previous = torch.sigmoid(20 * (0.3 - y.square() - x.square()))[None, None]
    points = torch.tensor([[[rows / 2, cols / 2, 0.0], [rows / 8, cols / 8, 1.0]]])
    return [image, previous, points]


def logits(network: Network, inputs: list[torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        return network(*(each.to(network.device) for each in inputs)).cpu()


@cache
def on_cpu(name: str, side: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    network = Network(model_of(name), "cpu", "float32")
    inputs = tensors(network, side)
    return inputs, logits(network, inputs)


@pytest.mark.parametrize("name", [*SHIPPED, *GOLDENS, *FULL, *SAM])
def test_logits_in_float32(name, device, side):
    inputs, expected = on_cpu(name, side)
    found = logits(Network(model_of(name), str(device), "float32"), inputs)
    assert (found - expected).abs().max() <= LOGITS * expected.std()


@pytest.mark.parametrize("arithmetic", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", [*SHIPPED, *GOLDENS])
def test_masks_in_half_precision(name, arithmetic, device, side):
    inputs, expected = on_cpu(name, side)
    network = Network(model_of(name), str(device), "float32")
    network.use(arithmetic)
    found = logits(network, inputs)
    assert torch.isfinite(found).all()
    assert iou((expected > 0).numpy()[0, 0], (found > 0).numpy()[0, 0]) >= 0.99


def test_float32_is_not_rounded_to_tf32_though_others_allow_it(device):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 64, 3, 3, generator=generator)
    image = torch.randn(1, 64, 64, 64, generator=generator)
    exact = torch.nn.functional.conv2d(image.double(), weight.double())
    before = torch.backends.cudnn.conv.fp32_precision
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    try:
        with full_float32(device):
            found = torch.nn.functional.conv2d(image.to(device), weight.to(device)).cpu()
        assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    finally:
        torch.backends.cudnn.conv.fp32_precision = before
    # Inputs rounded to the 11 bits of TF32 put it off by 1e-3, sums of 24 bits by 1e-6 to 1e-5.
    assert (found - exact).abs().max() / exact.std() < 1e-4


def clicked(predictor: Predictor, image: np.ndarray, count: int = 3) -> list[object]:
    places = [Click(100, 220), Click(300, 200), Click(60, 420, positive=False)]
    clicks, last, answers = Clicks(), None, []
    for click in places[:count]:
        clicks = clicks.added(click)
        last = predictor.predict(image, clicks, last)
        answers.append(last)
    return answers


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_same_number_of_passes_gives_the_same_masks(name, scheme, device, side):
    image = samples.load("astronaut").image
    answers = []
    for place in ("cpu", str(device)):
        model = model_of(name)
        settings = replace(
            Settings.paper(model).with_inference(scheme), zoom=None, limit_side=side, flip=False
        )
        answers.append(clicked(Predictor(model, settings, place), image))
    for here, there in zip(*answers, strict=True):
        assert there.passes == here.passes
        assert iou(here.mask().full(), there.mask().full()) >= 0.999


@pytest.mark.parametrize("name", SHIPPED)
def test_the_first_click_in_the_preset_of_the_dock(name, device):
    image = samples.load("astronaut").image
    answers = [
        clicked(Predictor(model, Settings.interactive(model), place), image, 1)[0]
        for model, place in ((model_of(name), "cpu"), (model_of(name), str(device)))
    ]
    here, there = (answer.mask().full() for answer in answers)
    assert iou(here, there) >= 0.98  # each in the arithmetic that suits its processor


def recorded_runs() -> list[object]:
    runs = []
    for model in GOLDENS:
        recorded = json.loads((GOLDEN / f"{model}__predictor.json").read_text())["runs"]
        runs += [
            pytest.param(model, run, id=f"{model}-{run['name']}")
            for run in recorded
            if run["image"] == "img0" and "extmask" not in run["name"]
        ]
    return runs


@pytest.mark.parametrize(("model", "run"), recorded_runs())
def test_a_recorded_sequence_of_clicks(model, run, device):
    """The public code's own numbers, with the tolerances of the processor."""
    with np.load(GOLDEN / f"{model}__predictor.npz") as arrays:
        image, expected = arrays[run["image"]], arrays[f"{run['key']}_prob_s8"]
    predictor = Predictor(model_of(model), settings_of(run), str(device))
    clicks, last = Clicks(), None
    for number, recorded in enumerate(run["clicks"]):
        row, col, sign, _ = recorded["click"]
        clicks = clicks.added(Click(row, col, bool(sign)))
        last = predictor.predict(image, clicks, last)
        assert last.passes == recorded["forwards"]
        found = last.probabilities.full()[::8, ::8]
        np.testing.assert_allclose(found, expected[number], atol=2e-3, rtol=0)
