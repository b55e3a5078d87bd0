"""Whether training learns a rule that no base model knows and whose best answer is known.

Each picture is a mosaic of tiles in colours of chance. Where tiles carry a light spot, they belong
together: two such patches are the objects. Nothing but the spots tells a patch from its
surroundings, so a model that knows no such rule takes one tile for each click; the best answer
takes one click for each patch. The robot user clicks held-out pictures before and after training.

    python benchmarks/known_answer.py FOLDER [--steps 60] [--pictures 60] [--held-out 15]

The pictures and the run lie in FOLDER. Started again after a kill with the same words, it goes on
from the last checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Predictor, Settings
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.runs import loop
from precision import TARGET, clicks_needed, spread_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.training.options import TrainOptions

SIDE = 192
TILE = 14
SPOT_RADIUS = 2.8
RADII = 28, 38
"""Smallest and largest patch, in pixels."""

VALUES = (
    f"data.side={SIDE}",
    "suem.simple=0",  # pasted or blended, a patch would lie among tiles of another picture
    "suem.paste=0",
    "suem.mix=0",
    "data.merge=0",  # two patches are never one object here
    "optimizer.rate=0.0005",
    "optimizer.ema=0.9",
    "validation.every=0",  # the held-out pictures have no part in training
    "validation.gate_objects=0",
    "checkpoint_every=5",
)
MOST_CLICKS = 10


def main() -> None:
    """Write the pictures, measure, train, measure again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for the pictures and the run")
    parser.add_argument("--steps", type=int, default=60, help="updates of the weights")
    parser.add_argument("--pictures", type=int, default=60, help="to train on")
    parser.add_argument("--held-out", type=int, default=15, help="to measure on")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE of an option")
    given = parser.parse_args()
    collection, run = given.folder / "pictures", given.folder / "run"
    write_pictures(collection / "train", range(given.pictures))
    write_pictures(collection / "val", range(given.pictures, given.pictures + given.held_out))
    values = (*VALUES, f"schedule.steps={given.steps}", *given.set)
    options = recipes.with_assignments(recipes.load_recipe("finetune"), values)
    tell("base", clicks_on(collection / "val", options.base))
    begun = time.monotonic()
    model = trained(options, collection, run)
    sys.stdout.write(f"trained to step {given.steps}, {(time.monotonic() - begun) / 60:.1f} min\n")
    tell("trained", clicks_on(collection / "val", str(model)))


def write_pictures(folder: Path, seeds: Sequence[int]) -> None:
    """Write `images` and `labels`, the same bytes for the same seeds."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        image, labels = mosaic(np.random.default_rng(seed))
        tifffile.imwrite(folder / "images" / f"{seed:03}.tif", image, photometric="rgb")
        tifffile.imwrite(folder / "labels" / f"{seed:03}.tif", labels)


def mosaic(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture, shape (rows, columns, 3), and its labels, shape (rows, columns)."""
    grid = np.stack(np.mgrid[:SIDE:TILE, :SIDE:TILE], axis=-1).reshape(-1, 2) + TILE / 2
    middles = grid + rng.uniform(-0.35, 0.35, grid.shape) * TILE
    pixels = np.stack(np.mgrid[:SIDE, :SIDE], axis=-1)
    distance, tile = cKDTree(middles).query(pixels)
    owner = patches(middles, rng)
    image = rng.uniform(40, 215, (len(middles), 3))[tile]
    image[(distance < SPOT_RADIUS) & (owner[tile] > 0)] = 250
    image = gaussian_filter(image, (0.6, 0.6, 0)) + rng.normal(0, 5, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), owner[tile].astype(np.uint8)


def patches(middles: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """To which patch each tile belongs, 0 for none: two round ones with wavy rims, well apart."""
    while True:
        radii = rng.uniform(*RADII, 2)
        centres = rng.uniform(radii[:, None], SIDE - radii[:, None], (2, 2))
        if np.linalg.norm(centres[0] - centres[1]) > 1.2 * radii.sum() + 2 * TILE:
            break
    owner = np.zeros(len(middles), np.int64)
    for label, (centre, radius) in enumerate(zip(centres, radii, strict=True), start=1):
        rows, cols = (middles - centre).T
        angle, phase = np.arctan2(rows, cols), rng.uniform(0, 2 * np.pi, 2)
        rim = radius * (
            1 + 0.12 * np.cos(2 * angle + phase[0]) + 0.08 * np.cos(3 * angle + phase[1])
        )
        owner[np.hypot(rows, cols) < rim] = label
    return owner


def trained(options: TrainOptions, collection: Path, run: Path) -> Path:
    """The model of the run: begun, gone on with, or there already."""
    model = run / "model.safetensors"
    if not model.exists():
        begun = (run / "config.toml").exists()
        loop.main(None if begun else options, [] if begun else [collection], run)
    return model


def clicks_on(folder: Path, model: str) -> NDArray[np.int64]:
    """Clicks that the robot needs for each object of a folder, preset `interactive`."""
    network = zoo.load(model)
    # The quickest arithmetic is found by a timed trial: another one would be another figure.
    settings = replace(Settings.interactive(network), precision="float32")
    predictor = Predictor(network, settings)
    objects = spread_objects(folder, sys.maxsize, min_area=1)
    return np.array([clicks_needed(predictor, *case, MOST_CLICKS) for case in objects])


def tell(name: str, clicks: NDArray[np.int64]) -> None:
    """Print one line."""
    sys.stdout.write(
        f"{name}: NoC@{100 * TARGET:.0f} {clicks.mean():.2f}, median {np.median(clicks):g}, "
        f"{np.count_nonzero(clicks == 1)} of {len(clicks)} objects at the first click\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
