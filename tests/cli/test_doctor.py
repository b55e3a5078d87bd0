from __future__ import annotations

import platform

import numpy
import torch

from napari_cfr_icl import __version__, zoo
from napari_cfr_icl.zoo.catalog import CATALOGUE


def facts(text):
    """The names and facts of a report."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.startswith("  ")]
    return {words[0]: words[1] for words in lines}


def test_doctor_tells_what_a_bug_report_needs(run, own_models):
    result = run("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"napari-cfr-icl {__version__}\n")
    told = facts(result.stdout)
    assert told["Python"].startswith(platform.python_version())
    assert (told["torch"], told["numpy"]) == (torch.__version__.split("+")[0], numpy.__version__)
    assert "cpu" in told["available"]
    assert told["NAPARI_CFR_ICL_MODELS"] == str(own_models)
    assert {"NAPARI_CFR_ICL_CONFIG", "NAPARI_CFR_ICL_DATA"} <= told.keys()
    assert told[zoo.DEFAULT_MODEL] == "built in"
    assert told["arithmetic"].startswith("float32 on ")
    assert " ms" in told["loading"]
    assert told["waiting"]


def test_doctor_says_when_the_model_is_damaged(run, tmp_path, monkeypatch):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not a model")
    entry = CATALOGUE[zoo.DEFAULT_MODEL]
    monkeypatch.setattr(type(entry), "embedded_path", damaged)
    result = run("doctor")
    assert result.exit_code == 1
    assert "changed or damaged" in facts(result.stdout)["fails"]
    assert "Traceback" not in result.output
