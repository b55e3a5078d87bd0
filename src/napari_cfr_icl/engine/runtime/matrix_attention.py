"""Attention by plain matrix products, which a CPU computes faster in 16 bits than PyTorch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def use_matrix_attention(model: nn.Module) -> None:
    """Have timm's attention layers in a network keep all scores of a sample in memory.

    The fused kernel saves that memory, but on windows of 196 tokens it takes twice the time.
    """
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # type: ignore[assignment]
