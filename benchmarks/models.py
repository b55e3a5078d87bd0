"""Milliseconds of a first and of a further click, the models that ship side by side in one run.

Every first click is on another picture, for a network that looks once remembers the last one. The
inner loop is the dock's own, or the one that `--inference` names.

    python benchmarks/models.py [--threads 1] [--inference std]
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

import numpy as np
import torch

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.engine import Click, Predictor, Settings

PICTURES, WARM_UP = 14, 2


def main() -> None:
    """Time all models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--inference", help="std, cfr-1, a-cfr-4, ...; else the dock's own")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    write = sys.stdout.write
    write("| model | arithmetic | first click ms | further click ms |\n|---|---|---|---|\n")
    for name, entry in zoo.CATALOGUE.items():
        if entry.embedded:
            predictor = predictor_of(name, options.inference)
            first, further = times(predictor)
            arithmetic = predictor.network.arithmetic
            write(f"| {name} | {arithmetic} | {first:.0f} | {further:.0f} |\n")


def predictor_of(name: str, inference: str | None) -> Predictor:
    """A model in the dock's preset."""
    model = zoo.load(name)
    settings = Settings.interactive(model)
    chosen = settings if inference is None else settings.with_inference(inference)
    return Predictor(model, chosen, "cpu")


def times(predictor: Predictor) -> tuple[float, float]:
    """Medians of a first and of a second click, in milliseconds."""
    photo = samples.load("astronaut").image
    first, further = [], []
    for number in range(PICTURES):
        shift = 7 * number
        picture = np.roll(photo, shift, axis=1)
        clicks = [Click(100, (220 + shift) % 512), Click(300, (200 + shift) % 512)]
        begun = time.perf_counter()
        prediction = predictor.predict(picture, clicks[:1])
        between = time.perf_counter()
        predictor.predict(picture, clicks, prediction)
        first.append(1000 * (between - begun))
        further.append(1000 * (time.perf_counter() - between))
    return median(first[WARM_UP:]), median(further[WARM_UP:])


if __name__ == "__main__":
    main()
