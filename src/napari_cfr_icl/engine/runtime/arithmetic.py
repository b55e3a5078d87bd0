"""Arithmetic of a network on a device, chosen by a rule and not by a stopwatch.

A timed trial would delay the first mask, and choose otherwise, with other masks, beside other work;
see decision 11.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.runtime.batch_norm_folding import fold_batch_norms
from napari_cfr_icl.engine.runtime.convolved_linear import ConvolvedLinear, replace_linears
from napari_cfr_icl.engine.runtime.int8_linear import Int8Linear, computes_int8

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features

Run = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Image (B, 3, H, W), previous mask (B, 1, H, W) and clicks (B, 2N, 3), float32, to logits
(B, 1, H, W), float32; see `ClickModel.forward`."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """Arithmetic that is faster than float32 on a device; it emulates any other.

    Parameters
    ----------
    bfloat16 : bool
        On a GPU with units for it. A CPU that has instructions for it but no matrix unit takes
        longer with them than in float32.
    int8 : bool
        For linear layers, on a CPU.
    """

    bfloat16: bool = False
    int8: bool = False

    @classmethod
    def of(cls, device: torch.device) -> Abilities:
        """The abilities of a device, as PyTorch reports them."""
        if device.type == "cuda":
            with torch.cuda.device(device):
                return cls(bfloat16=torch.cuda.is_bf16_supported(including_emulation=False))
        return cls(int8=device.type == "cpu" and computes_int8())


def fastest(model: ClickModel, abilities: Abilities) -> str:
    """The arithmetic for a person who waits: "float32", "bfloat16" or "int8".

    Parameters
    ----------
    model : ClickModel
        The network. One with batch norms consists of convolutions, which have no 8-bit form here;
        a decoder of cached features would lose too much in 8 bits.
    abilities : Abilities
        Those of its device.
    """
    if abilities.bfloat16:
        return "bfloat16"
    linear = not model.caches_image_features and not _has_batch_norms(model)
    return "int8" if abilities.int8 and linear else "float32"


def run_in(model: ClickModel, arithmetic: str) -> Run:
    """Convert a network: batch norms folded, channels last, linear layers for its device.

    Parameters
    ----------
    model : ClickModel
        In eval mode, float32. It is not changed.
    arithmetic : str
        "float32", "bfloat16", "float16", or "int8", which computes linear layers in 8 bits, with a
        scale for each output and each call, and all else in float32.

    Raises
    ------
    RuntimeError, AttributeError
        When this build of PyTorch lacks it.
    """
    if arithmetic == "int8":
        return _as_run(replace_linears(_sharing_weights(model), Int8Linear))
    convolves = arithmetic == "float32" and next(model.parameters()).device.type == "cpu"
    if arithmetic == "float32" and not _has_batch_norms(model):
        if convolves:
            model = replace_linears(_sharing_weights(model), ConvolvedLinear)
        return _as_run(model)
    dtype = getattr(torch, arithmetic)
    copy = fold_batch_norms(model) if _has_batch_norms(model) else deepcopy(model)
    if convolves:
        replace_linears(copy, ConvolvedLinear)
    precise = {part: deepcopy(copy.get_submodule(part)) for part in copy.float32_parts}
    copy = copy.to(dtype).to(memory_format=torch.channels_last)
    inputs = dtype
    if precise:
        inputs = torch.float32
        copy.image_mean, copy.image_std = model.image_mean, model.image_std
        for name, part in precise.items():
            copy.set_submodule(name, part.to(memory_format=torch.channels_last))

    def converted(values: Tensor) -> Tensor:
        return values.to(inputs, memory_format=torch.channels_last)

    if copy.caches_image_features:
        return EncoderCache(lambda image: copy.encode(converted(image)), copy.decode)
    return lambda image, previous, points: copy.forward_maps(
        converted(image), converted(model.draw_maps(previous, points))
    ).float()


class EncoderCache:
    """Runs a network that caches image features, encoding each image once.

    Images are compared pixel by pixel, which takes a hundredth of the encoding: a window can stay
    the same while the contrast, and so the image, changes. The last image, or batch, is kept, and
    must not be changed afterwards.

    Parameters
    ----------
    encode, decode : callable
        See `ClickModel`.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Features],
        decode: Callable[[Features, Tensor, Tensor], Tensor],
    ) -> None:
        self._encode, self._decode = encode, decode
        self._image: Tensor | None = None
        self._features: Features = ()

    def __call__(self, image: Tensor, previous: Tensor, points: Tensor) -> Tensor:
        """Logits, as `Run` says."""
        if self._image is None or not torch.equal(image, self._image):
            self._features, self._image = self._encode(image), image
        return self._decode(self._features, previous, points)


def _sharing_weights(model: ClickModel) -> ClickModel:
    """A copy with the same weights, whose layers can be replaced."""
    return deepcopy(model, {id(x): x for x in (*model.parameters(), *model.buffers())})


def _as_run(model: ClickModel) -> Run:
    return EncoderCache(model.encode, model.decode) if model.caches_image_features else model


def _has_batch_norms(model: nn.Module) -> bool:
    return any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
