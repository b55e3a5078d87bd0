"""The device that the tests of this folder are about.

NAPARI_CFR_ICL_GPU_TESTS_DEVICE=cpu runs them on a processor instead, with small pictures: so that
they are in order when a GPU comes.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import torch

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.runtime.device import pick_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The GPU; without one the run ends, for tests that were skipped look like success."""
    name = os.environ.get("NAPARI_CFR_ICL_GPU_TESTS_DEVICE", "cuda")
    try:
        found = pick_device(name)
    except DeviceError as error:
        pytest.exit(str(error), returncode=1)
    return torch.device("cuda", found.index or 0) if found.type == "cuda" else found


@pytest.fixture(scope="session")
def side(device: torch.device) -> int:
    """Rows and columns of the networks' input."""
    return 448 if device.type == "cuda" else 128


@pytest.fixture
def memory(device: torch.device) -> Iterator[Memory]:
    """The memory of the GPU, which can be measured and limited; it is given back at the end."""
    if device.type != "cuda":
        pytest.skip("a processor's memory has no limit of its own")
    yield Memory(device)
    torch.cuda.set_per_process_memory_fraction(1.0, device)
    torch.cuda.empty_cache()


class Memory:
    """Memory of this process on a GPU, in bytes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._total = torch.cuda.get_device_properties(device).total_memory

    def peak(self, work: Callable[[], object]) -> int:
        """The most that `work` had at once, beyond what there was before."""
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        work()
        torch.cuda.synchronize(self._device)
        return torch.cuda.max_memory_allocated(self._device) - before

    @contextmanager
    def limited(self, extra: float) -> Iterator[None]:
        """Only `extra` beyond what is held now. Blocks that PyTorch keeps for later count too."""
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()
        most = torch.cuda.memory_reserved(self._device) + extra
        torch.cuda.set_per_process_memory_fraction(min(1.0, most / self._total), self._device)
        yield
        torch.cuda.set_per_process_memory_fraction(1.0, self._device)
