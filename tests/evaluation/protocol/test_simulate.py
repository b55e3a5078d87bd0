from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from golden_runs import MODELS, golden_runs
from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Predictor
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.options import Protocol
from napari_cfr_icl.evaluation.protocol.simulate import replay, simulate
from napari_cfr_icl.evaluation.protocol.simulated_gestures import begun_with
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser

load = cache(zoo.load)


def runs():
    for model in MODELS:
        for run in golden_runs(model):
            passes = sum(click["forwards"] for click in run.clicks)
            marks = [pytest.mark.slow] if passes > 5 else []
            yield pytest.param(run, id=f"{model}-{run.name}", marks=marks)


def predictor_of(run):
    return Predictor(load(run.model), run.settings, device="cpu")


@pytest.mark.parametrize("run", list(runs()))
def test_robot_and_predictor_together_repeat_the_public_code(run):
    protocol = Protocol(max_clicks=len(run.clicks), thresholds=(1.0,))
    image = ImageSource.of(run.image)

    done = simulate(predictor_of(run), image, run.truth, RobotUser(), protocol)

    found = [[item.click.row, item.click.col, item.click.positive] for item in done]
    assert found == [[*click["click"][:2], bool(click["click"][2])] for click in run.clicks]
    assert [item.passes for item in done] == [click["forwards"] for click in run.clicks]
    # five pixels may differ after a few hundred layers of another arithmetic
    expected = [click["iou"] for click in run.clicks]
    assert [item.iou for item in done] == pytest.approx(expected, abs=2e-3)


def test_clicking_ends_at_the_target():
    run = next(run for run in golden_runs("g_vit_d12_p16") if run.name == "img1.vit448.std")
    image, predictor = ImageSource.of(run.image), predictor_of(run)
    first, second = (click["iou"] for click in run.clicks[:2])

    target = (first + second) / 2
    done = simulate(
        predictor, image, run.truth, RobotUser(), Protocol(thresholds=(0.5,), target=target)
    )

    assert len(done) == 2
    assert done[0].iou < target <= done[1].iou
    assert all(item.seconds > 0 and item.user_seconds > 0 for item in done)


@pytest.mark.parametrize("gesture", ["click", "box"])
def test_clicks_made_again_lead_to_the_same_masks(gesture):
    run = golden_runs("g_vit_d12_p16")[-1]
    image, predictor = ImageSource.of(run.image), predictor_of(run)
    protocol = Protocol(max_clicks=3, gesture=gesture)
    begin = begun_with(protocol, run.truth, "object")
    done = simulate(predictor, image, run.truth, RobotUser(), protocol, begin)

    assert len(done) == 3
    *_, last = replay(predictor, image, [item.click for item in done], begin)

    mask = last.mask().full()
    union = np.count_nonzero(mask | (run.truth == 1))
    assert np.count_nonzero(mask & (run.truth == 1)) / union == pytest.approx(done[-1].iou)
