"""Precision: bfloat16 on GPUs made for it, else float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_cfr_icl.engine.runtime.arithmetic import Abilities
from napari_cfr_icl.engine.runtime.batch_norm_folding import fold_batch_norms

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features


def precision_on(device: torch.device, wanted: str = "auto") -> torch.dtype:
    """The arithmetic that is wanted, or that suits the device.

    Parameters
    ----------
    device : torch.device
    wanted : {"auto", "float32", "bfloat16"}, optional
    """
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    return torch.bfloat16 if Abilities.of(device).bfloat16 else torch.float32


def for_measuring(model: ClickModel, device: torch.device, precision: torch.dtype) -> ClickModel:
    """The network in the arithmetic of its training; in bfloat16 a copy, cast as there."""
    if precision == torch.float32:
        return model
    model = fold_batch_norms(model).to(device).to(memory_format=torch.channels_last)
    encode, decode = model.encode, model.decode

    def cast_encode(image: Tensor) -> Features:
        with torch.autocast(device.type, precision):
            return encode(image.contiguous(memory_format=torch.channels_last))

    def cast_decode(features: Features, previous: Tensor, points: Tensor) -> Tensor:
        with torch.autocast(device.type, precision):
            return decode(features, previous, points).float()

    model.encode, model.decode = cast_encode, cast_decode  # type: ignore[method-assign]
    return model
