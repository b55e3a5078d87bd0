"""Two-way transformer of SAM's decoder (Kirillov et al. 2023, arXiv 2304.02643).

In two blocks, tokens and image features attend to each other.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.timm_layers import Mlp
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH

_HEADS = 8
_BLOCKS = 2
_MLP_WIDTH = 2048

_MASKED_SCORE = -1e4
"""Added to the attention scores of padding tokens; finite in 16 bits."""


class TwoWayTransformer(nn.Module):
    """Blocks in which tokens and image attend to each other, and a last attention to the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(first=index == 0) for index in range(_BLOCKS))
        self.final_attn_token_to_image = Attention(OUT_WIDTH // 2)
        self.norm_final_attn = nn.LayerNorm(OUT_WIDTH)

    def forward(
        self, image: Tensor, position: Tensor, tokens: Tensor, padding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """New tokens (B, T, 256) and image features (B, P, 256); `padding` is (B, T) of bool."""
        prompt = tokens
        mask = torch.zeros(padding.shape, dtype=tokens.dtype, device=tokens.device)
        mask = mask.masked_fill(padding, _MASKED_SCORE)[:, None, None]
        for block in self.layers:
            tokens, image = block(tokens, image, prompt, position, mask)
        attended = self.final_attn_token_to_image(tokens + prompt, image + position, image)
        return self.norm_final_attn(tokens + attended), image


class TwoWayBlock(nn.Module):
    """Self-attention of the tokens, tokens to image, an MLP, and image to tokens."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(OUT_WIDTH)
        self.norm1 = nn.LayerNorm(OUT_WIDTH)
        self.cross_attn_token_to_image = Attention(OUT_WIDTH // 2)
        self.norm2 = nn.LayerNorm(OUT_WIDTH)
        self.mlp = Mlp(OUT_WIDTH, _MLP_WIDTH, act_layer=nn.ReLU)
        self.norm3 = nn.LayerNorm(OUT_WIDTH)
        self.norm4 = nn.LayerNorm(OUT_WIDTH)
        self.cross_attn_image_to_token = Attention(OUT_WIDTH // 2)

    def forward(
        self, tokens: Tensor, image: Tensor, prompt: Tensor, position: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """New tokens and image features; `prompt` and `position` are added to queries and keys."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens, mask)
        else:
            query = tokens + prompt
            tokens = tokens + self.self_attn(query, query, tokens, mask)
        tokens = self.norm1(tokens)
        attended = self.cross_attn_token_to_image(tokens + prompt, image + position, image)
        tokens = self.norm2(tokens + attended)
        tokens = self.norm3(tokens + self.mlp(tokens))
        attended = self.cross_attn_image_to_token(image + position, tokens + prompt, tokens, mask)
        return tokens, self.norm4(image + attended)


class Attention(nn.Module):
    """Multi-head attention whose heads are `width` channels wide in all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(OUT_WIDTH, width)
        self.k_proj = nn.Linear(OUT_WIDTH, width)
        self.v_proj = nn.Linear(OUT_WIDTH, width)
        self.out_proj = nn.Linear(width, OUT_WIDTH)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """(B, Q, 256) from (B, K, 256) twice; `mask`, (B, 1, 1, K), is added to the scores."""
        projected = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        q, k, v = (x.unflatten(-1, (_HEADS, -1)).transpose(1, 2) for x in projected)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return cast("Tensor", self.out_proj(attended.transpose(1, 2).flatten(2)))
