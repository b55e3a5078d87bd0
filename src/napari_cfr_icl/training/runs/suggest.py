"""Suggested settings for this machine and this many pictures, and their duration."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl._options import with_values
from napari_cfr_icl.engine.runtime.device import out_of_memory, pick_device
from napari_cfr_icl.training.runs.setup import prepared_model
from napari_cfr_icl.training.steps.precision import precision_on

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.training.options import TrainOptions

STEPS_FOR = ((20, 200), (50, 400), (1000, 600), (10_000, 2000))
"""Up to so many pictures, so many steps."""

MOST_STEPS = 5000
_GIB = 2**30
_BATCH_FOR_GIB = ((40, 32), (12, 16), (0, 8))
_TRIALS = 2
_OVERHEAD = 1.15
"""Of preparing samples, simulating clicks and updating weights, over forward and backward alone."""

_PASSES_PER_CLICK = 1.5
_MEASURED_CLICKS = 0.6
"""Share of the allowed clicks that a held-out object takes."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings to begin with.

    Attributes
    ----------
    device : str
        "cpu", "cuda", ...
    machine : str
        The device in words.
    values : dict
        Other values than the recipe's, by section and name.
    seconds : float
        Estimated duration of a run with them.
    """

    device: str
    machine: str
    values: dict[str, Any]
    seconds: float


def suggest(options: TrainOptions, pictures: int, device: str = "auto") -> Suggestion:
    """Settings for this machine; tries the network for a few seconds.

    Parameters
    ----------
    options : TrainOptions
        A recipe.
    pictures : int
        Number of training pictures.
    device : str, optional
        "auto", "cpu", "cuda", ...

    Raises
    ------
    CfrIclError
        When the base model or the device cannot be had.
    """
    where = pick_device(device)
    steps = next((steps for most, steps in STEPS_FOR if pictures <= most), MOST_STEPS)
    schedule = {"steps": steps, "batch": _batch(options, where)}
    values = {"schedule": schedule, "validation": {"every": max(1, steps // 6)}}
    chosen = with_values(options, values)
    return Suggestion(where.type, _machine(where), values, estimate(chosen, where))


def estimate(options: TrainOptions, device: torch.device) -> float:
    """Seconds that a run takes, from a trial of its network.

    Raises
    ------
    DeviceError
        When not even a sample fits the memory.
    """
    model = prepared_model(options, device)
    precision = precision_on(device, options.schedule.precision)
    try:
        passes = (1 + len(options.icl.weights)) / 2 if options.icl.enabled else 1
        learn = _seconds_for(passes, model, options, precision)
        look = _seconds(model, options, precision, learning=False)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise DeviceError(
            f"{device} is out of memory with a single sample; lower data.side."
        ) from error
    steps, validation = options.schedule.steps, options.validation
    rounds = 1 + (steps // validation.every if validation.every else 0)
    clicks = validation.max_clicks * _MEASURED_CLICKS * _PASSES_PER_CLICK
    measured = rounds * validation.objects + 2 * validation.gate_objects
    training = steps * options.schedule.batch * learn * _OVERHEAD
    return training + measured * clicks * look


def _seconds_for(
    passes: float, model: ClickModel, options: TrainOptions, precision: torch.dtype
) -> float:
    """Seconds to learn from so many passes over one sample, which some networks encode once."""
    one = _seconds(model, options, precision, learning=True)
    if not model.caches_image_features:
        return passes * one
    return one + (passes - 1) * (_seconds(model, options, precision, True, passes=2) - one)


def _seconds(
    model: ClickModel,
    options: TrainOptions,
    precision: torch.dtype,
    learning: bool,
    passes: int = 1,
) -> float:
    """Seconds to encode one sample and run some passes, with or without learning from them."""
    parameter = next(model.parameters())
    side = model.nearest_size(options.data.side, options.data.side)
    shape = (2 if learning else 1, 3, *side)
    image = torch.rand(shape, device=parameter.device)
    nothing = torch.zeros_like(image[:, :1])
    points = torch.full((len(image), 2, 3), -1.0, device=parameter.device)
    least = float("inf")
    for _ in range(1 + _TRIALS):
        begun = time.perf_counter()
        with (
            torch.set_grad_enabled(learning),
            torch.autocast(parameter.device.type, precision, precision != torch.float32),
        ):
            features = model.encode(image)
            answers = [model.decode(features, nothing, points) for _ in range(passes)]
            logits = torch.cat(answers)
        if learning:
            logits.float().mean().backward()  # type: ignore[no-untyped-call]
        logits.detach().cpu()
        least = min(least, (time.perf_counter() - begun) / len(image))
    return least


def _batch(options: TrainOptions, device: torch.device) -> int:
    if device.type != "cuda":
        return options.schedule.batch
    memory = torch.cuda.get_device_properties(device).total_memory / _GIB
    return next(batch for least, batch in _BATCH_FOR_GIB if memory >= least)


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / _GIB
        return f"{torch.cuda.get_device_name(device)} with {memory:.0f} GiB"
    count = torch.get_num_threads()
    return f"{count} processor core{'' if count == 1 else 's'}, no GPU"
