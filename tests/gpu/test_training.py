"""Training on the GPU learns what it learns on a processor, alone or two processes on one GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.runtime.device import pick_device
from napari_cfr_icl.training.options import (
    ClickOptions,
    DataOptions,
    OptimizerOptions,
    ScheduleOptions,
    SuemOptions,
    TrainOptions,
    ValidationOptions,
)
from napari_cfr_icl.training.runs import loop
from napari_cfr_icl.training.runs.run_folder import read_events
from napari_cfr_icl.training.steps.precision import precision_on
from training_collections import write_collection
from training_goldens import GOLDEN

pytestmark = pytest.mark.gpu

TINY = TrainOptions(
    base=str(GOLDEN / "g_hrnet_w4s.pth"),
    checkpoint_every=2,
    data=DataOptions(side=48, min_area=20, min_side=24),
    clicks=ClickOptions(centre_start=0.5, max_clicks=4),
    suem=SuemOptions(place=0.2, scale=0.3),
    optimizer=OptimizerOptions(rate=3e-3),
    schedule=ScheduleOptions(steps=4, batch=4, micro_batch=2, precision="float32"),
    validation=ValidationOptions(every=0, gate_objects=0),
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("data") / "cells", 5)


@pytest.fixture(scope="module")
def on_cpu(cells, tmp_path_factory):
    out = tmp_path_factory.mktemp("cpu") / "run"
    loop.main(TINY, [cells], out, "cpu")
    return out


def train(options, cells, out, device, listener=None):
    outcome = loop.main(options, [cells], out, str(device), listener)
    return outcome, last(out)


def last(out):
    newest = sorted((out / "checkpoints").glob("*.pt"))[-1]
    return torch.load(newest, map_location="cpu", weights_only=True)["model"]


def events(out, kind):
    return [event for event in read_events(out) if event["event"] == kind]


def distance(one, other):
    """How far two trained networks lie apart, over how far training took them."""
    base = zoo.load(TINY.base).state_dict()
    learned = [name for name, value in base.items() if not torch.equal(value, one[name])]

    def length(first, second):
        return sum((first[name] - second[name]).square().sum() for name in learned).sqrt()

    return (length(one, other) / length(one, base)).item()


def test_a_step_has_the_same_losses(cells, on_cpu, device, tmp_path):
    train(TINY, cells, tmp_path / "run", device)
    for here, there in zip(events(on_cpu, "step"), events(tmp_path / "run", "step"), strict=True):
        # A pixel that augmentation rounds the other way may move a click by a pixel.
        assert there["losses"] == pytest.approx(here["losses"], rel=2e-3 * here["step"] ** 2)


def test_a_step_in_bfloat16_has_nearly_the_same_losses(cells, on_cpu, device, tmp_path):
    schedule = replace(TINY.schedule, steps=1, precision="bfloat16")
    train(replace(TINY, schedule=schedule), cells, tmp_path / "run", device)
    here, there = events(on_cpu, "step")[0], events(tmp_path / "run", "step")[0]
    assert there["losses"] == pytest.approx(here["losses"], rel=0.05)


def test_bfloat16_is_chosen_where_the_gpu_has_it(device):
    if device.type != "cuda":
        pytest.skip("about what a GPU has")
    has_it = torch.cuda.get_device_capability(device) >= (8, 0)
    assert precision_on(device) == (torch.bfloat16 if has_it else torch.float32)


@pytest.mark.parametrize("first", ["gpu", "cpu"])
def test_a_run_goes_on_on_another_device(first, cells, on_cpu, device, tmp_path):
    out = tmp_path / "run"
    places = [device, "cpu"] if first == "gpu" else ["cpu", device]

    def stop_after_two(event):
        if event["event"] == "step" and event["step"] == 2:
            (out / "stop").touch()

    outcome, _ = train(TINY, cells, out, places[0], stop_after_two)
    assert not outcome.finished
    outcome, weights = train(None, cells, out, places[1])
    assert outcome.finished
    assert [event["step"] for event in events(out, "step")] == [1, 2, 3, 4]
    assert distance(last(on_cpu), weights) < 0.1


def test_two_processes_share_the_gpu(cells, on_cpu, device, tmp_path):
    support = str(Path(__file__).parents[1] / "support")
    paths = [support, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    finished = subprocess.run(
        [*command, __file__, str(cells), str(tmp_path / "two"), str(device)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
    )
    assert finished.returncode == 0, finished.stderr
    assert distance(last(on_cpu), last(tmp_path / "two")) < 0.1


def test_memory_that_runs_out_makes_smaller_bites_of_the_same_step(cells, memory, device, tmp_path):
    data = replace(TINY.data, side=512)
    schedule = replace(TINY.schedule, steps=1, batch=8, micro_batch=8)
    options = replace(TINY, data=data, schedule=schedule)
    peak = memory.peak(partial(train, options, cells, tmp_path / "roomy", device))
    with memory.limited(0.6 * peak):
        train(options, cells, tmp_path / "cramped", device)
    assert "Out of memory: now" in events(tmp_path / "cramped", "trouble")[0]["text"]
    roomy, cramped = (events(tmp_path / name, "step")[0] for name in ("roomy", "cramped"))
    assert cramped["losses"] == pytest.approx(roomy["losses"], rel=2e-3)


def test_a_sample_that_does_not_fit_gets_one_sentence(cells, memory, device, tmp_path):
    schedule = replace(TINY.schedule, steps=1, batch=1, micro_batch=1)
    options = replace(TINY, data=replace(TINY.data, side=512), schedule=schedule)
    peak = memory.peak(partial(train, options, cells, tmp_path / "roomy", device))
    with memory.limited(peak / 4), pytest.raises(DeviceError, match="out of memory"):
        train(options, cells, tmp_path / "cramped", device)


if __name__ == "__main__":
    loop.main(TINY, [Path(sys.argv[1])], Path(sys.argv[2]), pick_device(sys.argv[3]).type)
