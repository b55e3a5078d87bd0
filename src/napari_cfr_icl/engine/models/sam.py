"""Segment Anything (Kirillov et al. 2023, arXiv 2304.02643) as a click model, whatever its encoder.

Clicks and the previous mask enter the decoder only, so a further pass over the same window, such as
a step of CFR, costs the decoder alone. Unlike SAM it is always given its last mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import (
    BOX_CORNER,
    ClickModel,
    is_traced,
    shape_of,
)
from napari_cfr_icl.engine.models.mask_choice import chosen_masks
from napari_cfr_icl.engine.models.mask_decoder import MASK_TOKENS
from napari_cfr_icl.engine.settings import Contrast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.models.mask_decoder import MaskDecoder
    from napari_cfr_icl.engine.models.prompt_encoder import PromptEncoder
    from napari_cfr_icl.engine.settings import PublishedInput

MASK_LOGIT_LIMIT = 10.0
"""Logits of the previous mask, which SAM takes instead of probabilities, are clamped to this."""

_MIN_SIDE = 64
"""Shorter side in pixels of the smallest input."""


_BESIDE_LOGITS = (
    "prompt_encoder.point_embeddings.2.",
    "prompt_encoder.point_embeddings.3.",
    "mask_decoder.iou_prediction_head.",
)
"""Boxes, which training does not draw, and the qualities that only choose a mask."""


class Sam(ClickModel):
    """An image encoder, of a subclass, and SAM's prompt encoder and mask decoder behind it.

    Attributes
    ----------
    stride : int
        Sides of the input are multiples of so many pixels.
    """

    fixed_square = False
    caches_image_features = True
    takes_boxes = True
    dead_keys: tuple[str, ...] = ("pixel_mean", "pixel_std")
    encoder_parts: tuple[str, ...] = ("image_encoder.",)
    untrained_parts: tuple[str, ...] = _BESIDE_LOGITS
    float32_parts = ("prompt_encoder.pe_layer",)
    first_side = 4096  # the whole of most images, as it was trained
    published_input: PublishedInput | None = "padded"
    stride: ClassVar[int] = 16

    prompt_encoder: PromptEncoder
    mask_decoder: MaskDecoder

    def decode(self, features: Features, previous: Tensor, points: Tensor) -> Tensor:
        """Logits of the mask, (B, 1, H, W), from what `encode` gave; see `forward`."""
        rows, cols = features[0].shape[-2:]
        given = previous.amax(dim=(1, 2, 3)) > 0
        points, boxes = without_boxes(points)
        mask = as_logits(previous, rows, cols)
        logits, quality = self.masks(features, points, mask, given, boxes)
        if self.mask_choice != "single" and logits.shape[1] > 1:
            first = ~given & ((points[..., 2] >= 0).sum(dim=1) <= 1)
            if boxes is not None:
                first &= boxes[:, 3] < 0  # a box is not ambiguous
            chosen = chosen_masks(logits, quality, first, self.mask_choice)
            logits = logits[torch.arange(len(logits), device=logits.device), chosen, None]
        size = (previous.shape[-2], previous.shape[-1])
        return F.interpolate(logits[:, :1].float(), size, mode="bilinear", align_corners=False)

    def masks(
        self,
        features: Features,
        points: Tensor,
        mask: Tensor,
        given: Tensor,
        boxes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All masks that the decoder offers, in its own resolution.

        Parameters
        ----------
        features : tuple of Tensor
            From `encode`, of an image of H by W pixels.
        points : Tensor
            (B, 2N, 3) rows of (row, column, order), positives first, -1 where there is no click.
        mask : Tensor
            (B, 1, H/4, W/4), logits of the previous mask.
        given : Tensor of bool
            (B,): whether there is a previous mask.
        boxes : Tensor, optional
            (B, 4) rows of (top, left, bottom, right) in pixels, -1 where there is no box.

        Returns
        -------
        logits : Tensor
            (B, 4, H/4, W/4): the single mask, and the three for an ambiguous click; (B, 1, ..)
            of a network that has the single one alone.
        quality : Tensor
            (B, 4) or (B, 1): predicted intersection over union.
        """
        return self.decoded(features, points, mask, given, boxes)[:2]

    def decoded(
        self,
        features: Features,
        points: Tensor,
        mask: Tensor,
        given: Tensor,
        boxes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `masks`, and the features (B, 32, H/4, W/4) that these are mixed of."""
        coarse, *detail = features
        rows, cols = coarse.shape[-2:]
        encoder, size = self.prompt_encoder, (16 * rows, 16 * cols)
        tokens, empty = encoder.tokens(points, size, boxes)
        embedding = coarse + encoder.mask(mask.to(coarse.dtype), given[:, None, None, None])
        position = encoder.pe_layer.grid(rows, cols).to(coarse.dtype)
        return self.mask_decoder.masks(embedding, position, tokens, empty, detail)

    def nearest_size(self, rows: int, cols: int) -> tuple[int, int]:
        """Round to multiples of `stride`, at least 64 pixels."""
        down, across = (
            max(_MIN_SIDE, round(side / self.stride) * self.stride) for side in (rows, cols)
        )
        return down, across


def without_boxes(points: Tensor) -> tuple[Tensor, Tensor | None]:
    """Take the corners of boxes out of the points.

    Parameters
    ----------
    points : Tensor
        (B, 2N, 3) rows of (row, column, order).

    Returns
    -------
    points : Tensor
        The clicks alone.
    boxes : Tensor or None
        (B, 4) rows of (top, left, bottom, right), -1 where there is none; None if there is none at
        all.
    """
    corner = points[..., 2:] == BOX_CORNER
    if is_traced() or not corner.any():
        return points, None
    first = points[..., :2].where(corner, torch.inf).amin(dim=1)
    last = points[..., :2].where(corner, -torch.inf).amax(dim=1)
    boxes = torch.cat([first, last], dim=1)
    return points.where(~corner, -1.0), boxes.where(corner.any(dim=1), -1.0)


def check_contrast(contrast: str) -> None:
    """Raise ValueError for a stretch of the training's pictures that is not known."""
    if contrast not in get_args(Contrast):
        raise ValueError(f"contrast must be {', '.join(get_args(Contrast))}, not {contrast!r}.")


def check_masks(weights: Mapping[str, Tensor], decoder: str) -> None:
    """Raise ValueError for a SAM that was made to tell classes apart, with other masks.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The checkpoint.
    decoder : str
        Prefix of the mask decoder's weights.
    """
    tokens = shape_of(weights, f"{decoder}mask_tokens.weight", 2)[0]
    if tokens != MASK_TOKENS:
        raise ValueError(
            f"It gives {tokens} masks, not {MASK_TOKENS}: it was trained to tell classes of pixels "
            "apart, and takes no clicks."
        )


def as_logits(previous: Tensor, rows: int, cols: int) -> Tensor:
    """Probabilities (B, 1, H, W) as the logits (B, 1, 4 rows, 4 cols) that SAM calls a mask."""
    small = F.interpolate(
        previous.float(), (4 * rows, 4 * cols), mode="bilinear", align_corners=False, antialias=True
    )
    return torch.logit(small, eps=1e-6).clamp(-MASK_LOGIT_LIMIT, MASK_LOGIT_LIMIT)
