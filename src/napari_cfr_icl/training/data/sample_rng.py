"""Random numbers, one stream per sample.

A sample's random numbers depend on the seed, the step and its place in the whole batch, on nothing
else. So a batch that is cut into smaller ones (short memory, several processes) gives the same
clicks and pictures, and a run that resumes needs no generator state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class SampleRng:
    """Uniform random numbers for a batch, one row per sample.

    Parameters
    ----------
    generators : sequence of torch.Generator
        One CPU generator for each sample.
    device : torch.device or str, optional
        Where the numbers are wanted.
    """

    def __init__(
        self, generators: Sequence[torch.Generator], device: torch.device | str = "cpu"
    ) -> None:
        self._generators = tuple(generators)
        self._device = torch.device(device)

    @classmethod
    def at(
        cls,
        seed: int | tuple[int, ...],
        step: int,
        samples: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> SampleRng:
        """The streams of `samples` (places in the whole batch) at one step of a run."""
        seeds = seed if isinstance(seed, tuple) else (seed,)
        generators = []
        for sample in samples:
            state = np.random.SeedSequence((*seeds, step, sample)).generate_state(1, np.uint64)
            generators.append(torch.Generator().manual_seed(int(state[0] >> 1)))
        return cls(generators, device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 (included) to 1 (not). Returns shape (B, *shape), float32."""
        rows = [torch.rand(shape, generator=generator) for generator in self._generators]
        return torch.stack(rows).to(self._device, non_blocking=True)

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers from `low` to `high`. Returns shape (B, *shape)."""
        return low + (high - low) * self.uniform(*shape)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with the given probability. Returns bool of shape (B, *shape)."""
        return self.uniform(*shape) < probability
