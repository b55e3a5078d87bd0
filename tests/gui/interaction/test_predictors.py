"""Predictors are made from models, whose files are read no more than needed."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine import Click
from napari_cfr_icl.gui.interaction.predictors import EngineChoice, PredictorMaker
from napari_cfr_icl.session.preferences import Preferences
from napari_cfr_icl.zoo.catalog import CATALOGUE

MODEL = "cfr-icl-mobilesam"


def test_the_file_of_a_model_is_hashed_once(monkeypatch):
    hashed = []

    def digest(stream, name, real=hashlib.file_digest):
        hashed.append(stream.name)
        return real(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", digest)
    maker = PredictorMaker()
    maker(EngineChoice.of(Preferences(model=MODEL, device="cpu")))
    assert len(hashed) == 1
    assert maker.record.sha256 == CATALOGUE[MODEL].sha256


def test_a_model_that_did_not_fit_a_gpu_is_whole_again_on_the_processor(monkeypatch):
    from napari_cfr_icl.engine import predictor

    made = predictor.Predictor

    def filling_up(model, settings, device):
        if device == "cpu":
            return made(model, settings, device)
        for weight in model.parameters():
            weight.data = weight.data[:0]
        raise DeviceError("out of memory")

    monkeypatch.setattr(predictor, "Predictor", filling_up)
    maker = PredictorMaker()
    maker(EngineChoice.of(Preferences(model=MODEL, device="cpu")))
    with pytest.raises(DeviceError, match="out of memory"):
        maker(EngineChoice.of(Preferences(model=MODEL, device="cuda")))
    whole = maker(EngineChoice.of(Preferences(model=MODEL, device="cpu")))
    assert whole.predict(np.zeros((64, 64), np.uint8), [Click(30, 30)]).probabilities.values.size


@pytest.mark.parametrize(
    ("inference", "steps"), [("", 1), ("cfr-3", 3), ("std", 0)], ids=["preset", "cfr-3", "std"]
)
def test_refining_every_click_refines_where_the_preset_would_not(inference, steps):
    chosen = Preferences(preset="paper", inference=inference, every_click=True)
    refinement = EngineChoice.of(chosen).settings_for(None).refinement
    assert (refinement.steps, refinement.first_clicks) == (steps, None)
