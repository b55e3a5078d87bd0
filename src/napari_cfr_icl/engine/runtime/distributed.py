"""The processes of a run: one by itself, or several that torchrun started."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, distributed
from torch.nn import functional

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.runtime.device import pick_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Plain = TypeVar("Plain")

# The slowest process may click for days longer than the quickest one.
_TIMEOUT = timedelta(days=30)
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Distributed:
    """One process of a distributed run.

    Attributes
    ----------
    rank : int
        Its number; process 0 writes files and reports.
    size : int
        Number of processes.
    device : torch.device
        Its own device.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = _CPU

    @property
    def leads(self) -> bool:
        """True in the process that writes files and reports."""
        return self.rank == 0

    def owns(self, index: int) -> bool:
        """True where work with this running number belongs to this process."""
        return index % self.size == self.rank

    def share(self, count: int) -> range:
        """The part of 0 .. `count` that is this process's.

        Raises
        ------
        SettingsError
            When it cannot be divided evenly.
        """
        each, rest = divmod(count, self.size)
        if rest:
            raise SettingsError(
                f"A batch of {count} cannot be divided among {self.size} processes; "
                "choose a multiple for schedule.batch."
            )
        return range(self.rank * each, (self.rank + 1) * each)

    def summed(self, values: Tensor) -> Tensor:
        """The sum of `values` over all processes."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def gathered(self, values: Iterable[Plain]) -> list[Plain]:
        """The values of all processes, plain as in JSON, as one list by rank.

        Bytes are sent, not objects: nothing that arrives is unpickled.
        """
        own = list(values)
        if self.size == 1:
            return own
        text = torch.frombuffer(bytearray(json.dumps(own).encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        distributed.all_gather(lengths, torch.tensor([text.numel()]))
        longest = int(max(lengths))
        parts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(self.size)]
        distributed.all_gather(parts, functional.pad(text, (0, longest - text.numel())))
        texts = (part[: int(n)].numpy().tobytes() for part, n in zip(parts, lengths, strict=True))
        return [value for text in texts for value in json.loads(text)]

    def agree(self, value: Plain) -> Plain:
        """The leading process's value, in all of them."""
        return self.gathered([value])[0]

    def broadcast(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The leading process's tensors; names, shapes and types are the same in all processes."""
        if self.size == 1:
            return dict(tensors)
        copies = {name: tensors[name].clone().contiguous() for name in sorted(tensors)}
        for tensor in copies.values():
            distributed.broadcast(tensor, src=0)
        return copies


@contextmanager
def joined(device: str = "auto") -> Iterator[Distributed]:
    """Join the other processes, when there are any, and leave them at the end.

    Parameters
    ----------
    device : str
        See `pick_device`; under torchrun, processes take turns on the GPUs of their machine.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank, size, local_rank = (int(os.environ.get(name, "0")) for name in names)
    if size < 2 or "RANK" not in os.environ:
        yield Distributed(0, 1, pick_device(device))
        return
    own = process_device(device, local_rank)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    # NCCL refuses two processes on one GPU.
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    alone = own.type == "cuda" and neighbours <= torch.cuda.device_count()
    by_nccl = alone and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if by_nccl else "gloo"
    distributed.init_process_group(backend, timeout=_TIMEOUT)
    try:
        yield Distributed(rank, size, own)
    finally:
        distributed.destroy_process_group()


def process_device(name: str, local_rank: int) -> torch.device:
    """The device of one of several processes on a machine."""
    device = pick_device(name)
    if device.type == "cuda":
        return torch.device("cuda", local_rank % torch.cuda.device_count())
    return device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with `count` threads for a while, unless the machine has fewer processors.

    The last bits of a sum depend on into how many parts it was cut, so a run that is resumed
    needs as many threads as it began with.
    """
    before = torch.get_num_threads()
    if count <= (os.cpu_count() or 1):
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
