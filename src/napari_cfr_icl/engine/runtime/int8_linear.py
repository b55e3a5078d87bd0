"""Dynamically quantized linear layers, for processors with instructions for 8-bit products."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 127
"""Largest magnitude of a weight in 8 bits."""


def computes_int8() -> bool:
    """True if PyTorch may use this CPU's instructions for sums of 8-bit products (VNNI).

    Without them it is four times slower than float32, and AVX2's own 16-bit sums overflow.
    """
    # Older versions of PyTorch do not say.
    instructions: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    # The first two limit the kernels of PyTorch and of oneDNN below what the processor has.
    return (
        torch.backends.cpu.get_cpu_capability() == "AVX512"
        and "ONEDNN_MAX_CPU_ISA" not in os.environ
        and instructions.get("avx512_vnni", False)
    )


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
            # Deprecated; `run_in` says what happens once it is removed.
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
