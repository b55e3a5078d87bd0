"""The processes of a run: a single one, or several started by torchrun."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.runtime.device import pick_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Distributed:
    """One process of a distributed run.

    Attributes
    ----------
    rank : int
        Its number; 0 writes files and logs.
    size : int
        How many there are.
    device : torch.device
        Where it computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """This process's share of `range(count)`.

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

    def gathered(self, values: Sequence[Any]) -> list[Any]:
        """The values of all processes, by rank, as one list."""
        if self.size == 1:
            return list(values)
        lists: list[Any] = [None] * self.size
        distributed.all_gather_object(lists, list(values))
        return [item for values in lists for item in values]

    def agree(self, value: Value) -> Value:
        """The value of process 0, in all of them."""
        if self.size == 1:
            return value
        said = [value]
        distributed.broadcast_object_list(said, src=0)
        return said[0]


@contextmanager
def joined(device: str = "auto") -> Iterator[Distributed]:
    """Join the other processes, when there are any, and leave them at the end.

    Parameters
    ----------
    device : str
        See `engine.device.pick_device`; under torchrun each process on a GPU takes its own.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = pick_device(device)
    if size == 1:
        yield Distributed(0, 1, chosen)
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Distributed(rank, size, chosen)
    finally:
        distributed.destroy_process_group()


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
