"""Milliseconds per click and per pass, ours beside the plain path, in one run.

The plain path is what the public code does: float32, the image and its mirror image in one batch,
the first click of the HRNet on the image in full resolution. Both paths take the same clicks.

    python benchmarks/run.py [--quick] [--out results.json]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = (1, 2)
MODELS = ("cfr-icl-hrnet18", "vit_b")
SCHEMES = ("std", "cfr-1", "a-cfr-4")
SIDES = {"500x375": (375, 500), "2000x2000": (2000, 2000), "20000x20000": (20_000, 20_000)}
LARGEST_PLAIN = 2000
"""Side in pixels beyond which the plain path would need more memory than most machines have."""


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, memory in megabytes."""

    threads: int
    model: str
    image: str
    scheme: str
    path: str
    arithmetic: str
    first_click: float
    per_click: float
    per_pass: float
    passes: int
    memory_growth: float


def main() -> None:
    """Run every case in a process of its own number of threads, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="500x375 and std only")
    parser.add_argument("--out", type=Path, help="also write the rows to this JSON file")
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        for row in measure(options.threads, options.quick):
            _say(json.dumps(asdict(row)))
        return
    rows = [row for threads in THREADS for row in _in_a_process(threads, options.quick)]
    _say(table(rows))
    if options.out:
        options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def measure(threads: int, quick: bool) -> Iterator[Row]:
    """All cases at one number of threads, in this process."""
    import torch

    from napari_cfr_icl.engine import Settings

    torch.set_num_threads(threads)
    schemes, sizes = (SCHEMES[:1], ["500x375"]) if quick else (SCHEMES, list(SIDES))
    for name in MODELS:
        model = _model(name)
        paths = {
            "plain": Settings.paper(model),
            "interactive": replace(
                Settings.interactive(model), refinement=Settings.paper(model).refinement
            ),
        }
        predictors = {path: _predictor(model, settings) for path, settings in paths.items()}
        for size in sizes:
            for scheme in schemes:
                for path, predictor in predictors.items():
                    if path == "plain" and max(SIDES[size]) > LARGEST_PLAIN:
                        continue
                    predictor.settings = paths[path].with_inference(scheme)
                    times = _clicked(predictor, *_picture(SIDES[size]))
                    arithmetic = predictor.network.arithmetic
                    yield Row(threads, name, size, scheme, path, arithmetic, *times)


def table(rows: list[Row]) -> str:
    """The rows as Markdown, with each interactive row's ratio to the plain one beside it."""
    plain = {(r.threads, r.model, r.image, r.scheme): r for r in rows if r.path == "plain"}
    lines = [
        f"{_machine()}",
        "",
        "| threads | model | image | scheme | path | first click ms | ms per click | ms per pass "
        "| per pass: plain / this | memory MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        beside = plain.get((row.threads, row.model, row.image, row.scheme))
        ratio = "-" if beside is None else f"{beside.per_pass / row.per_pass:.1f}"
        lines.append(
            f"| {row.threads} | {row.model} | {row.image} | {row.scheme} | {row.path}, "
            f"{row.arithmetic} | {row.first_click:.0f} | {row.per_click:.0f} | {row.per_pass:.0f} "
            f"| {ratio} | {row.memory_growth:+.0f} |"
        )
    return "\n".join(lines)


def _clicked(predictor: Any, source: Any, clicks: Any) -> tuple[float, float, float, int, float]:
    """First click, per click, per pass in ms; passes; growth of memory in MB. Warmed up before."""
    import psutil

    from napari_cfr_icl.engine import Clicks

    small = np.asarray(source[:375, :500])
    predictor.predict(small, clicks[:1])
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    seconds, passes, last = [], 0, None
    for number in range(1, len(clicks) + 1):
        start = time.perf_counter()
        last = predictor.predict(source, Clicks(clicks[:number]), last)
        seconds.append(time.perf_counter() - start)
        passes += last.passes
    growth = (process.memory_info().rss - before) / 1e6
    total = 1000 * sum(seconds)
    return 1000 * seconds[0], total / len(clicks), total / passes, passes, growth


def _picture(shape: tuple[int, int]) -> tuple[Any, Any]:
    """A photograph, repeated lazily to fill `shape`; three clicks on its object."""
    import dask.array as da
    from skimage.data import astronaut

    from napari_cfr_icl.engine import Click, Clicks

    photo = astronaut()[:375, :500]
    clicks = Clicks([Click(100, 220), Click(300, 150), Click(60, 420, positive=False)])
    if shape == photo.shape[:2]:
        return photo, clicks
    repeats = [-(-side // part) for side, part in zip(shape, photo.shape[:2], strict=True)]
    lazy = da.tile(da.from_array(photo), (*repeats, 1))[: shape[0], : shape[1]]
    return (lazy if max(shape) > LARGEST_PLAIN else lazy.compute()), clicks


def _model(name: str) -> Any:
    """A shipped model, or a network of that size with weights that mean nothing."""
    import torch

    from napari_cfr_icl import zoo
    from napari_cfr_icl.engine.models import PUBLISHED, build

    if name in PUBLISHED:
        torch.manual_seed(0)
        return build(PUBLISHED[name])
    return zoo.load(name)


def _predictor(model: Any, settings: Any) -> Any:
    from napari_cfr_icl.engine import Predictor

    return Predictor(model, settings, "cpu")


def _in_a_process(threads: int, quick: bool) -> Iterator[Row]:
    command = [sys.executable, __file__, "--threads", str(threads), *(["--quick"] * quick)]
    # A team of OpenMP threads is made once for the process, so its size is set from outside.
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout or ():
            row = Row(**json.loads(line))
            sys.stderr.write(f"{row}\n")
            yield row
    if process.returncode:
        raise SystemExit(process.returncode)


def _machine() -> str:
    import torch

    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
