"""The predictor against what the public code gave for the same clicks, pass by pass."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from golden_runs import settings_of
from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Click, Clicks, Predictor

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
MODELS = ("g_hrnet_w4s", "g_vit_d12_p16")
TOLERANCE = 2e-3


@cache
def _recorded(model):
    runs = json.loads((GOLDEN / f"{model}__predictor.json").read_text())["runs"]
    with np.load(GOLDEN / f"{model}__predictor.npz") as arrays:
        return runs, dict(arrays)


@cache
def _model(name):
    return zoo.load(GOLDEN / f"{name}.pth")


def _cases():
    for model in MODELS:
        for index, run in enumerate(_recorded(model)[0]):
            # The other pictures repeat what the first shows of every long sequence.
            passes = sum(click["forwards"] for click in run["clicks"])
            marks = [pytest.mark.slow] if passes > 12 and run["image"] != "img0" else []
            yield pytest.param(model, index, id=f"{model}-{run['name']}", marks=marks)


def _previous(run, click, last, mask):
    """What the next click goes on from; the public window feeds a loaded mask at every click."""
    if "extmask" not in run["name"]:
        return last
    if last is not None:
        return last.with_feedback(mask)
    # In the public code a cascade drops the loaded mask on the first click.
    return None if "BUG" in run["name"] else mask


def _inclusive(window):
    if window is None:
        return None
    return [window.top, window.bottom - 1, window.left, window.right - 1]


@pytest.mark.parametrize(("model", "index"), list(_cases()))
def test_a_recorded_sequence_of_clicks(model, index):
    runs, arrays = _recorded(model)
    run = runs[index]
    predictor = Predictor(_model(model), settings_of(run), device="cpu")
    image, key = arrays[run["image"]], run["key"]
    clicks, last = Clicks(), None
    for number, recorded in enumerate(run["clicks"]):
        row, col, sign, _ = recorded["click"]
        clicks = clicks.added(Click(row, col, bool(sign)))
        previous = _previous(run, number, last, arrays.get("ext_mask0"))
        steps = list(predictor.steps(image, clicks, previous))
        last = steps[-1]
        assert last.passes == recorded["forwards"]
        assert _inclusive(last.zoomed) == recorded["roi"]
        probabilities = last.probabilities.full()
        expected = arrays[f"{key}_prob_s8"][number]
        np.testing.assert_allclose(probabilities[::8, ::8], expected, atol=TOLERANCE, rtol=0)
        mask = np.unpackbits(arrays[f"{key}_masks_packed"][number], axis=-1)[:, : image.shape[1]]
        assert np.count_nonzero((probabilities > 0.49) != mask) <= 5
        inner = arrays.get(f"{key}_inner_click{number}_prob_s8")
        if inner is not None:
            found = [step.probabilities.full()[::8, ::8] for step in steps]
            np.testing.assert_allclose(found, inner, atol=TOLERANCE, rtol=0)
            changes = [trace.changed_pixels for trace in last.trace[1:]]
            np.testing.assert_allclose(changes, recorded["inner_changed_px"], atol=3)
    if f"{key}_prob_last" in arrays:
        np.testing.assert_allclose(
            probabilities, arrays[f"{key}_prob_last"], atol=TOLERANCE, rtol=0
        )
