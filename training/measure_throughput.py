"""Images per second of a training step, and where the time goes.

    python training/measure_throughput.py COLLECTION... [--config RECIPE] [--set NAME=VALUE]

"prepare" is reading, cutting, augmenting, SUEM and starting clicks; "clicks" the clicks between two
passes. Shares are of processor time on a CPU, of time on the device on a GPU.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import cyclopts
import torch
from torch.profiler import ProfilerActivity, profile

from napari_cfr_icl.engine.runtime.distributed import joined
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.runs.loop import one_step
from napari_cfr_icl.training.runs.run_folder import RunFolder
from napari_cfr_icl.training.runs.setup import Run, read_data, set_up

PARTS = ("prepare", "clicks", "forward", "backward", "update")


def measure(
    *collections: Path,
    config: str = "finetune",
    values: Annotated[tuple[str, ...], cyclopts.Parameter(name="--set")] = (),
    steps: int = 4,
    device: str = "auto",
) -> None:
    """Run a few steps and print the shares."""
    options = recipes.with_assignments(recipes.load_recipe(config), values)
    with joined(device) as world, tempfile.TemporaryDirectory() as folder:
        data = read_data(collections, options, world.device, print)
        run = set_up(options, data, RunFolder(Path(folder)), world)
        run.state.step = 1
        one_step(run)  # warms up
        seconds = _timed(run, steps)
        images = steps * options.schedule.batch / seconds
        print(f"{images:.2f} images/s, {run.stepper.precision}, {torch.get_num_threads()} threads")
        _print_shares(run, steps)


def _timed(run: Run, steps: int) -> float:
    begun = time.perf_counter()
    for step in range(2, 2 + steps):
        run.state.step = step
        one_step(run)
    if run.processes.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def _print_shares(run: Run, steps: int) -> None:
    activities = [ProfilerActivity.CPU]
    on_gpu = run.processes.device.type == "cuda"
    if on_gpu:
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as watched:
        _timed(run, steps)
    kind = "device_time_total" if on_gpu else "cpu_time_total"
    spent = {item.key: getattr(item, kind) for item in watched.key_averages() if item.key in PARTS}
    total = sum(spent.values())
    for name in PARTS:
        print(f"  {name:9s} {spent.get(name, 0.0) / total:6.1%}")


if __name__ == "__main__":
    cyclopts.run(measure)
