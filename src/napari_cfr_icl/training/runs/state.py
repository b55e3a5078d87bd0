"""What changes while a run goes on, and how it is saved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_cfr_icl.training.steps.optimizer import Average


@dataclass(slots=True)
class State:
    """The changing part of a run.

    Attributes
    ----------
    model : nn.Module
        The network, with the weights of the last step.
    optimizer : torch.optim.Optimizer
    average : Average
        Of the weights: what is measured, and kept in the end.
    micro_batch : int
        Samples at once; it shrinks when memory runs out.
    step : int
        Steps done.
    best_score : float
        Fewest clicks on held-out objects so far.
    best_step : int
        When that was; -1 for never.
    rounds_since_best : int
        Rounds of held-out objects since then.
    skipped : int
        Steps in a row whose gradient was no number.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    micro_batch: int
    step: int = 0
    best_score: float = math.inf
    best_step: int = -1
    rounds_since_best: int = 0
    skipped: int = 0

    def saved(self) -> dict[str, Any]:
        """Everything as tensors and plain values, for a checkpoint."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights,
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.average.load(saved["average"])
        for name in _PLAIN:
            setattr(self, name, saved[name])

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, on the CPU."""
        return {name: value.detach().cpu() for name, value in self.average.weights.items()}


_PLAIN = (
    "micro_batch",
    "step",
    "best_score",
    "best_step",
    "rounds_since_best",
    "skipped",
)


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
