"""Iterative Click Loss (paper section 3.2): every output on the way to the last click is trained.

A training step is a row of passes. Each pass has a weight; between two passes one simulated click
is added where the last output is wrong. Only the weights tell the schemes apart:

    ICL as published        0 1 2 3     the output of the starting clicks is not trained
    ICL as in the program   1 2 3       cut to a random length; the first output is trained too
    without ICL (RITM)      0 .. 0 1    a random number of passes, the last output alone is trained
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_cfr_icl.training.steps.losses import normalized_focal_loss

if TYPE_CHECKING:
    from napari_cfr_icl.training.data.batches import Inputs
    from napari_cfr_icl.training.options import IclOptions

NextClicks = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of the network within a step.

    Attributes
    ----------
    loss : Tensor, shape (B,)
        Normalised focal loss of each sample, not weighted.
    weight : float
        Weight of the loss; at 0 it carries no gradient.
    logits : Tensor, shape (B, 1, H, W)
    points : Tensor, shape (B, 2N, 3)
        The clicks that the network saw.
    """

    loss: Tensor
    weight: float
    logits: Tensor
    points: Tensor


def pass_weights(options: IclOptions, chance: float) -> tuple[float, ...]:
    """The weight of each pass of one step.

    Parameters
    ----------
    options : IclOptions
        Which scheme, and its weights.
    chance : float
        A number from 0 to 1 that decides a random length.
    """
    if not options.enabled:
        return (0.0,) * int(chance * (options.max_untrained_passes + 1)) + (1.0,)
    if options.first_pass == "paper":
        return (0.0, *options.weights)
    return options.weights[: 1 + int(chance * len(options.weights))]


def icl_passes(
    model: Callable[[Tensor, Tensor, Tensor], Tensor],
    inputs: Inputs,
    weights: Sequence[float],
    next_clicks: NextClicks,
) -> Iterator[Pass]:
    """Run the passes of a step, one by one.

    Neither the fed-back mask nor the clicks carry a gradient, so the graphs of two passes share
    nothing: calling `backward` on each before asking for the next gives the gradient of the sum
    at a third of the memory.

    Parameters
    ----------
    model : callable
        The network, called with (image, previous mask, points).
    inputs : Inputs
        Images, target, and what the first pass starts with.
    weights : sequence of float
        From `pass_weights`.
    next_clicks : callable
        (probabilities, target, points) -> points with one click more.

    Yields
    ------
    Pass
    """
    target, previous, points = inputs.target, inputs.previous, inputs.points
    for index, weight in enumerate(weights):
        with torch.set_grad_enabled(weight > 0):
            logits = model(inputs.images, previous, points)
            loss = normalized_focal_loss(logits, target)
        yield Pass(loss, weight, logits, points)
        if index + 1 < len(weights):
            previous = torch.sigmoid(logits.detach().float())
            points = next_clicks(previous, target, points)
