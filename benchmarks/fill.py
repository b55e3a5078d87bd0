"""How well a fill finds a whole object in a stack with known truth, and where it stops.

Each object is clicked on its middle plane to an IoU of 0.85 and filled both ways. A user who then
goes through the planes, corrects each below that IoU by clicks (from nothing where it is missing)
and takes each plane beyond the object away by one more, gives the clicks for the whole object.
The contrast was chosen on the seeds 1 and 2.

    python benchmarks/fill.py [--seeds 11 12 13] [--objects 5] [--contrasts 0 0.5] [--model NAME]
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_cfr_icl import samples
from napari_cfr_icl.engine import Clicks, Patch, Predictor, Settings
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.protocol.metrics import iou
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.propagation import Limits, PlaneTarget
from napari_cfr_icl.session.runner import SYNCHRONOUS_VARIABLE
from napari_cfr_icl.session.session import Session
from napari_cfr_icl.zoo import DEFAULT_MODEL, load

if TYPE_CHECKING:
    from napari_cfr_icl.engine.windows import Window

GOAL = 0.85
PLANES, SIDE, NUCLEI = 28, 256, 14


class Labels:
    """One plane of a label stack."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.shape = values.shape

    def next_label(self) -> int:
        """Every stack holds one object here."""
        return 1

    def fit(self, mask: Patch) -> Patch:
        """As it is."""
        return mask

    to_image = fit

    def read(self, window: Window) -> np.ndarray:
        """A copy."""
        return self.values[window.slices].copy()

    def write(self, window: Window, changed: np.ndarray, ids: np.ndarray | int) -> None:
        """Into the stack."""
        self.values[window.slices][changed] = ids


def simulated(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Nuclei: ellipsoids with texture, a third of them touching another, blurred most along z.

    Returns the stack, uint16, and its labels; the first and last planes are empty.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros((PLANES, SIDE, SIDE), np.uint16)
    signal = np.zeros(labels.shape, np.float32)
    grid = np.ogrid[:PLANES, :SIDE, :SIDE]
    placed: list[tuple[np.ndarray, np.ndarray]] = []
    while len(placed) < NUCLEI:
        radii = np.array([rng.uniform(2.5, 6), *rng.uniform(9, 20, 2)])
        centre = np.array([rng.uniform(7, PLANES - 7), *rng.uniform(25, SIDE - 25, 2)])
        if placed and len(placed) % 3 == 1:
            centre = beside(*placed[-1], radii, rng)
        if not (centre[1:].min() > 20 and centre[1:].max() < SIDE - 20):
            continue
        inside = ellipsoid(grid, centre, radii, rng.uniform(0, np.pi))
        if (labels[inside] > 0).mean() > 0.03:
            continue
        placed.append((centre, radii))
        inside &= labels == 0
        labels[inside] = len(placed)
        texture = ndimage.gaussian_filter(rng.normal(size=labels.shape), (1, 2.5, 2.5))
        signal[inside] = (rng.uniform(300, 900) * (1 + 0.2 * texture / texture.std()))[inside]
    return pictured(signal, rng), labels


def beside(
    centre: np.ndarray, radii: np.ndarray, mine: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A centre from which a nucleus of radii `mine` touches another."""
    angle, distance = rng.uniform(0, 2 * np.pi), radii[1:].mean() + mine[1:].mean()
    step = distance * np.array([np.sin(angle), np.cos(angle)])
    return centre + np.array([rng.uniform(-2, 2), *step])


def ellipsoid(
    grid: tuple[np.ndarray, ...], centre: np.ndarray, radii: np.ndarray, angle: float
) -> np.ndarray:
    """Its voxels; turned by `angle` within the planes."""
    z, y, x = (axis - place for axis, place in zip(grid, centre, strict=True))
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    return (z / radii[0]) ** 2 + (along / radii[1]) ** 2 + (across / radii[2]) ** 2 <= 1


def pictured(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The signal as a microscope shows it: blur, haze, shot and read noise."""
    along_z = rng.uniform(0.8, 1.6)
    blurred = ndimage.gaussian_filter(signal, (along_z, 1.2, 1.2))
    haze = 0.08 * ndimage.gaussian_filter(signal, (3 * along_z, 6, 6))
    counts = rng.poisson((blurred + haze + 60) / 4) * 4 + rng.normal(100, 8, signal.shape)
    return np.clip(counts, 0, 65535).astype(np.uint16)


@dataclass
class Outcome:
    """One object."""

    whole: float
    ious: list[float]
    ends: list[int]
    clicks: int
    first: int


class Work:
    """One stack under one network."""

    def __init__(self, stack: np.ndarray, predictor: Predictor) -> None:
        low, high = np.percentile(stack, (1, 99.9))
        rendering = Rendering.grey(float(low), float(high), 1.0)
        self.planes = [ImageSource(plane, rendering) for plane in stack]
        self.predictor = predictor
        self.session = Session(lambda engine: predictor, lambda message: self.receive(message))

    def receive(self, message: object) -> None:
        """Synchronous: in this thread."""
        self.session.receive(message)

    def outcome(self, truth: np.ndarray, contrast: float) -> Outcome:
        """Click, fill, and correct."""
        present = np.flatnonzero(truth.any(axis=(1, 2)))
        middle = int(present[len(present) // 2])
        mask, first = self.clicked(truth[middle], np.zeros(truth.shape[1:], bool), middle)
        found = self.filled(mask, middle, contrast)
        reached = np.flatnonzero(found.any(axis=(1, 2)))
        ends = [int(reached[-1] - present[-1]), int(present[0] - reached[0])]
        clicks = first
        for plane in np.flatnonzero((found | truth).any(axis=(1, 2))):
            if not truth[plane].any():
                clicks += 1
            elif plane != middle:
                clicks += self.clicked(truth[plane], found[plane], int(plane))[1]
        whole = np.count_nonzero(found & truth) / np.count_nonzero(found | truth)
        ious = [float(iou(truth[plane].astype(np.int8), found[plane])) for plane in present]
        return Outcome(whole, ious, ends, clicks, first)

    def filled(self, mask: np.ndarray, middle: int, contrast: float) -> np.ndarray:
        """The object through the stack, as the dock's Fill writes it."""
        labels = np.zeros((len(self.planes), *mask.shape), np.int32)
        targets = [
            PlaneTarget(Scene(z, source, mask.shape), Labels(labels[z]))
            for z, source in enumerate(self.planes)
        ]
        here = targets[middle]
        self.session.take(ObjectState(here.scene, base=Patch.from_full(mask), origin=here.store))
        ways = [targets[middle + 1 :], targets[:middle][::-1]]
        self.session.propagation.fill(here.store, ways, Limits(least_contrast=contrast))
        self.session.forget_steps()
        return labels > 0

    def clicked(self, truth: np.ndarray, mask: np.ndarray, plane: int) -> tuple[np.ndarray, int]:
        """The mask clicked until it is good, and the clicks; at most 10."""
        wanted, clicks, made = truth.astype(np.int8), Clicks(), 0
        previous = Patch.from_full(mask) if mask.any() else None
        while iou(wanted, mask) < GOAL and made < 10:
            clicks, made = clicks.added(RobotUser().next_click(wanted, mask, clicks)), made + 1
            previous = self.predictor.predict(self.planes[plane], clicks, previous)
            mask = previous.mask().full()
        return mask, made


def main() -> None:
    """Measure, and print a line for each stack and contrast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[11, 12, 13])
    parser.add_argument("--objects", type=int, default=5, help="so many of each stack")
    parser.add_argument("--contrasts", type=float, nargs="*", default=[0.0, 0.5])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    options = parser.parse_args()
    os.environ[SYNCHRONOUS_VARIABLE] = "1"
    model = load(options.model)
    predictor = Predictor(model, Settings.interactive(model))
    sample = samples.load("stack")
    stacks = {"sample": (sample.image, sample.labels)}
    stacks.update((f"seed {seed}", simulated(seed)) for seed in options.seeds)
    print("| stack | contrast | IoU 3-D | planes | end planes | off | beyond | clicks to 0.85 |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (stack, labels) in stacks.items():
        work = Work(stack, predictor)
        for contrast in options.contrasts:
            numbers = range(1, min(options.objects, int(labels.max())) + 1)
            show(name, contrast, [work.outcome(labels == n, contrast) for n in numbers])


def show(name: str, contrast: float, found: list[Outcome]) -> None:
    """Means over the objects of a stack; "off": planes between the ends found and the true ones."""
    ends = np.array([item.ends for item in found])
    print(
        f"| {name} | {contrast} | {np.mean([item.whole for item in found]):.3f} "
        f"| {np.mean([value for item in found for value in item.ious]):.3f} "
        f"| {np.mean([item.ious[end] for item in found for end in (0, -1)]):.3f} "
        f"| {np.abs(ends).mean():.2f} | {np.maximum(ends, 0).mean():.2f} "
        f"| {np.mean([item.clicks for item in found]):.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
