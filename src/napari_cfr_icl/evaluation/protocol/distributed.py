"""Many processes, each with its share of the objects, as torchrun starts them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from collections.abc import Iterator

# The slowest share may take days longer than the quickest one.
_PATIENCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the work that one process does.

    Parameters
    ----------
    rank : int
        Number of this process.
    count : int
        Number of processes.
    local_rank : int
        Number of this process on its machine.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> Share:
        """The share that torchrun gave to this process; all of the work without torchrun."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if any(name not in os.environ for name in names):
            return cls()
        return cls(*(int(os.environ[name]) for name in names))

    def has(self, index: int) -> bool:
        """Whether the object with this running number belongs to this process."""
        return index % self.count == self.rank

    def device(self, name: str) -> str:
        """The device for this process: with several GPUs, processes take turns."""
        gpus = torch.cuda.device_count()
        if self.count > 1 and gpus > 0 and name in ("auto", "cuda"):
            return f"cuda:{self.local_rank % gpus}"
        return name


@contextmanager
def together(share: Share) -> Iterator[None]:
    """Connect the processes for the time of the block."""
    if share.count == 1:
        yield
        return
    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def gather_text(share: Share, text: str) -> list[str]:
    """The text of every process, by rank, to process 0; the others get nothing.

    Bytes are sent, not objects: nothing that arrives is ever unpickled.
    """
    if share.count == 1:
        return [text]
    own = torch.frombuffer(bytearray(text.encode()) or bytearray(b"\n"), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(share.count)]
    dist.all_gather(lengths, torch.tensor([own.numel()]))
    longest = int(max(length.item() for length in lengths))
    padded = torch.zeros(longest, dtype=torch.uint8)
    padded[: own.numel()] = own
    if share.rank != 0:
        dist.gather(padded)
        return []
    parts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(share.count)]
    dist.gather(padded, parts)
    return [
        part[: int(length.item())].numpy().tobytes().decode()
        for part, length in zip(parts, lengths, strict=True)
    ]
