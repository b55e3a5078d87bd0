"""A small made-up data set: pictures with bright and dark blobs, and their label images."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from golden_models import GOLDEN
from napari_cfr_icl.engine.settings import Refinement, Settings, Zoom

if TYPE_CHECKING:
    from pathlib import Path

TINY_MODEL = GOLDEN / "g_hrnet_w4s.pth"
"""A real network with an eighth of the usual width, trained on made-up blobs."""

TINY_SETTINGS = replace(
    Settings(), zoom=Zoom(target=64, min_side=32), refinement=Refinement(rezoom=True)
)
"""Passes of a few milliseconds."""


def blobs(seed: int, count: int = 2, shape: tuple[int, int] = (72, 96)):
    """A noisy RGB picture and its label image with `count` ellipses."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    picture = np.full((*shape, 3), 90.0)
    for label in range(1, count + 1):
        row, col = rng.integers(15, shape[0] - 15), rng.integers(15, shape[1] - 15)
        high, wide = rng.uniform(6, 16, 2)
        inside = ((rows - row) / high) ** 2 + ((cols - col) / wide) ** 2 < 1
        labels[inside] = label
        picture[inside] = rng.uniform(20, 230, 3)
    picture += rng.normal(0, 8, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), labels


def write_blobs(root: Path, pictures: int = 4, count: int = 2) -> Path:
    """Write a data set of images and labels into `root`."""
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for number in range(pictures):
        picture, labels = blobs(number, count)
        Image.fromarray(picture).save(root / "images" / f"{number}.png")
        Image.fromarray(labels).save(root / "labels" / f"{number}.png")
    return root


def write_settings(path: Path, settings: Settings = TINY_SETTINGS) -> Path:
    """Write settings as a file that can be named as a preset."""
    path.write_text(json.dumps(asdict(settings)))
    return path
