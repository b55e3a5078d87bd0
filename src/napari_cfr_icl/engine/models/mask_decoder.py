"""Mask decoders of SAM (Kirillov et al. 2023, arXiv 2304.02643) and SAM 2 (arXiv 2408.00714).

After a two-way transformer of tokens and image features, each mask token becomes, in a small MLP,
the weights with which the upscaled features add up to the logits of its mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.prompt_encoder import TokenEmbedding
from napari_cfr_icl.engine.models.timm_layers import LayerNorm2d
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH
from napari_cfr_icl.engine.models.two_way_transformer import TwoWayTransformer

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK_TOKENS = 4
"""One mask, and three for an ambiguous click."""

_MIDDLE, _FINE = OUT_WIDTH // 4, OUT_WIDTH // 8
"""Channels while upscaling."""


class MaskDecoder(nn.Module):
    """Features and tokens to the logits of masks, and their predicted qualities.

    Parameters
    ----------
    full : bool
        Whether there are the three masks for an ambiguous click, and qualities to choose by;
        otherwise there is the single mask alone.
    """

    def __init__(self, full: bool = False) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer()
        self.iou_token = TokenEmbedding(1)
        self.mask_tokens = TokenEmbedding(MASK_TOKENS)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(OUT_WIDTH, _MIDDLE, 2, stride=2),
            LayerNorm2d(_MIDDLE),
            nn.GELU(),
            nn.ConvTranspose2d(_MIDDLE, _FINE, 2, stride=2),
            nn.GELU(),
        )
        masks = MASK_TOKENS if full else 1
        self.output_hypernetworks_mlps = nn.ModuleList(ThreeLayers(_FINE) for _ in range(masks))
        self.iou_prediction_head = ThreeLayers(MASK_TOKENS) if full else None

    def forward(
        self,
        features: Tensor,
        position: Tensor,
        prompts: Tensor,
        empty: Tensor,
        detail: Sequence[Tensor],
    ) -> Tensor:
        """Logits (B, masks, 4h, 4w), the single mask first; see `masks`."""
        return self.masks(features, position, prompts, empty, detail)[0]

    def masks(
        self,
        features: Tensor,
        position: Tensor,
        prompts: Tensor,
        empty: Tensor,
        detail: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Every mask and its quality, and what the masks are mixed of.

        Parameters
        ----------
        features : Tensor
            (B, 256, h, w), the previous mask added.
        position : Tensor
            (h * w, 256), encodings of all positions.
        prompts, empty : Tensor
            (B, T, 256) and (B, T), from `PromptEncoder.tokens`.
        detail : sequence of Tensor
            (B, 64, 2h, 2w) and (B, 32, 4h, 4w) to add while upscaling; or none.

        Returns
        -------
        logits : Tensor
            (B, masks, 4h, 4w), the single mask first.
        quality : Tensor
            (B, masks), the predicted intersection over union; zeros if nothing predicts it.
        upscaled : Tensor
            (B, 32, 4h, 4w), the features that the logits are mixed of.
        """
        batch, _, rows, cols = features.shape
        own = self.output_tokens()
        tokens = torch.cat([own.expand(batch, -1, -1), prompts], dim=1)
        padding = F.pad(empty, (len(own), 0))
        tokens, image = self.transformer(
            features.flatten(2).transpose(1, 2), position, tokens, padding
        )
        image = image.transpose(1, 2).reshape(batch, -1, rows, cols)
        up, norm, act, up2, act2 = self.output_upscaling
        middle, fine = detail or (0, 0)
        upscaled = act2(up2(act(norm(up(image) + middle))) + fine)
        first = len(own) - MASK_TOKENS
        mixtures = [
            mlp(tokens[:, first + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)
        ]
        logits = torch.einsum("bmc,bchw->bmhw", torch.stack(mixtures, dim=1), upscaled)
        return logits, self.quality(tokens[:, first - 1], logits), upscaled

    def output_tokens(self) -> Tensor:
        """Tokens in front of the prompts: one for the qualities, then one for each mask."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def quality(self, token: Tensor, logits: Tensor) -> Tensor:
        """Predicted intersection over union of each mask: (B, masks)."""
        if self.iou_prediction_head is None:
            return torch.zeros_like(logits[:, :, 0, 0])
        return cast("Tensor", self.iou_prediction_head(token))


class Sam2MaskDecoder(MaskDecoder):
    """SAM 2's: a token for the object's presence, lateral convolutions of finer features."""

    def __init__(self) -> None:
        super().__init__(full=True)
        self.obj_score_token = TokenEmbedding(1)
        self.conv_s0 = nn.Conv2d(OUT_WIDTH, _FINE, 1)
        self.conv_s1 = nn.Conv2d(OUT_WIDTH, _MIDDLE, 1)

    def output_tokens(self) -> Tensor:
        """As SAM's, behind a token for the object's presence."""
        return torch.cat([self.obj_score_token.weight, super().output_tokens()])

    def quality(self, token: Tensor, logits: Tensor) -> Tensor:
        """As SAM's, 0 to 1."""
        return super().quality(token, logits).sigmoid()


class ThreeLayers(nn.Module):
    """Three linear layers from an output token to `out` numbers."""

    def __init__(self, out: int) -> None:
        super().__init__()
        widths = (OUT_WIDTH, OUT_WIDTH, out)
        self.layers = nn.ModuleList(nn.Linear(OUT_WIDTH, width) for width in widths)

    def forward(self, token: Tensor) -> Tensor:
        """(B, 256) to (B, out)."""
        first, second, third = self.layers
        return cast("Tensor", third(F.relu(second(F.relu(first(token))))))
