"""Predictors are made from models, whose files are read no more than needed."""

from __future__ import annotations

import hashlib

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
