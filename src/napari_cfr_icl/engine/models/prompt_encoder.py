"""SAM's prompt encoder (Kirillov et al. 2023, arXiv 2304.02643).

Clicks and boxes become tokens, the previous mask becomes features.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.models.timm_layers import LayerNorm2d
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH

_MASK_WIDTH = 16
"""Channels of the downscaled previous mask."""


class TokenEmbedding(nn.Module):
    """Learned tokens, (count, 256).

    Not PyTorch's Embedding: to make one without memory it imports its compiler, which takes seconds
    and, in a process that draws with Mesa, ends it.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(count, OUT_WIDTH))


class PromptEncoder(nn.Module):
    """Clicks and boxes to tokens, the previous mask to features.

    Parameters
    ----------
    kinds : int
        4 with the corners of boxes, 2 without.
    pads_boxes : bool
        Whether the token for no further click is there also beside a box, as in SAM 2.
    """

    def __init__(self, kinds: int = 2, pads_boxes: bool = False) -> None:
        super().__init__()
        self.pads_boxes = pads_boxes
        self.pe_layer = PositionEncoding()
        self.point_embeddings = nn.ModuleList(TokenEmbedding(1) for _ in range(kinds))
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

    def tokens(
        self, points: Tensor, size: tuple[int, int], boxes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Clicks and boxes as tokens. Clicks outside the image are ignored: SAM never saw any.

        Parameters
        ----------
        points : Tensor
            (B, 2N, 3) rows of (row, column, order), positives first, -1 where there is no click.
        size : tuple of int
            Rows and columns of the image, in pixels.
        boxes : Tensor, optional
            (B, 4) rows of (top, left, bottom, right), -1 where there is no box.

        Returns
        -------
        tokens : Tensor
            (B, T, 256): clicks, then the corners of boxes, then the one for no further click.
        empty : Tensor of bool
            (B, T): slots without a prompt.
        """
        slots = points.shape[1]
        inside = _inside(points[..., :2].float(), size)
        half = torch.arange(slots, device=points.device)[:, None] < slots // 2
        negative, positive = self._kinds()[:2]
        embedded = [self._embedded(points[..., :2], torch.where(half, positive, negative), size)]
        empty = [~inside]
        padded = torch.ones(len(points), 1, dtype=torch.bool, device=points.device)
        if boxes is not None:
            corners = boxes.reshape(-1, 2, 2)
            embedded.append(self._embedded(corners, torch.cat(self._kinds()[2:]), size))
            given = (boxes[:, 2:] >= 0).all(dim=1, keepdim=True)
            empty.append(~given.expand(-1, 2))
            padded = padded if self.pads_boxes else ~given
        embedded.append(self.not_a_point_embed.weight.expand(len(points), 1, -1))
        return torch.cat(embedded, dim=1), torch.cat([*empty, ~padded], dim=1)

    def _kinds(self) -> list[Tensor]:
        return [cast("TokenEmbedding", kind).weight for kind in self.point_embeddings]

    def _embedded(self, places: Tensor, kinds: Tensor, size: tuple[int, int]) -> Tensor:
        """Tokens of (row, column) places, (B, T, 2), of these kinds, (T, 256)."""
        positions = (places.float() + 0.5).flip(-1) / max(size)
        return cast("Tensor", self.pe_layer(positions).to(kinds.dtype) + kinds)

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


def _inside(places: Tensor, size: tuple[int, int]) -> Tensor:
    """True for (row, column) places within an image of `size`; pixel centres are whole numbers."""
    limits = torch.tensor(size, device=places.device)
    return ((places >= -0.5) & (places + 0.5 <= limits)).all(dim=-1)
