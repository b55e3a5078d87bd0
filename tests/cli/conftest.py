"""A command line to try, and something small to try it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import command_line
from checkpoints import HRNET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_models(tmp_path_factory, monkeypatch) -> Path:
    """The folder of models, empty."""
    folder = tmp_path_factory.mktemp("models")
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(folder))
    return folder


@pytest.fixture
def run() -> Callable[..., command_line.Result]:
    """Run the program with these words."""
    return command_line.run


@pytest.fixture
def image(tmp_path) -> Path:
    """A bright disc of radius 14 around (30, 40) on a noisy ground: 64 rows, 80 columns, 8 bit."""
    rows, cols = np.mgrid[:64, :80]
    pixels = 40 + 10 * np.random.default_rng(0).random((64, 80))
    pixels[(rows - 30) ** 2 + (cols - 40) ** 2 < 14**2] += 150
    path = tmp_path / "disc.tif"
    tifffile.imwrite(path, pixels.astype(np.uint8))
    return path


@pytest.fixture
def small_model() -> list[str]:
    """The words that choose a network of few weights."""
    return ["--model", str(HRNET)]
