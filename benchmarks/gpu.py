"""Milliseconds on a GPU: per pass, per click, and per training step with its parts.

Prints tables for docs/benchmarks.md. Cases come in the order of their weight; those that do not fit
into the time are named at the end. Weights of the networks that do not ship mean nothing.

    python benchmarks/gpu.py [--device cuda] [--seconds 400] [--quick]
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
import torch

from models import times
from napari_cfr_icl import samples, zoo
from napari_cfr_icl._errors import CfrIclError, DeviceError
from napari_cfr_icl.engine import Predictor, Settings
from napari_cfr_icl.engine.models import PUBLISHED, ClickModel, build
from napari_cfr_icl.engine.runtime.device import pick_device
from napari_cfr_icl.engine.runtime.distributed import Distributed
from napari_cfr_icl.engine.runtime.network import Network
from napari_cfr_icl.training.options import (
    DataOptions,
    ScheduleOptions,
    TrainOptions,
    ValidationOptions,
)
from napari_cfr_icl.training.runs import loop, setup
from napari_cfr_icl.training.runs.run_folder import RunFolder
from napari_cfr_icl.training.steps import step as steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SHIPPED = tuple(name for name, entry in zoo.CATALOGUE.items() if entry.embedded)
SIZES, QUICK_SIZES = ("vit_b", "vit_l", "vit_h"), ("vit_xtiny",)
VARIANTS = ("bfloat16", "float32", "float16", "float32-channels-last")
FUSED = ("graph", "compile")
"""Of the network in bfloat16 with channels last, as "bfloat16" is. They come last of all, for a
capture that fails may leave the GPU in a bad state."""

SIDE_BY_SIDE = 8
WARM_UP, REPEATS = 3, 20
PARTS = {"prepare": "data", "forward": "forward", "backward": "backward"}


def main() -> int:
    """Measure all cases and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=400, help="begin no case after these")
    parser.add_argument("--quick", action="store_true", help="small networks, few repetitions")
    options = parser.parse_args()
    try:
        bench = Bench(pick_device(options.device), options.seconds, options.quick)
    except DeviceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with torch.inference_mode():
        bench.passes(VARIANTS)
        bench.clicks()
    bench.training()
    with torch.inference_mode():
        bench.passes(FUSED)
    if bench.left_out:
        _say(f"\nLeft out for want of time: {', '.join(bench.left_out)}.")
    return 0


class Bench:
    """The measurements on one device.

    Parameters
    ----------
    device : torch.device
    seconds : float
        No case begins after these.
    quick : bool
        Small networks and few repetitions, to try the program itself.
    """

    def __init__(self, device: torch.device, seconds: float, quick: bool) -> None:
        self.device, self._end, self._quick = device, time.monotonic() + seconds, quick
        self._repeats = 2 if quick else REPEATS
        self._side = 128 if quick else 448
        self.left_out: list[str] = []
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
        _say(f"{name}, PyTorch {torch.__version__}, inputs of {self._side} x {self._side} pixels")

    def passes(self, variants: tuple[str, ...]) -> None:
        """One pass, alone and of several windows side by side, in each variant."""
        _say("\n| model | variant | ms per pass | ms per window, 8 side by side | memory MB |")
        _say("|---|---|---|---|---|")
        names = (*SHIPPED, *(QUICK_SIZES if self._quick else SIZES))
        for variant in variants:
            for name in names:
                if self._has_time(f"{name} in {variant}"):
                    _say(f"| {name} | {variant} | {self._pass(name, variant)} |")

    def _pass(self, name: str, variant: str) -> str:
        network = Network(self._model(name), str(self.device), "float32")
        inputs = self._inputs(network)
        eight = [torch.cat([each] * SIDE_BY_SIDE) for each in inputs]
        self._begin_memory()
        try:
            alone = self._time(self._call(network, variant, inputs))
            together = self._time(self._call(network, variant, eight)) / SIDE_BY_SIDE
        except (RuntimeError, TypeError, AttributeError, CfrIclError) as error:
            # A capture meets what it forbids, a compiler is missing, or memory is short.
            return f"- | - | {str(error).splitlines()[0][:80]}"
        return f"{alone:.2f} | {together:.2f} | {self._peak_memory():.0f}"

    def _call(
        self, network: Network, variant: str, inputs: list[torch.Tensor]
    ) -> Callable[[], torch.Tensor]:
        """A pass of one variant, ready to be repeated."""
        if variant == "float32":
            return lambda: network(*inputs)
        if variant == "float32-channels-last":
            network.use("float32")  # converted, where it does not run on a processor
            return lambda: network(*inputs)
        network.use(variant if variant == "float16" else "bfloat16")
        if variant == "compile":
            network = network.with_run(torch.compile)
        if variant == "graph":
            return captured(network, inputs, self.device)
        return lambda: network(*inputs)

    def clicks(self) -> None:
        """A first and a further click in the preset of the dock."""
        _say("\n| model | inference | arithmetic | first click ms | further click ms |")
        _say("|---|---|---|---|---|")
        sizes = () if self._quick else SIZES
        for inference in ("std", "cfr-1", "a-cfr-4")[: 1 if self._quick else None]:
            for name in (*SHIPPED, *sizes):
                if self._has_time(f"clicks of {name} with {inference}"):
                    model = self._model(name)
                    settings = Settings.interactive(model).with_inference(inference)
                    predictor = Predictor(model, settings, str(self.device))
                    first, further = times(predictor)
                    arithmetic = predictor.network.arithmetic
                    row = f"{arithmetic} | {first:.1f} | {further:.1f}"
                    _say(f"| {name} | {inference} | {row} |")

    def training(self) -> None:
        """A training step: as it is, and its parts when each is waited for."""
        parts = " | ".join(f"{part} ms" for part in PARTS.values())
        _say(f"\n| model | precision | ms per step | images per second | {parts} | memory MB |")
        _say("|---|---|---|---|---|---|---|---|")
        with TemporaryDirectory() as folder:
            cells = write_cells(Path(folder) / "cells")
            for precision in ("bfloat16", "float32"):
                for name in SHIPPED:
                    if self._has_time(f"training {name} in {precision}"):
                        out = Path(folder) / f"{name}-{precision}"
                        row = self._step(name, precision, cells, out)
                        _say(f"| {name} | {precision} | {row} |")

    def _step(self, name: str, precision: Any, cells: Path, out: Path) -> str:
        batch, side = (2, 64) if self._quick else (16, 448)
        options = TrainOptions(
            base=name,
            data=DataOptions(side=side),
            schedule=ScheduleOptions(steps=100, batch=batch, precision=precision),
            validation=ValidationOptions(every=0, gate_objects=0),
        )
        self._begin_memory()
        alone = Distributed(0, 1, self.device)
        data = setup.read_data([cells], options, self.device, lambda _: None)
        run = setup.set_up(options, data, RunFolder(out), alone)

        def one() -> None:
            loop.one_step(run)
            run.state.step += 1

        whole = self._time(one, 2 if self._quick else 10)
        spent = self._parts(one)
        parts = " | ".join(f"{spent.get(part, 0):.0f}" for part in PARTS)
        memory = self._peak_memory()
        return f"{whole:.0f} | {1000 * batch / whole:.1f} | {parts} | {memory:.0f}"

    def _parts(self, one: Callable[[], None]) -> dict[str, float]:
        """Milliseconds of the named parts of a step, each waited for; mean of several steps."""
        spent: dict[str, float] = {}

        @contextmanager
        def timed(part: str) -> Iterator[None]:
            self._wait()
            begun = time.perf_counter()
            yield
            self._wait()
            spent[part] = spent.get(part, 0) + 1000 * (time.perf_counter() - begun)

        repeats, plain = 1 if self._quick else 5, steps.record_function
        steps.record_function = timed  # type: ignore[assignment]
        try:
            for _ in range(repeats):
                one()
        finally:
            steps.record_function = plain
        return {part: value / repeats for part, value in spent.items()}

    def _model(self, name: str) -> ClickModel:
        if name in SHIPPED:
            return zoo.load(name)
        with self.device:  # random numbers for 600 million weights take a processor long
            return build(PUBLISHED[name])

    def _inputs(self, network: Network) -> list[torch.Tensor]:
        rows, cols = network.nearest_size((self._side, self._side))
        photo = np.ascontiguousarray(samples.load("astronaut").image[:rows, :cols])
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
        points = torch.tensor([[[rows / 2, cols / 2, 0.0], [-1.0, -1.0, -1.0]]])
        return [each.to(self.device) for each in (image, torch.zeros(1, 1, rows, cols), points)]

    def _time(self, work: Callable[[], object], repeats: int | None = None) -> float:
        """Median milliseconds of some work, by the clock of the GPU where there is one."""
        for _ in range(WARM_UP):
            work()
        self._wait()
        count = repeats or self._repeats
        if self.device.type != "cuda":
            return median(_seconds(work) * 1000 for _ in range(count))
        pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
        for start, end in pairs:
            start.record()
            work()
            end.record()
        self._wait()
        return median(start.elapsed_time(end) for start, end in pairs)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _begin_memory(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def _peak_memory(self) -> float:
        is_cuda = self.device.type == "cuda"
        return torch.cuda.max_memory_allocated(self.device) / 1e6 if is_cuda else 0.0

    def _has_time(self, case: str) -> bool:
        if time.monotonic() < self._end:
            return True
        self.left_out.append(case)
        return False


def captured(
    network: Network, inputs: list[torch.Tensor], device: torch.device
) -> Callable[[], torch.Tensor]:
    """A pass as a CUDA graph: the same kernels on the same memory, launched at once.

    Raises
    ------
    RuntimeError
        When the network waits for the GPU or copies to it in the middle, which no graph can.
    """
    if device.type != "cuda":
        raise RuntimeError("graphs are for GPUs")
    # Libraries allocate on their first calls, which a capture forbids; on a stream of their own,
    # because the default one cannot be captured.
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            network(*inputs)
    torch.cuda.current_stream(device).wait_stream(stream)
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        logits = network(*inputs)

    def replay() -> torch.Tensor:
        graph.replay()
        return logits

    return replay


def write_cells(folder: Path, pictures: int = 4, side: int = 512) -> Path:
    """A collection of bright discs on a dark ground."""
    generator = np.random.default_rng(0)
    rows, cols = np.mgrid[:side, :side]
    for number in range(pictures):
        labels = np.zeros((side, side), np.uint16)
        for label, (row, col) in enumerate(generator.uniform(40, side - 40, (20, 2)), start=1):
            labels[(rows - row) ** 2 + (cols - col) ** 2 < generator.uniform(15, 35) ** 2] = label
        picture = generator.integers(0, 60, labels.shape, np.uint8) + 120 * (labels > 0)
        for kind, pixels in (("images", picture.astype(np.uint8)), ("labels", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"{number}.tif", pixels)
    return folder


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
