"""The training loop, from top to bottom: set up, main, fit.

A run can be stopped at any step and resumed: on a CPU it then ends with the same weights, bit for
bit, for all that is left to chance depends on the seed and the step alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.profiler import record_function

from napari_cfr_icl._errors import DeviceError, InputError, OutputError, SettingsError
from napari_cfr_icl.engine.runtime.device import full_float32, out_of_memory
from napari_cfr_icl.engine.runtime.distributed import joined, threads
from napari_cfr_icl.training.runs import held_out
from napari_cfr_icl.training.runs.gate import judge
from napari_cfr_icl.training.runs.plots import draw_curves, draw_samples
from napari_cfr_icl.training.runs.result import save_model
from napari_cfr_icl.training.runs.run_folder import Listener, RunFolder
from napari_cfr_icl.training.runs.setup import (
    Run,
    machine,
    read_data,
    set_up,
    with_named_precision,
)
from napari_cfr_icl.training.steps.optimizer import rate_at, seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.training.options import TrainOptions
    from napari_cfr_icl.training.runs.setup import Data
    from napari_cfr_icl.training.runs.verdict import Verdict
    from napari_cfr_icl.training.steps.step import StepResult

_MOST_SKIPPED = 10
_BEST = "best.pt"
_CLICKED_PAUSE = 2.0
"""Seconds between two counts of clicked objects."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run.

    Attributes
    ----------
    finished : bool
        False when it was stopped; it can be resumed.
    model : Path or None
        The model file, when finished.
    verdict : Verdict or None
        The gate's verdict, when there was a gate.
    """

    finished: bool
    model: Path | None = None
    verdict: Verdict | None = None


def main(
    options: TrainOptions | None,
    collections: Sequence[Path],
    out: Path,
    device: str = "auto",
    listener: Listener | None = None,
    images: Path | None = None,
) -> Outcome:
    """Begin a run, or go on with the one in the folder.

    Parameters
    ----------
    options : TrainOptions or None
        The run to begin; None goes on with the one in `out`.
    collections : sequence of Path
        The pictures; a resumed run knows its own.
    out : Path
        The run's folder.
    device : str, optional
        "auto", "cpu", "cuda", "cuda:1"; under torchrun each process takes its own GPU.
    listener : callable, optional
        Hears every event.
    images : Path, optional
        The folder of the images, where they are not beside their labels; a resumed run knows it.

    Raises
    ------
    CfrIclError
        When something cannot be used, read or written; what was done so far can be resumed.
    """
    with joined(device) as processes:
        folder = RunFolder(out, listener if processes.leads else None)
        if options is not None:
            tell = _note(folder, processes)
            data = read_data(collections, options, processes.device, tell, images)
            return _fit_or_explain(_begun(options, data, folder, processes))
        options = folder.options()
        with threads(folder.machine()["threads"]):
            return _fit_or_explain(_resumed(options, folder, processes))


def _begun(options: TrainOptions, data: Data, folder: RunFolder, processes: Distributed) -> Run:
    """A new run, before its first step; its records name the arithmetic that "auto" stands for."""
    options = with_named_precision(options, processes.device)
    run = set_up(options, data, folder, processes)
    if processes.leads:
        folder.begin(options, data.description, machine(processes))
    return run


def _resumed(options: TrainOptions, folder: RunFolder, processes: Distributed) -> Run:
    """The run in the folder, as its newest checkpoint has it."""
    known = folder.data()
    collections = [Path(part["path"]) for part in known["collections"]]
    images = Path(known["images"]) if known.get("images") else None
    data = read_data(collections, options, processes.device, _note(folder, processes), images)
    run = set_up(options, data, folder, processes)
    _check_same_data(run)
    _restore(run)
    return run


def _fit_or_explain(run: Run) -> Outcome:
    try:
        return fit(run)
    except (Exception, KeyboardInterrupt) as error:
        if run.processes.leads and run.folder.has_run:
            why = str(error) or "interrupted"
            run.folder.event("failed", text=why)
            run.folder.status("failed", step=run.state.step, text=why)
        raise


def fit(run: Run) -> Outcome:
    """Train to the end, or until somebody wants it to stop."""
    state, options = run.state, run.options
    steps, started, first = options.schedule.steps, time.monotonic(), run.state.step
    _event(run, "begin", step=state.step, steps=steps, micro_batch=state.micro_batch)
    if state.step == 0:
        validate(run)
    while state.step < steps:
        result, seconds = one_step(run)
        state.step += 1
        pace = (time.monotonic() - started) / (state.step - first)
        _report_step(run, result, seconds, left=pace * (steps - state.step))
        if _due(state.step, options.validation.every, steps):
            validate(run)
        if run.processes.agree(run.folder.stop_wanted) or _out_of_patience(run):
            break
        if state.step < steps and _due(state.step, options.checkpoint_every, steps):
            checkpoint(run)
    checkpoint(run)
    if state.step < steps and not _out_of_patience(run):
        return _stopped(run)
    return finish(run)


def one_step(run: Run) -> tuple[StepResult, float]:
    """One update of the weights, with as many samples at once as memory allows."""
    state, options, begun = run.state, run.options, time.perf_counter()
    while True:
        state.optimizer.zero_grad(set_to_none=True)
        try:
            device = run.processes.device
            with seeded(options.seed + state.step, device), full_float32(device):
                result = run.stepper.gradients(state.step, state.micro_batch)
            break
        except RuntimeError as error:
            _shrink_or_raise(run, error)
    with record_function("update"):
        _update(run)
    return result, time.perf_counter() - begun


def _update(run: Run) -> None:
    state = run.state
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, run.options.optimizer.clip or float("inf"))
    if usable := bool(torch.isfinite(norm)):
        state.skipped = 0
    else:
        state.optimizer.zero_grad(set_to_none=True)  # so that the step changes nothing
    state.optimizer.step()
    state.schedule.step()
    if usable:
        state.average.update_parameters(state.model)
    else:
        state.average.n_averaged += 1
        _skip(run)


def validate(run: Run) -> None:
    """Let the robot click the held-out objects with the averaged weights; keep the best."""
    state, options = run.state, run.options.validation
    objects = held_out.by_picture(run.held_out[: options.objects])
    if not objects or options.every == 0:
        return
    begun, weights = time.perf_counter(), state.weights()
    which = "new" if state.step else "base"
    tell = _counting(run, f"Clicking held-out objects with the {which} model", len(objects))
    clicked = held_out.click_held_out(
        run.architecture, weights, objects, options, run.processes, tell
    )
    curves = held_out.curves_of(clicked)
    score = held_out.score(curves, options)
    state.rounds_since_best += 1
    if score < state.best_score:
        state.best_score, state.best_step, state.rounds_since_best = score, state.step, 0
        if run.processes.leads:
            run.folder.save_tensors(_BEST, {"step": state.step, "weights": weights})
    facts = held_out.summary(curves, options.max_clicks)
    seconds = round(time.perf_counter() - begun, 1)
    _event(run, "held_out", step=state.step, objects=len(curves), seconds=seconds, **facts)
    _draw(run)


def checkpoint(run: Run) -> None:
    """Save everything that is needed to go on from here."""
    if run.processes.leads:
        run.folder.save_checkpoint(run.state.step, run.state.saved())


def finish(run: Run) -> Outcome:
    """Write the model and compare it with the base.

    It is the best averaged weights, or the last where nothing was measured.
    """
    state, folder, path = run.state, run.folder, None
    weights, step = state.weights(), state.step
    if run.processes.leads:
        if state.best_step >= 0:
            best = folder.read_tensors(_BEST)
            weights, step = best["weights"], best["step"]
        path = save_model(run, weights, step)
        _draw(run)
        folder.status("comparing", step=state.step, steps=state.step)
    tell = _counting(run, "Comparing with the base model on held-out objects")
    verdict = judge(run, run.processes.broadcast(weights), tell)
    if verdict is not None:
        _event(run, "gate", passed=verdict.passed, text=verdict.sentence)
    if run.processes.leads:
        if run.stepper.crops is not None:
            run.stepper.crops.remove()
        _event(run, "finished", step=state.step, best_step=step, model="model.safetensors")
        folder.status("finished", step=state.step, steps=state.step, model=str(path))
    return Outcome(True, path, verdict)


def _stopped(run: Run) -> Outcome:
    if run.processes.leads:
        run.folder.clear_stop()
        _event(run, "stopped", step=run.state.step)
        run.folder.status("stopped", step=run.state.step, steps=run.options.schedule.steps)
    return Outcome(False)


def _restore(run: Run) -> None:
    saved = run.folder.newest_checkpoint()
    if saved is None and run.folder.checkpoints():
        raise OutputError(f"No checkpoint in {run.folder.path} can be read; begin a new run.")
    if saved is not None:
        run.state.restore(saved)
    if run.processes.leads:
        run.folder.clear_stop()


def _check_same_data(run: Run) -> None:
    before = {part["name"]: part["fingerprint"] for part in run.folder.data()["collections"]}
    for part in run.data.description["collections"]:
        if before.get(part["name"]) != part["fingerprint"]:
            raise InputError(
                f"The collection {part['name']} has changed since the run began; begin a new run, "
                "with the base set to what this one has reached."
            )


def _shrink_or_raise(run: Run, error: RuntimeError) -> None:
    """Halve the micro-batch after running out of memory; the result of the step stays the same."""
    state = run.state
    if not out_of_memory(error):
        raise error
    if state.micro_batch == 1 or run.processes.size > 1:
        raise DeviceError(
            f"{run.processes.device} is out of memory even with {state.micro_batch} samples at "
            "once; lower data.side or schedule.micro_batch, or set schedule.checkpointing."
        ) from error
    state.micro_batch = (state.micro_batch + 1) // 2
    _event(run, "trouble", text=f"Out of memory: now {state.micro_batch} samples at once.")


def _skip(run: Run) -> None:
    """Leave the weights as they are after a gradient that is not finite, and go on for a while."""
    run.state.skipped += 1
    _event(run, "trouble", text=f"Step {run.state.step} gave no usable gradient and is left out.")
    if run.state.skipped >= _MOST_SKIPPED:
        raise SettingsError(
            f"{_MOST_SKIPPED} steps in a row gave no usable gradient: lower optimizer.rate (now "
            f"{run.options.optimizer.rate:g}), or set schedule.precision to float32. The weights "
            "before that are in the last checkpoint."
        )


def _out_of_patience(run: Run) -> bool:
    patience = run.options.validation.patience
    return patience > 0 and run.state.rounds_since_best >= patience


def _due(step: int, every: int, steps: int) -> bool:
    return every > 0 and (step % every == 0 or step == steps)


def _note(folder: RunFolder, processes: Distributed) -> Callable[[str], None]:
    return lambda text: folder.event("note", text=text) if processes.leads else None


def _counting(run: Run, what: str, total: int = 0) -> Callable[[int], None]:
    """Tells every other second how many objects were clicked: one can take that long."""
    of, last = (f" of {total}" if total else ""), 0.0

    def tell(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > _CLICKED_PAUSE:
            last = time.monotonic()
            _event(run, "clicked", text=f"{what}: {done}{of}")

    tell(0)
    return tell


def _draw(run: Run) -> None:
    if not run.processes.leads:
        return
    try:
        draw_curves(run.folder)
        draw_samples(run)
    except OSError as error:  # a run does not end for want of a picture
        run.folder.event("trouble", text=f"The pictures of the run are not drawn: {error}")


def _report_step(run: Run, result: StepResult, seconds: float, left: float) -> None:
    images = run.options.schedule.batch / seconds
    rate = run.options.optimizer.rate * rate_at(run.state.step - 1, run.options.schedule)
    facts = {"loss": result.total, "losses": result.losses, "weights": result.weights, "rate": rate}
    _event(run, "step", step=run.state.step, images_per_second=round(images, 2), **facts)
    if run.processes.leads:
        steps = run.options.schedule.steps
        run.folder.status("running", step=run.state.step, steps=steps, seconds_left=round(left))


def _event(run: Run, kind: str, **facts: object) -> None:
    if run.processes.leads:
        run.folder.event(kind, **facts)
