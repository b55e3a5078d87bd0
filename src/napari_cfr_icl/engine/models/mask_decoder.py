"""SAM's mask decoder (Kirillov et al. 2023, arXiv 2304.02643): features and clicks to a mask.

Clicks are tokens. They and the places of the picture gather from each other twice; one token then
says how the features, brought to a quarter of the picture's resolution, add up to the logits.
Names and shapes of the weights are those of SAM's checkpoints.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.timm_layers import LayerNorm2d
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH

_HEADS = 8
_LAYERS = 2
_HIDDEN = 2048
_MASK_TOKENS = 4
"""SAM offers one mask, and three for a click that is not clear. Only the first is computed here."""

_FULL = 16
"""Channels of the mask on its way in."""


class Rows(nn.Module):
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
        self.pe_layer = Position()
        self.point_embeddings = nn.ModuleList(Rows(1) for _ in range(2))
        self.not_a_point_embed = Rows(1)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, _FULL // 4, 2, stride=2),
            LayerNorm2d(_FULL // 4),
            nn.GELU(),
            nn.Conv2d(_FULL // 4, _FULL, 2, stride=2),
            LayerNorm2d(_FULL),
            nn.GELU(),
            nn.Conv2d(_FULL, OUT_WIDTH, 1),
        )
        self.no_mask_embed = Rows(1)

    def tokens(self, points: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Clicks as tokens. One beside the picture is no click: nothing there was trained.

        Parameters
        ----------
        points : Tensor
            (B, 2N, 3) rows of (row, column, order), positives first, -1 where there is no click.
        size : tuple of int
            Rows and columns of the picture, in pixels.

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
        places = corners.flip(-1) / max(size)
        negative, positive = (cast("Rows", each).weight for each in self.point_embeddings)
        half = torch.arange(slots, device=points.device)[:, None] < slots // 2
        kinds = torch.where(half, positive, negative)
        embedded = self.pe_layer(places).to(kinds.dtype) + kinds
        nothing = self.not_a_point_embed.weight.expand(len(points), 1, -1)
        empty = F.pad(~inside, (0, 1))
        return torch.cat([embedded, nothing], dim=1), empty

    def mask(self, logits: Tensor, given: Tensor) -> Tensor:
        """The previous mask as features.

        Parameters
        ----------
        logits : Tensor
            (B, 1, 4h, 4w), a quarter of the picture's resolution.
        given : Tensor of bool
            (B, 1, 1, 1): whether there is a previous mask.

        Returns
        -------
        Tensor
            (B, 256, h, w).
        """
        nothing = self.no_mask_embed.weight[..., None, None]
        return torch.where(given, self.mask_downscaling(logits), nothing)


class Position(nn.Module):
    """Where something is, as waves of random lengths that the network was trained with."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(2, OUT_WIDTH // 2))

    def forward(self, places: Tensor) -> Tensor:
        """(.., 2) of (x, y), 0 to 1, to (.., 256), float32 however the rest computes."""
        x, y = (2 * places - 1).unsqueeze(-2).unbind(-1)
        along, down = self.positional_encoding_gaussian_matrix
        # No matrix product, which autocast would bring to 16 bits: a pixel has to be told apart.
        waves = 2 * math.pi * (x * along + y * down)
        return torch.cat([waves.sin(), waves.cos()], dim=-1)

    def grid(self, rows: int, cols: int) -> Tensor:
        """(rows * cols, 256): of every place of features."""
        device, longest = self.positional_encoding_gaussian_matrix.device, max(rows, cols)
        down = (torch.arange(rows, device=device) + 0.5) / longest
        across = (torch.arange(cols, device=device) + 0.5) / longest
        y, x = torch.meshgrid(down, across, indexing="ij")
        waves: Tensor = self(torch.stack([x, y], dim=-1))
        return waves.flatten(0, 1)


class MaskDecoder(nn.Module):
    """Features and tokens to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = TwoWay()
        self.iou_token = Rows(1)
        self.mask_tokens = Rows(_MASK_TOKENS)
        middle, fine = OUT_WIDTH // 4, OUT_WIDTH // 8
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(OUT_WIDTH, middle, 2, stride=2),
            LayerNorm2d(middle),
            nn.GELU(),
            nn.ConvTranspose2d(middle, fine, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList([ThreeLayers(OUT_WIDTH, fine)])

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
            (h * w, 256), of every place.
        clicks, empty : Tensor
            (B, T, 256) and (B, T), from `PromptEncoder.tokens`.
        detail : list of Tensor
            (B, 64, 2h, 2w) and (B, 32, 4h, 4w) to add on the way up; or none.
        """
        batch, _, rows, cols = features.shape
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(batch, -1, -1), clicks], dim=1)
        absent = F.pad(empty, (len(own), 0))
        tokens, places = self.transformer(
            features.flatten(2).transpose(1, 2), position, tokens, absent
        )
        seen = places.transpose(1, 2).reshape(batch, -1, rows, cols)
        up, norm, act, further, act2 = self.output_upscaling
        middle, fine = detail or (0, 0)
        seen = act2(further(act(norm(up(seen) + middle))) + fine)
        mixture = self.output_hypernetworks_mlps[0](tokens[:, 1])
        return torch.einsum("bc,bchw->bhw", mixture, seen)[:, None]


class TwoWay(nn.Module):
    """Tokens and places gather from each other."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(first=at == 0) for at in range(_LAYERS))
        self.final_attn_token_to_image = Gathering(OUT_WIDTH // 2)
        self.norm_final_attn = nn.LayerNorm(OUT_WIDTH)

    def forward(
        self, places: Tensor, position: Tensor, tokens: Tensor, absent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, 256) and places (B, P, 256) as they are afterwards."""
        start = tokens
        # Added to the scores: nobody gathers from a token that stands for nothing.
        barred = torch.zeros(absent.shape, dtype=tokens.dtype, device=tokens.device)
        barred = barred.masked_fill(absent, -1e4)[:, None, None]
        for layer in self.layers:
            tokens, places = layer(tokens, places, start, position, barred)
        gathered = self.final_attn_token_to_image(tokens + start, places + position, places)
        return self.norm_final_attn(tokens + gathered), places


class TwoWayLayer(nn.Module):
    """Tokens among themselves, from the places, on their own; then the places from the tokens."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Gathering(OUT_WIDTH)
        self.norm1 = nn.LayerNorm(OUT_WIDTH)
        self.cross_attn_token_to_image = Gathering(OUT_WIDTH // 2)
        self.norm2 = nn.LayerNorm(OUT_WIDTH)
        self.mlp = nn.ModuleDict(
            {"lin1": nn.Linear(OUT_WIDTH, _HIDDEN), "lin2": nn.Linear(_HIDDEN, OUT_WIDTH)}
        )
        self.norm3 = nn.LayerNorm(OUT_WIDTH)
        self.norm4 = nn.LayerNorm(OUT_WIDTH)
        self.cross_attn_image_to_token = Gathering(OUT_WIDTH // 2)

    def forward(
        self, tokens: Tensor, places: Tensor, start: Tensor, position: Tensor, barred: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens and places as they are afterwards; `start` and `position` say where they are."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens, barred)
        else:
            here = tokens + start
            tokens = tokens + self.self_attn(here, here, tokens, barred)
        tokens = self.norm1(tokens)
        seen = self.cross_attn_token_to_image(tokens + start, places + position, places)
        tokens = self.norm2(tokens + seen)
        hidden = F.relu(self.mlp["lin1"](tokens))
        tokens = self.norm3(tokens + self.mlp["lin2"](hidden))
        told = self.cross_attn_image_to_token(places + position, tokens + start, tokens, barred)
        return tokens, self.norm4(places + told)


class Gathering(nn.Module):
    """Attention: each query gathers values from the keys it is like."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(OUT_WIDTH, width)
        self.k_proj = nn.Linear(OUT_WIDTH, width)
        self.v_proj = nn.Linear(OUT_WIDTH, width)
        self.out_proj = nn.Linear(width, OUT_WIDTH)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, barred: Tensor | None = None
    ) -> Tensor:
        """(B, Q, 256) from (B, K, 256) twice; `barred`, (B, 1, 1, K), is added to the scores."""
        projected = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        q, k, v = (x.unflatten(-1, (_HEADS, -1)).transpose(1, 2) for x in projected)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=barred)
        return cast("Tensor", self.out_proj(seen.transpose(1, 2).flatten(2)))


class ThreeLayers(nn.Module):
    """A token to the mixture of features that makes the mask."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        sizes = ((width, width), (width, width), (width, out))
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in sizes)

    def forward(self, token: Tensor) -> Tensor:
        """(B, width) to (B, out)."""
        first, second, third = self.layers
        return cast("Tensor", third(F.relu(second(F.relu(first(token))))))
