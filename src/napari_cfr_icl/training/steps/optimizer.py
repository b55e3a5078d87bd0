"""Optimizer, learning rate schedule, and the moving average of the weights."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.training.steps.encoder import ADAPTERS
from napari_cfr_icl.zoo.key_maps import published_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cfr_icl.training.options import OptimizerOptions, ScheduleOptions, TrainOptions

BACKBONES = ("feature_extractor.", "backbone.", "image_encoder.")
# The heads of the HRNet lie inside its feature extractor.
_HEADS = tuple(f"feature_extractor.{name}" for name in ("aux_head", "conv3x3_ocr", "ocr_", "cls_"))
_BLOCK = re.compile(r"backbone\.blocks\.(\d+)\.")


def make_optimizer(model: nn.Module, options: OptimizerOptions) -> torch.optim.Optimizer:
    """An optimizer over all parameters that learn, each group with its own rate.

    Raises
    ------
    SettingsError
        When `frozen` names nothing, or everything.
    """
    freeze(model, options.frozen)
    for name, parameter in model.named_parameters():
        if name.startswith(getattr(model, "untrained_parts", ())):
            parameter.requires_grad_(False)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    depth = sum(1 for name, _ in model.named_modules() if _BLOCK.fullmatch(f"{name}."))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # Scales, shifts and a ViT's positions are not pulled towards zero.
            decay = options.weight_decay if parameter.ndim > 1 and "pos_embed" not in name else 0.0
            groups.setdefault((_share(name, depth, options), decay), []).append(parameter)
    settings = [
        {"params": parameters, "weight_decay": decay, "share": share, "lr": options.rate * share}
        for (share, decay), parameters in groups.items()
    ]
    if not settings:
        raise SettingsError("optimizer.frozen leaves nothing that could learn.")
    if options.name == "adam":
        return torch.optim.Adam([{**group, "weight_decay": 0.0} for group in settings])
    return torch.optim.AdamW(settings)


def freeze(model: nn.Module, prefixes: tuple[str, ...]) -> None:
    """Let the parameters whose published names begin with one of `prefixes` stay as they are."""
    named = [(published_name(name), parameter) for name, parameter in model.named_parameters()]
    for prefix in prefixes:
        found = [parameter for name, parameter in named if name.startswith(prefix)]
        if not found:
            raise SettingsError(f"No parameter begins with {prefix!r} (optimizer.frozen).")
        for parameter in found:
            parameter.requires_grad_(False)


def _share(name: str, depth: int, options: OptimizerOptions) -> float:
    """Rate of a parameter over the rate of the head."""
    if not name.startswith(BACKBONES) or name.startswith(_HEADS) or name.endswith(ADAPTERS):
        return 1.0
    share = options.backbone_rate
    if options.layer_decay < 1:
        block = _BLOCK.match(name)
        layer = int(block[1]) + 1 if block else 0
        share *= options.layer_decay ** (depth - layer)
    return share


def rate_at(step: int, options: ScheduleOptions) -> float:
    """Learning rate at a step over the highest one: a rise, then half a cosine."""
    rise = max(1, round(options.warm_up * options.steps))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, options.steps - rise)
    return options.final_rate + (1 - options.final_rate) * 0.5 * (1 + math.cos(math.pi * done))


def scheduled(optimizer: torch.optim.Optimizer, options: TrainOptions, step: int = 0) -> LambdaLR:
    """The learning rate of each group from `step` on: its share of the highest, by `rate_at`."""
    for group in optimizer.param_groups:
        group["initial_lr"] = options.optimizer.rate * group["share"]
    return LambdaLR(optimizer, partial(rate_at, options=options.schedule), last_epoch=step - 1)


def averaged(model: nn.Module, memory: float) -> AveragedModel:
    """Exponential moving average of a network's parameters and buffers.

    Parameters
    ----------
    model : nn.Module
        Its present weights are the start.
    memory : float
        Share of the old average that stays at each update; 0 follows the model.
    """

    def update(old: Any, new: Any, count: Any) -> None:
        # Young averages forget faster, or the first, untrained weights would linger.
        kept = min(memory, int(count) / (9 + int(count)))
        for average, value in zip(old, new, strict=True):
            average.lerp_(value, 1 - kept) if value.is_floating_point() else average.copy_(value)

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    average.n_averaged.fill_(1)  # the start
    return average


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw what torch itself draws (dropout) from `seed`, and leave no trace of it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
