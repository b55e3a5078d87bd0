from __future__ import annotations

import csv
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from blob_dataset import TINY_MODEL, blobs, write_blobs, write_settings
from napari_cfr_icl import zoo
from napari_cfr_icl._errors import InputError, ModelFileError, OutputError, SettingsError
from napari_cfr_icl.engine import Predictor
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.datasets.dataset import Dataset, Picture, objects_of_labels
from napari_cfr_icl.evaluation.protocol.options import (
    DatasetChoice,
    EvaluateOptions,
    Protocol,
    SampleOptions,
)
from napari_cfr_icl.evaluation.protocol.settings_file import load_settings
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.evaluation.run import evaluate

# What has to be the same however a run was split and interrupted.
TABLES = ("objects.csv", "summary.json", "table3.md", "table3.csv", "report.md")

SCRIPT = """
import sys
from pathlib import Path
from napari_cfr_icl.evaluation.protocol.options import *
from napari_cfr_icl.evaluation.run import evaluate
data, out, model, preset = sys.argv[1:]
evaluate(
    EvaluateOptions((DatasetChoice(Path(data)),), Path(out), (model,), ("std", "cfr-1"), (preset,),
                    Protocol(max_clicks=3), device="cpu", worst=0),
    lambda step: print(step.result.subject.index, flush=True),
)
"""


@pytest.fixture
def data(tmp_path):
    return write_blobs(tmp_path / "blobs")


@pytest.fixture
def preset(tmp_path):
    return str(write_settings(tmp_path / "tiny.json"))


def options_for(data, preset, out, **changes):
    given = {
        "models": (str(TINY_MODEL),),
        "schemes": ("std", "cfr-1"),
        "presets": (preset,),
        "protocol": Protocol(max_clicks=3),
        "device": "cpu",
        "worst": 2,
    }
    return EvaluateOptions((DatasetChoice(data),), out, **{**given, **changes})


def environment():
    # one thread each: sums in another order would differ in the last digit
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def start(data, preset, out, *launcher):
    arguments = [str(data), str(out), str(TINY_MODEL), preset]
    return subprocess.Popen(
        [sys.executable, *launcher, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def tables(out):
    return {name: (out / name).read_bytes() for name in TABLES}


def lines(out):
    parts = sorted((out / "records").iterdir())
    return [line for path in parts for line in path.read_text().splitlines()]


def test_every_object_is_clicked_as_by_hand(data, preset, tmp_path):
    records = evaluate(options_for(data, preset, tmp_path / "out"))

    assert [(r.method.scheme, r.subject.picture, r.subject.object) for r in records] == [
        (scheme, f"{picture}.png", str(label))
        for scheme in ("std", "cfr-1")
        for picture in range(4)
        for label in (1, 2)
    ]
    settings = load_settings(Path(preset)).with_inference("cfr-1")
    predictor = Predictor(zoo.load(TINY_MODEL), settings, device="cpu")
    picture, labels = blobs(2)
    by_hand = simulate(
        predictor,
        ImageSource.of(picture),
        (labels == 2).astype(np.int8),
        RobotUser(),
        Protocol(max_clicks=3),
    )
    key = ("cfr-1", "blobs/2.png/2")
    (record,) = (r for r in records if (r.method.scheme, r.subject.name) == key)
    assert [np.float32(value) for value in record.ious] == [np.float32(c.iou) for c in by_hand]
    assert record.clicks == tuple(c.click for c in by_hand)
    assert record.passes == (2,) * len(by_hand)


def test_report_says_everything(data, preset, tmp_path):
    out = tmp_path / "out"
    records = evaluate(options_for(data, preset, out))

    with (out / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(records) == 16
    summary = json.loads((out / "summary.json").read_text())["results"]
    assert [entry["method"]["scheme"] for entry in summary] == ["std", "cfr-1"]
    mean = np.mean([float(row["noc90"]) for row in rows if row["scheme"] == "cfr-1"])
    assert summary[1]["noc"]["90"]["mean"] == pytest.approx(mean)
    nocs = {"NoC@80", "NoC@85", "NoC@90", "NoC@95"}
    assert set(summary[1]["against_std"]) == nocs | {"IoU@1", "IoU@3"}
    run = json.loads((out / "run.json").read_text())
    assert run["run"]["protocol"]["max_clicks"] == 3
    assert len(run["run"]["models"][str(TINY_MODEL)]) == 64
    assert {"torch", "threads", "processes"} < set(run["environment"])
    assert (out / "table3.md").read_text().splitlines()[0] == "|  | blobs NoC@90 | blobs NoC@95 |"
    assert "ms per pass" in (out / "timings.md").read_text()
    drawn = {path.name for path in [*out.iterdir(), *(out / "plots").iterdir()]}
    assert {"blobs-iou.png", "blobs-iou.svg", "blobs-noc.svg", "blobs-passes.png"} < drawn
    assert any(name.startswith("worst-blobs") for name in drawn)


def test_finished_run_repeats_nothing(data, preset, tmp_path):
    options = options_for(data, preset, tmp_path / "out")
    first = evaluate(options)
    seen = []

    again = evaluate(options, seen.append)

    assert seen == []
    assert again == first


def test_progress_counts_up_and_tells_the_time_left(data, preset, tmp_path):
    steps = []
    evaluate(options_for(data, preset, tmp_path / "out"), steps.append)

    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert steps[0].seconds_left is None
    assert steps[1].seconds_left > 0
    assert steps[-1].seconds_left == 0


@pytest.mark.slow
def test_killed_run_goes_on_where_it_was(data, preset, tmp_path):
    finish(start(data, preset, tmp_path / "whole", "-c", SCRIPT))
    out = tmp_path / "killed"
    for objects_done in (1, 5, 6):
        process = start(data, preset, out, "-c", SCRIPT)
        for _ in range(objects_done):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    finish(start(data, preset, out, "-c", SCRIPT))

    assert tables(out) == tables(tmp_path / "whole")
    assert len(lines(out)) == len(lines(tmp_path / "whole")) == 16


@pytest.mark.slow
def test_two_processes_give_the_tables_of_one(data, preset, tmp_path):
    finish(start(data, preset, tmp_path / "one", "-c", SCRIPT))
    script = tmp_path / "evaluate_blobs.py"
    script.write_text(SCRIPT)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    finish(start(data, preset, tmp_path / "two", *launcher, str(script)))

    assert tables(tmp_path / "two") == tables(tmp_path / "one")
    parts = sorted((tmp_path / "two" / "records").iterdir())
    assert [len(path.read_text().splitlines()) for path in parts] == [8, 8]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"protocol": Protocol(max_clicks=4)}, "protocol"),
        ({"schemes": ("std",)}, "settings"),
        ({"sample": SampleOptions(pictures=1)}, "sample"),
    ],
    ids=["clicks", "schemes", "sample"],
)
def test_folder_of_another_run_is_refused(data, preset, tmp_path, changes, name):
    evaluate(options_for(data, preset, tmp_path / "out", worst=0, sample=SampleOptions(2, 1)))

    with pytest.raises(OutputError, match=f"with other {name}"):
        evaluate(
            options_for(
                data, preset, tmp_path / "out", **{"sample": SampleOptions(2, 1), **changes}
            )
        )


def test_one_picture_is_in_memory_at_a_time(preset, tmp_path, monkeypatch):
    alive = weakref.WeakSet()
    most = []

    class Pixels(np.ndarray):
        pass

    def read(number):
        gc.collect()
        pixels = blobs(number)[0].view(Pixels)
        alive.add(Tracked(pixels))
        return pixels

    class Tracked:
        def __init__(self, pixels):
            pixels.tracker = self

    pictures = [
        Picture(str(n), lambda n=n: read(n), lambda n=n: objects_of_labels(blobs(n)[1]))
        for n in range(6)
    ]
    monkeypatch.setattr(
        "napari_cfr_icl.evaluation.run.open_datasets",
        lambda *_: [Dataset("made up", tmp_path, pictures)],
    )
    options = options_for(tmp_path, preset, tmp_path / "out", worst=0)

    evaluate(options, lambda _: most.append(len(alive)))

    assert len(most) == 24
    assert max(most) <= 2


def test_each_model_is_loaded_once_and_let_go(data, preset, tmp_path, monkeypatch):
    loaded, alive, real = [], weakref.WeakSet(), zoo.load

    def load(name, *rest):
        gc.collect()
        assert not alive
        network = real(name, *rest)
        loaded.append(str(name))
        alive.add(network)
        return network

    monkeypatch.setattr(zoo, "load", load)
    models = [str(shutil.copy(TINY_MODEL, tmp_path / f"{name}.pth")) for name in ("one", "two")]
    options = options_for(data, preset, tmp_path / "out", models=tuple(models))

    records = evaluate(options)

    assert loaded == models
    gc.collect()
    assert not alive
    assert {record.method.model for record in records} == set(models)
    drawn = [path.name for path in options.out.iterdir() if path.name.startswith("worst-blobs")]
    assert len(drawn) == 2
    assert evaluate(options) == records


def test_a_missing_model_is_told_before_the_first_is_evaluated(data, preset, tmp_path):
    options = options_for(data, preset, tmp_path / "out", models=(str(TINY_MODEL), "none.pth"))
    with pytest.raises(ModelFileError, match=r"no file none\.pth"):
        evaluate(options)
    assert not options.out.exists()


def test_a_run_with_another_second_model_is_refused(data, preset, tmp_path):
    second = tmp_path / "second.pth"
    shutil.copy(TINY_MODEL, second)
    options = options_for(data, preset, tmp_path / "out", models=(str(TINY_MODEL), str(second)))
    evaluate(options)
    content = torch.load(second, weights_only=True)
    next(iter(content["state_dict"].values())).mul_(1.5)
    torch.save(content, second)

    with pytest.raises(OutputError, match="with other models"):
        evaluate(options)


def test_labels_of_another_size_are_named(preset, tmp_path, monkeypatch):
    labels = blobs(0)[1][:-1]
    picture = Picture("a.png", lambda: blobs(0)[0], lambda: objects_of_labels(labels))
    monkeypatch.setattr(
        "napari_cfr_icl.evaluation.run.open_datasets",
        lambda *_: [Dataset("made up", tmp_path, [picture])],
    )

    with pytest.raises(InputError, match=r"a\.png of made up is 72 x 96 .* object 1 71 x 96"):
        evaluate(options_for(tmp_path, preset, tmp_path / "out"))


def test_data_without_objects_are_no_result(data, preset, tmp_path):
    options = options_for(data, preset, tmp_path / "out", reader=ReaderOptions(min_area=10**6))

    with pytest.raises(InputError, match="no object to click"):
        evaluate(options)


def test_two_data_sets_of_one_name_are_refused(data, preset, tmp_path):
    other = write_blobs(tmp_path / "more" / "blobs")
    choices = (DatasetChoice(data), DatasetChoice(other))
    options = EvaluateOptions(choices, tmp_path / "out", (str(TINY_MODEL),), presets=(preset,))

    with pytest.raises(SettingsError, match="Two data sets are called 'blobs'"):
        evaluate(options)


def test_that_no_picture_fits_is_found_out_before_a_model_is_loaded(tmp_path, data, preset):
    for path in (data / "labels").iterdir():
        labels = np.zeros((5, 7), np.uint8)
        labels[1:3, 1:3] = 1
        tifffile.imwrite(path, labels)
    heard = []
    options = EvaluateOptions(
        (DatasetChoice(data),), tmp_path / "out", ("no model at all",), ("std",), (preset,)
    )
    with pytest.raises(InputError, match="No picture with objects could be read"):
        evaluate(options, on_skipped=heard.append)
    assert len(heard) == len(list((data / "labels").iterdir()))
    assert not (tmp_path / "out").exists()
