"""Attention by plain matrix products, which a CPU computes faster in 16 bits than PyTorch's own."""

from __future__ import annotations

from torch import Tensor, nn

from napari_cfr_icl.engine.models.plain_vit import Attention


class MatrixAttention(nn.Module):
    """`Attention` with all weights of a sample in memory: (B, heads, tokens, tokens).

    The fused kernel saves that memory, but on windows of 196 tokens it takes twice the time.

    Parameters
    ----------
    attention : Attention
        Its layers are shared.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.qkv, self.proj = attention.qkv, attention.proj

    def forward(self, x: Tensor) -> Tensor:
        """Each token gathers from all tokens of its sample."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        # Contiguous, or the products would copy again and again.
        query, key, value = qkv.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        seen = scores.softmax(dim=-1) @ value
        out: Tensor = self.proj(seen.transpose(1, 2).flatten(2))
        return out


def with_matrix_attention(module: nn.Module) -> None:
    """Replace every `Attention` in a network, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, Attention):
            setattr(module, name, MatrixAttention(child))
        else:
            with_matrix_attention(child)
