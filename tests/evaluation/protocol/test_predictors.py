from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blob_dataset import TINY_MODEL, blobs
from golden_models import GOLDEN
from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Clicks
from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions
from napari_cfr_icl.evaluation.protocol.predictors import for_set, methods_of, predictors_for
from napari_cfr_icl.evaluation.protocol.records import Method
from napari_cfr_icl.evaluation.protocol.run_identity import identity_of


def options_for(*models, **changes):
    given = {"schemes": ("std", "a-cfr-4"), "presets": ("paper", "public-code"), **changes}
    choice = DatasetChoice(Path("data"))
    return EvaluateOptions((choice,), Path("out"), tuple(str(m) for m in models), **given)


def test_every_method_has_its_settings_on_one_network():
    options = options_for(TINY_MODEL)
    predictors = predictors_for(str(TINY_MODEL), zoo.load(TINY_MODEL), options, "cpu")

    assert list(predictors) == methods_of(options)
    assert len({id(predictor.network) for predictor in predictors.values()}) == 1
    settings = predictors[Method(str(TINY_MODEL), "public-code", "a-cfr-4")].settings
    assert (settings.refinement.name, settings.refinement.first_clicks) == ("a-cfr-4", 1)


@pytest.mark.parametrize(("given", "used"), [({}, "float32"), ({"precision": "int8"}, "int8")])
def test_arithmetic_is_the_one_named_whatever_the_preset_says(given, used):
    options = options_for(TINY_MODEL, presets=("paper", "interactive"), **given)
    network = zoo.load(TINY_MODEL)
    davis = open_dataset(GOLDEN / "tiny_datasets" / "DAVIS", "davis")
    predictors = predictors_for(str(TINY_MODEL), network, options, "cpu")

    assert {p.settings.precision for p in predictors.values()} == {used}
    assert {p.network.arithmetic for p in predictors.values()} == {used}
    recorded = identity_of(options, (davis,), {str(TINY_MODEL): network})
    assert recorded["precision"] == used
    assert {settings["precision"] for settings in recorded["settings"].values()} == {used}


@pytest.mark.parametrize(("model", "target"), [("g_hrnet_w4s", 600), ("g_vit_d12_p16", (672, 672))])
def test_davis_is_seen_through_a_larger_window(model, target):
    path = str(GOLDEN / f"{model}.pth")
    davis = open_dataset(GOLDEN / "tiny_datasets" / "DAVIS", "davis")
    predictors = predictors_for(
        path, zoo.load(path), options_for(path, presets=("paper", "interactive")), "cpu"
    )

    for method, predictor in predictors.items():
        larger = for_set(predictor, method, davis.window_scale)
        if method.preset == "paper":
            assert larger.settings.zoom.target == target
        else:
            assert larger is predictor
    paper = Method(path, "paper", "std")
    larger = for_set(predictors[paper], paper, davis.window_scale)
    clicks = Clicks([Click(20, 30)])
    first = larger.predict(blobs(0)[0], clicks).probabilities.full()
    usual = predictors[paper].predict(blobs(0)[0], clicks).probabilities.full()
    assert first.shape == (72, 96)
    assert (model == "g_hrnet_w4s") == np.array_equal(first, usual)


def test_other_sets_keep_the_window():
    grabcut = open_dataset(GOLDEN / "tiny_datasets" / "GrabCut", "grabcut")
    predictors = predictors_for(
        str(TINY_MODEL), zoo.load(TINY_MODEL), options_for(TINY_MODEL), "cpu"
    )

    for method, predictor in predictors.items():
        assert for_set(predictor, method, grabcut.window_scale) is predictor
