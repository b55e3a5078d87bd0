from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import tifffile

import command_line
from napari_cfr_icl.training.recipes import parse
from napari_cfr_icl.training.runs.progress import Bar
from napari_cfr_icl.training.runs.run_folder import read_events
from training_collections import SHAPE, write_collection
from training_goldens import GOLDEN

TINY = (
    "data.side=48 data.min_area=20 schedule.steps=2 schedule.batch=2 validation.every=1 "
    "validation.objects=2 validation.max_clicks=1 validation.min_area=20 validation.gate_objects=4 "
    f"schedule.precision=float32 validation.preset={GOLDEN.parent}/training/small_window.json"
).split()


def _invoke(*words):
    return command_line.run("train", *words)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("data") / "cells", 5)


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    values = [word for value in TINY for word in ("--set", value)]
    base = GOLDEN / "g_hrnet_w4s.pth"
    # Resuming has to know where the images were, too.
    given = cells / "labels", "--images", cells / "images"
    return out, _invoke(*given, "--base", base, "--out", out, *values)


def test_one_command_trains_measures_and_compares(trained):
    out, result = trained
    assert f"The model is {out / 'model.safetensors'}" in result.output.replace("\n", "")
    kinds = [event["event"] for event in read_events(out)]
    assert kinds.count("held_out") == 3
    assert kinds[-2:] == ["gate", "finished"]
    report = (out / "gate" / "report.md").read_text()
    assert report.count("| all |") == 3
    verdict = json.loads((out / "gate" / "verdict.json").read_text())
    assert verdict["sentence"] in report
    assert list((out / "tensorboard").iterdir())


def test_memory_is_asked_for_in_large_pages_unless_somebody_chose(monkeypatch, tmp_path):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    for chosen in ("0", None):
        if chosen is None:
            monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
        assert _invoke(tmp_path / "nothing", "--out", tmp_path / "run").exit_code == 2
        assert os.environ["THP_MEM_ALLOC_ENABLE"] == (chosen or "1")


def test_a_finished_run_can_be_resumed_and_says_the_same(trained):
    out, _ = trained
    before = (out / "gate" / "verdict.json").read_text()
    _invoke("--resume", "--out", out)
    assert (out / "gate" / "verdict.json").read_text() == before


def test_ctrl_c_finishes_the_step_and_saves_it(cells, tmp_path, monkeypatch):
    def interrupt(bar, event):
        if event["event"] == "step":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Bar, "hear", interrupt)
    values = [word for value in (*TINY, "validation.every=0") for word in ("--set", value)]
    base, out = GOLDEN / "g_hrnet_w4s.pth", tmp_path / "run"
    result = _invoke(cells, "--base", base, "--out", out, *values)
    assert "go on with: napari-cfr-icl train --resume" in result.output
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-0000001.pt"]
    assert not (out / "model.safetensors").exists()


def test_check_names_the_file_and_the_trouble(cells, tmp_path):
    broken = write_collection(tmp_path / "broken", 2)
    tifffile.imwrite(broken / "labels" / "1.tif", np.zeros(SHAPE, np.uint8))
    result = _invoke("check", cells, broken, "--page", tmp_path / "page")
    assert result.exit_code == 0
    assert "cells: 5 usable pictures" in result.output
    assert "error: 1.tif: nothing is labelled" in result.output
    page = (tmp_path / "page" / "broken" / "check.md").read_text()
    assert "error: **1.tif**: nothing is labelled" in page
    assert (tmp_path / "page" / "cells" / "pictures.png").stat().st_size > 1000


def test_options_can_be_changed_and_given_back(tmp_path):
    text = _invoke("options", "--config", "finetune").output
    assert parse(text).schedule.batch == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x"], "at least one collection"),
        (["cells", "--resume", "--out", "x"], "knows its collections"),
        (["--images", "raw", "--resume", "--out", "x"], "knows its collections"),
        (["--resume", "--out", "nowhere"], "no run that could be resumed"),
        (["nowhere"], "no collection at nowhere"),
        (["nowhere", "--set", "steps=3"], "no option steps"),
        (["nowhere", "--config", "mine"], "is no recipe"),
        (["check", "nowhere"], "no collection at nowhere"),
        (["use", "nowhere"], "no finished run"),
    ],
)
def test_mistakes_are_one_sentence(words, message):
    result = _invoke(*words)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr
