"""Dynamically quantized linear layers, for processors that are fastest at 8-bit integers."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

Model = TypeVar("Model", bound=nn.Module)

LARGEST = 127
"""Largest magnitude of a weight in 8 bits."""


class Int8Linear(nn.Module):
    """A linear layer with 8-bit weights, one scale for each output.

    The scale of the inputs is computed at every call, so no calibration is needed.

    Parameters
    ----------
    linear : nn.Linear
        The layer to replace.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float().cpu()
        scales = (weight.abs().amax(dim=1) / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        zeros = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings():
            # Deprecated; once it is removed, the trial passes this variant over.
            warnings.simplefilter("ignore")
            small = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = linear.bias.detach().float().cpu()
        with _onednn_engine():
            self._packed = torch.ops.quantized.linear_prepack(small, bias)

    def forward(self, values: Tensor) -> Tensor:
        """`values` (..., inputs) of any float type to (..., outputs) of the same."""
        result: Tensor = torch.ops.quantized.linear_dynamic(values.float(), self._packed)
        return result.to(values.dtype)


@contextmanager
def _onednn_engine() -> Iterator[None]:
    """Pack weights for oneDNN if available: 5 % faster than the default."""
    engines = torch.backends.quantized
    before = engines.engine
    if "onednn" in engines.supported_engines:
        engines.engine = "onednn"
    try:
        yield
    finally:
        engines.engine = before


def quantize_linears(model: Model) -> Model:
    """Replace every linear layer of a network, in place, and return the network."""
    for name, child in list(model.named_children()):
        if isinstance(child, nn.Linear):
            setattr(model, name, Int8Linear(child))
        else:
            quantize_linears(child)
    return model
