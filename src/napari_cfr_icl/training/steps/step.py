"""One step of training: gradient accumulation over micro-batches, with ICL passes over each."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import record_function

from napari_cfr_icl.engine.models import ClickModel
from napari_cfr_icl.training.data.click_sampling import next_clicks
from napari_cfr_icl.training.data.sample_rng import SampleRng
from napari_cfr_icl.training.steps.icl import Pass, icl_passes, pass_weights

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.training.data.batches import Batches, Inputs
    from napari_cfr_icl.training.options import TrainOptions
    from napari_cfr_icl.training.steps.encoded_crops import EncodedCrops
    from napari_cfr_icl.training.steps.icl import NextClicks

_LENGTH, _NEXT = 10, 11  # random streams, beside those of the batches


@dataclass(frozen=True, slots=True)
class StepResult:
    """The losses of a step's passes.

    Attributes
    ----------
    losses : list of float
        Mean loss of each pass.
    weights : tuple of float
        Weight of each of them.
    """

    losses: list[float]
    weights: tuple[float, ...]

    @property
    def total(self) -> float:
        """The weighted sum."""
        return sum(w * x for w, x in zip(self.weights, self.losses, strict=True))


@dataclass(frozen=True, slots=True)
class Stepper:
    """Computes the gradient of any step.

    Parameters
    ----------
    model : nn.Module
        The network, or the wrapper that shares its gradients among processes.
    batches : Batches
        Makes the samples.
    options : TrainOptions
        All of them.
    processes : Distributed
        The processes.
    precision : torch.dtype
        float32 or bfloat16, of forward and backward.
    crops : EncodedCrops or None
        Makes the samples instead, where features are kept.
    """

    model: nn.Module
    batches: Batches
    options: TrainOptions
    processes: Distributed
    precision: torch.dtype
    crops: EncodedCrops | None = None

    def gradients(self, step: int, micro_batch: int) -> StepResult:
        """Add up the gradient of one step: of all samples of this process, over all passes."""
        options, mine = self.options, self.processes.share(self.options.schedule.batch)
        source = self.crops or self.batches
        weights = pass_weights(options.icl, chance_at(options.seed, step))
        losses = torch.zeros(len(weights), device=self.processes.device)
        micro_batches = [mine[i : i + micro_batch] for i in range(0, len(mine), micro_batch)]
        upcoming = [(step, samples) for samples in micro_batches[1:]] + [
            (step + 1, micro_batches[0])
        ]
        for samples, following in zip(micro_batches, upcoming, strict=True):
            with record_function("prepare"):
                inputs = source.inputs(step, samples)
            source.expect(*following)
            clicker, is_last = self._clicker(step, samples), samples == micro_batches[-1]
            losses += self._accumulated(inputs, weights, clicker, is_last=is_last)
        losses = self.processes.summed(losses) / options.schedule.batch
        return StepResult(losses.tolist(), weights)

    def _accumulated(
        self, inputs: Inputs, weights: tuple[float, ...], clicker: NextClicks, *, is_last: bool
    ) -> Tensor:
        """Add up the gradient of one micro-batch; returns each pass's sum of losses."""
        encoded = self._encoded(inputs)
        passes = icl_passes(partial(self._forward, encoded), inputs, weights, clicker)
        last_trained = max(index for index, weight in enumerate(weights) if weight > 0)
        losses = torch.zeros(len(weights), device=self.processes.device)
        for index in range(len(weights)):
            with self._keeping_gradients(shared=is_last and index == last_trained):
                one = next(passes)
                losses[index] = one.loss.detach().sum()
                self._backward(one)
        if encoded is not None:
            with record_function("backward"):
                encoded.backward()
        return losses

    def _encoded(self, inputs: Inputs) -> EncodedImages | None:
        # What shares gradients among processes has to be called as a whole.
        if isinstance(self.model, ClickModel) and self.model.caches_image_features:
            images = inputs.images.contiguous(memory_format=torch.channels_last)
            return EncodedImages(self.model, images, inputs.features)
        return None

    def _forward(
        self, encoded: EncodedImages | None, images: Tensor, previous: Tensor, points: Tensor
    ) -> Tensor:
        low = self.precision != torch.float32
        with (
            record_function("forward"),
            torch.autocast(self.processes.device.type, self.precision, enabled=low),
        ):
            if encoded is not None:
                return encoded.decode(previous, points)
            images = images.contiguous(memory_format=torch.channels_last)
            logits: Tensor = self.model(images, previous, points)
        return logits

    def _backward(self, one: Pass) -> None:
        if one.weight == 0:
            return
        # Processes average their gradients; each divides by the whole batch.
        share = one.weight * self.processes.size / self.options.schedule.batch
        with record_function("backward"):
            (share * one.loss.sum()).backward()  # type: ignore[no-untyped-call]

    def _keeping_gradients(self, shared: bool) -> AbstractContextManager[None]:
        """Add gradients up in this process, or with the last pass, share them with the others."""
        if isinstance(self.model, DistributedDataParallel) and not shared:
            quiet: AbstractContextManager[None] = self.model.no_sync()
            return quiet
        return nullcontext()

    def _clicker(self, step: int, samples: range) -> NextClicks:
        rng = SampleRng.at((self.options.seed, _NEXT), step, samples, self.processes.device)
        cascade = self.options.icl.cascade

        def click(probabilities: Tensor, target: Tensor, points: Tensor) -> Tensor:
            with record_function("clicks"):
                clicked = next_clicks(probabilities, target, points, rng.uniform(1))
                if cascade == 0:
                    return clicked
                return torch.where(rng.chance(cascade, 1)[:, :, None], points, clicked)

        return click


class EncodedImages:
    """The features of the pictures of a step, computed once for all of its passes.

    The passes add up a gradient of the features, and `backward` takes it to the weights.

    Parameters
    ----------
    model : ClickModel
        One that caches image features.
    images : Tensor
        (B, 3, H, W).
    features : tuple of Tensor, optional
        Of these images, where a frozen encoder has made them before.
    """

    def __init__(self, model: ClickModel, images: Tensor, features: Features = ()) -> None:
        self._model, self._images = model, images
        self._features = self._leaves = features

    def decode(self, previous: Tensor, points: Tensor) -> Tensor:
        """Logits of a pass."""
        if not self._features:
            # The first pass may be one that is not trained.
            with torch.enable_grad():
                self._features = self._model.encode(self._images)
            self._leaves = tuple(x.detach().requires_grad_(x.requires_grad) for x in self._features)
        return self._model.decode(self._leaves, previous, points)

    def backward(self) -> None:
        """Take the gradient of all passes through the encoder."""
        pairs = zip(self._features, self._leaves, strict=True)
        reached = [(x, leaf.grad) for x, leaf in pairs if leaf.grad is not None]
        if reached:
            torch.autograd.backward([x for x, _ in reached], [grad for _, grad in reached])


def chance_at(seed: int, step: int) -> float:
    """The number from 0 to 1 that decides how many passes a step has, in every process."""
    return float(np.random.default_rng((seed, _LENGTH, step)).random())
