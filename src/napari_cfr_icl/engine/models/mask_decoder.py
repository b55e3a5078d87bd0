"""SAM's prompt encoder and mask decoder (Kirillov et al. 2023, arXiv 2304.02643).

Clicks become tokens. Tokens and image features attend to each other in two blocks; a small MLP then
turns one output token into the weights with which the upscaled features add up to the logits.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.timm_layers import LayerNorm2d, Mlp
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH

_HEADS = 8
_BLOCKS = 2
_MLP_WIDTH = 2048
_MASK_TOKENS = 4
"""SAM offers one mask, and three for an ambiguous click. Only the first is computed here."""

_MASK_WIDTH = 16
"""Channels of the downscaled previous mask."""

_MASKED_SCORE = -1e4
"""Added to the attention scores of padding tokens; finite in 16 bits."""


class TokenEmbedding(nn.Module):
    """Learned tokens, (count, 256).

    Not PyTorch's Embedding: to make one without memory it imports its compiler, which takes seconds
    and, in a process that draws with Mesa, ends it.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(count, OUT_WIDTH))


class PromptEncoder(nn.Module):
    """Clicks to tokens, the previous mask to features."""

    def __init__(self) -> None:
        super().__init__()
        self.pe_layer = PositionEncoding()
        self.point_embeddings = nn.ModuleList(TokenEmbedding(1) for _ in range(2))
        self.not_a_point_embed = TokenEmbedding(1)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, _MASK_WIDTH // 4, 2, stride=2),
            LayerNorm2d(_MASK_WIDTH // 4),
            nn.GELU(),
            nn.Conv2d(_MASK_WIDTH // 4, _MASK_WIDTH, 2, stride=2),
            LayerNorm2d(_MASK_WIDTH),
            nn.GELU(),
            nn.Conv2d(_MASK_WIDTH, OUT_WIDTH, 1),
        )
        self.no_mask_embed = TokenEmbedding(1)

    def tokens(self, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Clicks as tokens. Clicks outside the image are ignored: SAM was never trained on any.

        Parameters
        ----------
        points : Tensor
            (B, 2N, 3) rows of (row, column, order), positives first, -1 where there is no click.
        size : tuple of int
            Rows and columns of the image, in pixels.

        Returns
        -------
        tokens : Tensor
            (B, 2N + 1, 256); the last one stands for no click.
        empty : Tensor of bool
            (B, 2N + 1): slots without a click.
        """
        slots = points.shape[1]
        corners = points[..., :2].float() + 0.5
        limits = torch.tensor(size, device=points.device)
        inside = ((corners >= 0) & (corners <= limits)).all(dim=-1)
        positions = corners.flip(-1) / max(size)
        negative, positive = (cast("TokenEmbedding", x).weight for x in self.point_embeddings)
        half = torch.arange(slots, device=points.device)[:, None] < slots // 2
        kinds = torch.where(half, positive, negative)
        embedded = self.pe_layer(positions).to(kinds.dtype) + kinds
        padding = self.not_a_point_embed.weight.expand(len(points), 1, -1)
        empty = F.pad(~inside, (0, 1))
        return torch.cat([embedded, padding], dim=1), empty

    def mask(self, logits: Tensor, given: Tensor) -> Tensor:
        """The previous mask as features.

        Parameters
        ----------
        logits : Tensor
            (B, 1, 4h, 4w), a quarter of the image's resolution.
        given : Tensor of bool
            (B, 1, 1, 1): whether there is a previous mask.

        Returns
        -------
        Tensor
            (B, 256, h, w).
        """
        no_mask = self.no_mask_embed.weight[..., None, None]
        return torch.where(given, self.mask_downscaling(logits), no_mask)


class PositionEncoding(nn.Module):
    """Random Fourier features of a position, with the frequencies SAM was trained with."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(2, OUT_WIDTH // 2))

    def forward(self, positions: Tensor) -> Tensor:
        """(.., 2) of (x, y), 0 to 1, to (.., 256), float32 however the rest computes."""
        x, y = (2 * positions - 1).unsqueeze(-2).unbind(-1)
        along, down = self.positional_encoding_gaussian_matrix
        # No matrix product, which autocast would bring to 16 bits: too coarse to tell pixels apart.
        phases = 2 * math.pi * (x * along + y * down)
        return torch.cat([phases.sin(), phases.cos()], dim=-1)

    def grid(self, rows: int, cols: int) -> Tensor:
        """Encodings of all positions of a feature map: (rows * cols, 256)."""
        device, longest = self.positional_encoding_gaussian_matrix.device, max(rows, cols)
        down = (torch.arange(rows, device=device) + 0.5) / longest
        across = (torch.arange(cols, device=device) + 0.5) / longest
        y, x = torch.meshgrid(down, across, indexing="ij")
        encodings: Tensor = self(torch.stack([x, y], dim=-1))
        return encodings.flatten(0, 1)


class MaskDecoder(nn.Module):
    """Features and tokens to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer()
        self.iou_token = TokenEmbedding(1)
        self.mask_tokens = TokenEmbedding(_MASK_TOKENS)
        middle, fine = OUT_WIDTH // 4, OUT_WIDTH // 8
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(OUT_WIDTH, middle, 2, stride=2),
            LayerNorm2d(middle),
            nn.GELU(),
            nn.ConvTranspose2d(middle, fine, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList([HypernetworkMlp(OUT_WIDTH, fine)])

    def forward(
        self,
        features: Tensor,
        position: Tensor,
        clicks: Tensor,
        empty: Tensor,
        detail: list[Tensor],
    ) -> Tensor:
        """Logits (B, 1, 4h, 4w).

        Parameters
        ----------
        features : Tensor
            (B, 256, h, w), the previous mask added.
        position : Tensor
            (h * w, 256), encodings of all positions.
        clicks, empty : Tensor
            (B, T, 256) and (B, T), from `PromptEncoder.tokens`.
        detail : list of Tensor
            (B, 64, 2h, 2w) and (B, 32, 4h, 4w) to add while upscaling; or none.
        """
        batch, _, rows, cols = features.shape
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([output_tokens.expand(batch, -1, -1), clicks], dim=1)
        padding = F.pad(empty, (len(output_tokens), 0))
        tokens, image = self.transformer(
            features.flatten(2).transpose(1, 2), position, tokens, padding
        )
        image = image.transpose(1, 2).reshape(batch, -1, rows, cols)
        up, norm, act, up2, act2 = self.output_upscaling
        middle, fine = detail or (0, 0)
        upscaled = act2(up2(act(norm(up(image) + middle))) + fine)
        mixture = self.output_hypernetworks_mlps[0](tokens[:, 1])
        return torch.einsum("bc,bchw->bhw", mixture, upscaled)[:, None]


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


class HypernetworkMlp(nn.Module):
    """Three linear layers from an output token to the weights of the upscaled features."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, n) for n in (width, width, out))

    def forward(self, token: Tensor) -> Tensor:
        """(B, width) to (B, out)."""
        first, second, third = self.layers
        return cast("Tensor", third(F.relu(second(F.relu(first(token))))))
