from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import DeviceError, InputError, SettingsError
from napari_cfr_icl.engine.runtime.distributed import threads
from napari_cfr_icl.training.options import (
    ClickOptions,
    DataOptions,
    IclOptions,
    OptimizerOptions,
    ScheduleOptions,
    SuemOptions,
    TrainOptions,
    ValidationOptions,
)
from napari_cfr_icl.training.recipes import load_recipe
from napari_cfr_icl.training.runs import loop
from napari_cfr_icl.training.runs.run_folder import read_events
from napari_cfr_icl.training.steps import step
from napari_cfr_icl.zoo.format import read_info
from training_collections import write_collection
from training_goldens import GOLDEN

TINY = TrainOptions(
    base=str(GOLDEN / "g_hrnet_w4s.pth"),
    checkpoint_every=2,
    data=DataOptions(side=48, min_area=20, min_side=24),
    clicks=ClickOptions(centre_start=0.5, max_clicks=4),
    suem=SuemOptions(place=0.2, scale=0.3),
    optimizer=OptimizerOptions(rate=3e-3, dropout=True),
    schedule=ScheduleOptions(steps=4, batch=4, micro_batch=2, precision="float32"),
    validation=ValidationOptions(every=0),
)
CLICKED = ValidationOptions(
    every=2,
    objects=2,
    max_clicks=2,
    min_area=20,
    preset=str(GOLDEN.parent / "training" / "small_window.json"),
)
KILLS = int(os.environ.get("NAPARI_CFR_ICL_TRAINING_KILLS", "1"))
"""How many times a run is killed before it may end."""

_PLAIN = replace(
    TINY,
    optimizer=replace(TINY.optimizer, dropout=False),
    schedule=replace(TINY.schedule, steps=2),
)
TOGETHER = {
    "together": _PLAIN,
    # The first step has two of the three outputs.
    "together, the last output not trained": replace(
        _PLAIN, icl=IclOptions(weights=(1.0, 0.0, 3.0))
    ),
}
"""Options of runs that two processes share."""

OFTEN_KILLED = replace(TINY, schedule=replace(TINY.schedule, steps=4 * KILLS), validation=CLICKED)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("data") / "cells", 5)


@pytest.fixture(scope="module")
def whole(cells, tmp_path_factory):
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    loop.main(replace(TINY, validation=CLICKED), [cells], out, "cpu")
    return out


def _run(cells, out, options=TINY, listener=None):
    outcome = loop.main(options, [cells], out, "cpu", listener)
    return outcome, _last(out)


def _last(out):
    newest = sorted((out / "checkpoints").glob("*.pt"))[-1]
    return torch.load(newest, weights_only=True)["model"]


def _same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def _distance(one, other):
    """How far two trained networks lie apart, over how far training took them."""
    base = zoo.load(TINY.base).state_dict()

    def length(first, second):
        return sum((first[name] - second[name]).square().sum() for name in learned).sqrt()

    learned = [name for name, value in base.items() if not torch.equal(value, one[name])]
    return (length(one, other) / length(one, base)).item()


def _events(out, kind):
    return [event for event in read_events(out) if event["event"] == kind]


def test_a_run_leaves_a_model_with_its_record(whole, cells):
    info = read_info(whole / "model.safetensors")
    assert info.training["base"] == "g_hrnet_w4s"
    assert info.training["options"]["schedule"]["steps"] == 4
    assert info.training["collections"][0]["name"] == "cells"
    assert info.trained_on == "cells"
    best = torch.load(whole / "best.pt", weights_only=True)
    assert info.training["steps"] == best["step"]
    assert _same(dict(zoo.load(whole / "model.safetensors").state_dict()), best["weights"])


def test_every_record_names_the_arithmetic(cells, tmp_path):
    schedule = replace(TINY.schedule, steps=1, precision="auto")
    out = tmp_path / "run"
    loop.main(replace(TINY, schedule=schedule), [cells], out, "cpu")
    kept = load_recipe(out / "config.toml")
    told = read_info(out / "model.safetensors").training["options"]
    assert kept.schedule.precision == told["schedule"]["precision"] == "float32"
    assert kept.validation.precision == told["validation"]["precision"] == "float32"


def test_a_run_tells_what_it_does(whole):
    steps = _events(whole, "step")
    assert [event["step"] for event in steps] == [1, 2, 3, 4]
    for event in steps:
        assert len(event["losses"]) == len(event["weights"])
        weighted = sum(w * x for w, x in zip(event["weights"], event["losses"], strict=True))
        assert event["loss"] == pytest.approx(weighted)
        assert event["images_per_second"] > 0
    assert [event["step"] for event in _events(whole, "held_out")] == [0, 2, 4]
    told = [event["text"] for event in _events(whole, "clicked")]
    assert told[0].startswith("Clicking held-out objects with the base model: 0 of ")
    assert any(text.startswith("Comparing with the base model") for text in told)
    status = json.loads((whole / "status.json").read_text())
    assert (status["state"], status["step"]) == ("finished", 4)
    assert (whole / "curves.png").stat().st_size > 1000
    assert len(list((whole / "samples").glob("*.png"))) == 3


def test_the_network_learns(cells, tmp_path):
    schedule = replace(TINY.schedule, steps=24, batch=6, micro_batch=6)
    quick = replace(
        TINY,
        schedule=schedule,
        suem=SuemOptions(0, 0, 0),
        optimizer=OptimizerOptions(rate=1e-2),
        checkpoint_every=0,
    )
    _run(cells, tmp_path / "run", quick)
    losses = [event["losses"][0] for event in _events(tmp_path / "run", "step")]
    assert sum(losses[-6:]) < 0.6 * sum(losses[:6])


def test_a_stopped_run_resumes_to_the_same_weights(cells, whole, tmp_path, monkeypatch):
    """In a folder that is named from where one stands, as people do."""
    monkeypatch.chdir(tmp_path)
    out = Path("run")

    def stop_after_one(event):
        if event["event"] == "step" and event["step"] == 1:
            (out / "stop").touch()

    options = replace(TINY, validation=CLICKED)
    outcome, _ = _run(cells, out, options, stop_after_one)
    assert not outcome.finished
    assert json.loads((out / "status.json").read_text())["state"] == "stopped"
    outcome, weights = _run(cells, out, None)
    assert outcome.finished
    assert _same(weights, _last(whole))
    assert (out / "model.safetensors").read_bytes()[-5000:] == (
        whole / "model.safetensors"
    ).read_bytes()[-5000:]


def test_a_killed_run_resumes_to_the_same_weights(cells, tmp_path):
    """Killed with one thread and resumed where there are more: as if nothing had happened."""
    out, undisturbed, last = tmp_path / "run", tmp_path / "undisturbed", 4 * KILLS - 1
    for moment in [*sorted(random.Random(0).sample(range(1, last), KILLS - 1)), last]:
        killed = _in_other_process(cells, out, str(moment))
        assert killed.returncode == -signal.SIGKILL
        assert [event["step"] for event in _events(out, "step")] == list(range(1, moment + 1))
    assert _in_other_process(cells, undisturbed, "never").returncode == 0
    with threads(os.cpu_count()):
        _, weights = _run(cells, out, None)
        assert torch.get_num_threads() == os.cpu_count()
    assert _same(weights, _last(undisturbed))


@pytest.mark.parametrize("last_is_trained", [True, False])
def test_two_processes_give_what_one_gives(cells, tmp_path, last_is_trained):
    how = "together" if last_is_trained else "together, the last output not trained"
    _, alone = _run(cells, tmp_path / "one", TOGETHER[how])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [*command, __file__, str(cells), str(tmp_path / "two"), how],
        check=True,
        env=_environment(),
        capture_output=True,
    )
    together = _last(tmp_path / "two")
    # Adam's first steps go by the sign of a gradient, so a few that are all but zero may differ.
    assert _distance(alone, together) < 0.02


def test_memory_that_runs_out_makes_smaller_bites_of_the_same_step(cells, tmp_path, monkeypatch):
    options = replace(TINY, schedule=replace(TINY.schedule, steps=1, micro_batch=4))
    options = replace(options, optimizer=replace(options.optimizer, dropout=False))
    gradients = step.Stepper.gradients

    def tight(self, number, micro_batch):
        if micro_batch > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return gradients(self, number, micro_batch)

    _, roomy = _run(cells, tmp_path / "roomy", options)
    monkeypatch.setattr(step.Stepper, "gradients", tight)
    _, cramped = _run(cells, tmp_path / "cramped", options)
    assert _distance(roomy, cramped) < 0.02
    assert "now 1 samples" in _events(tmp_path / "cramped", "trouble")[-1]["text"]


def test_memory_that_never_suffices_is_said(cells, tmp_path, monkeypatch):
    def never(self, number, micro_batch):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(step.Stepper, "gradients", never)
    with pytest.raises(DeviceError, match="even with 1 samples"):
        _run(cells, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"


def test_gradients_that_are_no_numbers_change_nothing_and_end_the_run(cells, tmp_path, monkeypatch):
    def poisoned(self, number, micro_batch):
        parameter = next(p for p in self.model.parameters() if p.requires_grad)
        parameter.grad = torch.full_like(parameter, float("nan"))
        return step.StepResult([float("nan")], (1.0,))

    monkeypatch.setattr(step.Stepper, "gradients", poisoned)
    options = replace(TINY, schedule=replace(TINY.schedule, steps=50))
    with pytest.raises(SettingsError, match=r"10 steps in a row .* lower optimizer\.rate"):
        _run(cells, tmp_path / "run", options)
    base = zoo.load(TINY.base).state_dict()
    assert _same(_last(tmp_path / "run"), base)


def test_patience_ends_a_run_that_gets_no_better(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(loop.held_out, "score", lambda curves, options: 3.0)
    options = replace(TINY, validation=replace(CLICKED, every=1, patience=2))
    outcome, _ = _run(cells, tmp_path / "run", options)
    assert outcome.finished
    assert [event["step"] for event in _events(tmp_path / "run", "step")] == [1, 2]
    assert _events(tmp_path / "run", "finished")[0]["best_step"] == 0


def test_changed_pictures_are_noticed_before_going_on(tmp_path):
    cells, out = write_collection(tmp_path / "cells", 3), tmp_path / "run"
    _run(cells, out, replace(TINY, schedule=replace(TINY.schedule, steps=1)))
    (cells / "labels" / "0.tif").unlink()
    with pytest.raises(InputError, match="cells has changed"):
        loop.main(None, [], out, "cpu")


@pytest.mark.parametrize("base", ["g_hrnet_w4s", "g_vit_d12_p16"])
def test_activations_computed_twice_change_nothing(cells, tmp_path, base):
    side = 48 if "hrnet" in base else 224
    options = replace(
        TINY,
        base=str(GOLDEN / f"{base}.pth"),
        data=replace(TINY.data, side=side),
        schedule=replace(TINY.schedule, steps=1, batch=1),
    )
    _, plain = _run(cells, tmp_path / "plain", options)
    schedule = replace(options.schedule, checkpointing=True)
    _, twice = _run(cells, tmp_path / "twice", replace(options, schedule=schedule))
    assert _same(twice, plain)


def _environment():
    support = str(Path(__file__).parents[2] / "support")
    path = os.pathsep.join([support, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _in_other_process(cells, out, how):
    command = [sys.executable, __file__, str(cells), str(out), how]
    return subprocess.run(command, check=False, env=_environment())


def _other_process(cells, out, how):
    """Run in a process of its own: one that kills itself after a step, or never; or one of two."""
    if how in TOGETHER:
        loop.main(TOGETHER[how], [Path(cells)], Path(out), "cpu")
        return

    def kill(event):
        if event["event"] == "step" and str(event["step"]) == how:
            os.kill(os.getpid(), signal.SIGKILL)

    begun = (Path(out) / "config.toml").exists()
    loop.main(None if begun else OFTEN_KILLED, [Path(cells)], Path(out), "cpu", kill)


if __name__ == "__main__":
    _other_process(*sys.argv[1:])
