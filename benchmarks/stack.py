"""How well an object is found on the next plane of the sample stack: ways to hand its mask on.

Each object is followed from its largest plane to both of its ends. "step" starts every plane from
the true mask of the plane before, "chain" from what was found there; "beyond" is the area found on
the plane after the last over the area before (0 is right).

    python benchmarks/stack.py [--every 2]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl import samples
from napari_cfr_icl.engine import Clicks, Patch, Predictor, Settings
from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.metrics import iou
from napari_cfr_icl.session.propagation import deepest, handed_on
from napari_cfr_icl.zoo import DEFAULT_MODEL, load

if TYPE_CHECKING:
    from collections.abc import Callable

    Way = Callable[[int, np.ndarray], np.ndarray]


def main() -> None:
    """Follow the objects in every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=2, help="take every n-th object")
    options = parser.parse_args()
    sample = samples.load("stack")
    print("| way | step mean | median | below 0.5 | chain mean | median | beyond | ms per plane |")
    print("|---|---|---|---|---|---|---|---|")
    for name, way in ways(sample.image).items():
        measure(name, way, sample.labels, options.every)


def ways(stack: np.ndarray) -> dict[str, Way]:
    """What may be done with the mask of the plane before."""
    model = load(DEFAULT_MODEL)
    settings = Settings.interactive(model)
    predictor = Predictor(model, settings)
    planes = [ImageSource(plane, Rendering.grey(140.0, 900.0, 1.0)) for plane in stack]

    def asked(scheme: str, question: Callable[[Patch], tuple[Any, ...]]) -> Way:
        def way(plane: int, mask: np.ndarray) -> np.ndarray:
            predictor.settings = settings.with_inference(scheme)
            found = predictor.predict(planes[plane], *question(Patch.from_full(mask)))
            return found.mask().full()

        return way

    def with_click(mask: Patch) -> tuple[Any, ...]:
        return Clicks([Click(*deepest(mask))]), mask

    return {
        "the mask as it is": lambda plane, mask: mask,
        "fed back, no click": asked("std", lambda mask: (Clicks(), mask)),
        "fed back, a click": asked("std", with_click),
        "weakened, a click": asked("std", handed_on),
        "weakened, a click, cfr-1": asked("cfr-1", handed_on),
        "weakened, a click, cfr-4": asked("cfr-4", handed_on),
    }


def measure(name: str, way: Way, labels: np.ndarray, every: int) -> None:
    """Follow the objects in one way and print its line."""
    steps, chains, beyond, began, asked = [], [], [], time.perf_counter(), 0
    for number in range(1, int(labels.max()) + 1, every):
        truth = labels == number
        areas = truth.sum(axis=(1, 2))
        for direction in (1, -1):
            plane = int(np.argmax(areas))
            chain = truth[plane]
            while 0 <= plane + direction < len(labels):
                before, plane = truth[plane], plane + direction
                found = way(plane, before)
                asked += 1
                if not areas[plane]:
                    beyond.append(found.sum() / before.sum())
                    break
                steps.append(iou(truth[plane], found))
                chain = way(plane, chain) if chain.any() else chain
                asked += 1
                chains.append(iou(truth[plane], chain))
    milliseconds = 1000 * (time.perf_counter() - began) / asked
    print(
        f"| {name} | {np.mean(steps):.3f} | {np.median(steps):.3f} "
        f"| {np.mean(np.array(steps) < 0.5):.0%} | {np.mean(chains):.3f} | {np.median(chains):.3f} "
        f"| {np.median(beyond):.2f} | {milliseconds:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
