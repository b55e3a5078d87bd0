"""Made-up scenes for the tests of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_cfr_icl.training.data.sample_batch import SampleBatch
from napari_cfr_icl.training.data.sample_rng import SampleRng

if TYPE_CHECKING:
    from collections.abc import Sequence


def disk(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """A bool disk."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2


def draws(size: int, first: int = 0, last: int | None = None, seed: int = 7) -> SampleRng:
    """Streams of samples `first` to `last` of a batch of `size`."""
    return SampleRng.at(seed, 0, range(size)[first:last])


def scenes_of(
    targets: Sequence[np.ndarray],
    others: Sequence[np.ndarray] | None = None,
    second: Sequence[np.ndarray] | None = None,
) -> SampleBatch:
    """Scenes with these masks, on pictures of chance."""
    first = torch.from_numpy(np.stack(targets))
    empty = torch.zeros_like(first)
    pictures = np.random.default_rng(3).integers(
        0, 256, (len(first), 3, *first.shape[1:]), np.uint8
    )
    return SampleBatch(
        torch.from_numpy(pictures),
        torch.stack([first, empty if second is None else torch.from_numpy(np.stack(second))], 1),
        (empty if others is None else torch.from_numpy(np.stack(others)))[:, None],
        empty[:, None],
    )
