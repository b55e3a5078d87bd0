"""The changing part of a run, and its checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.training.steps.encoder import merged_weights
from napari_cfr_icl.training.steps.optimizer import averaged, scheduled

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim.lr_scheduler import LambdaLR
    from torch.optim.swa_utils import AveragedModel

    from napari_cfr_icl.training.options import TrainOptions


@dataclass(slots=True)
class State:
    """The changing part of a run.

    Attributes
    ----------
    model : nn.Module
        The network, with the weights of the last step.
    optimizer : torch.optim.Optimizer
    options : TrainOptions
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
    schedule : LambdaLR
        Of the learning rates.
    average : AveragedModel
        Of the weights: it is validated, and kept in the end.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    options: TrainOptions
    micro_batch: int
    step: int = 0
    best_score: float = math.inf
    best_step: int = -1
    rounds_since_best: int = 0
    skipped: int = 0
    schedule: LambdaLR = field(init=False)
    average: AveragedModel = field(init=False)

    def __post_init__(self) -> None:
        self.schedule = scheduled(self.optimizer, self.options)
        self.average = averaged(self.model, self.options.optimizer.ema)

    def saved(self) -> dict[str, Any]:
        """Everything as tensors and plain values, for a checkpoint."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.module.state_dict(),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        OutputError
            When the network had other weights, or the same in another order: the state of the
            optimizer goes by their order alone.
        """
        if list(saved["model"]) != list(self.model.state_dict()):
            raise OutputError(
                "The run was begun with another version of this network and cannot go on: begin "
                "a new run."
            )
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for name in _PLAIN:
            setattr(self, name, saved[name])
        self.schedule = scheduled(self.optimizer, self.options, self.step)
        self.average.module.load_state_dict(saved["average"])
        self.average.n_averaged.fill_(1 + self.step)

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights, adapters merged, on the CPU."""
        return {name: value.cpu() for name, value in merged_weights(self.average.module).items()}


_PLAIN = ("micro_batch", "step", "best_score", "best_step", "rounds_since_best", "skipped")
