"""Made-up collections on disk for the tests of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile

from training_scenes import disk

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (72, 90)


def disks_picture(seed: int, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Bright disks on a dark ground, uint8, and their labels, uint16."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint16)
    for label in range(1, count + 1):
        centre = rng.integers(12, 60, 2) + np.array((0, 10))
        labels[disk(SHAPE, centre, rng.integers(6, 11)) & (labels == 0)] = label
    picture = rng.integers(0, 40, SHAPE, np.uint8)
    picture[labels > 0] += 150
    return picture, labels


def write_collection(root: Path, count: int = 6, first: int = 0) -> Path:
    """A folder of `images` and `labels`."""
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for seed in range(first, first + count):
        picture, labels = disks_picture(seed)
        tifffile.imwrite(root / "images" / f"{seed}.tif", picture)
        tifffile.imwrite(root / "labels" / f"{seed}.tif", labels)
    return root
