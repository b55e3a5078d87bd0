"""MobileSAM (Zhang et al. 2023, arXiv 2306.14289) as a click model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.models.click_model import check_count
from napari_cfr_icl.engine.models.mask_decoder import MaskDecoder
from napari_cfr_icl.engine.models.outline_head import OutlineHead, drawn_clicks
from napari_cfr_icl.engine.models.prompt_encoder import PromptEncoder
from napari_cfr_icl.engine.models.sam import (
    MASK_LOGIT_LIMIT,
    Sam,
    check_contrast,
    check_masks,
)
from napari_cfr_icl.engine.models.timm_layers import MBConv, TinyVitBlock
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH, WIDTHS, TinyVit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.settings import Contrast

FAMILY = "mobile_sam"

_UNUSED = (*Sam.dead_keys, "image_encoder.norm_head.", "image_encoder.head.")

_LATER_PARTS = ("full_decoder", "outline")

_BESIDE_CLICKS = (
    *(f"prompt_encoder.point_embeddings.{number}." for number in (2, 3)),
    *(f"mask_decoder.output_hypernetworks_mlps.{number}." for number in (1, 2, 3)),
    "mask_decoder.iou_prediction_head.",
)
"""Boxes, the masks for ambiguous clicks and their qualities."""


@dataclass(frozen=True, slots=True)
class MobileSamArchitecture:
    """Hyperparameters of a `MobileSam`.

    Parameters
    ----------
    detail : bool
        Whether the decoder also sees finer features, as SAM 2's does (Ravi et al. 2024,
        arXiv 2408.00714). The published MobileSAM does not.
    image_size : int
        Longest side in pixels of the images it was trained on.
    full_decoder : bool
        Whether it also takes boxes and offers three masks for an ambiguous click.
    outline : bool
        Whether convolutions correct the outline of the single mask (`OutlineHead`).
    contrast : Contrast
        How the images it was trained on were stretched: "min-max" by micro-sam.

    Raises
    ------
    ValueError
        When no network can be built from these values.
    """

    detail: bool = False
    image_size: int = 1024
    full_decoder: bool = False
    outline: bool = False
    contrast: Contrast = "shown"

    def __post_init__(self) -> None:
        check_count("image_size", self.image_size)
        check_contrast(self.contrast)
        for name in ("detail", *_LATER_PARTS):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name} must be true or false, not {getattr(self, name)!r}.")

    def described(self) -> dict[str, Any]:
        """As plain JSON, with the name of the family."""
        fields = asdict(self)
        for name in (*_LATER_PARTS, "contrast"):
            if fields[name] in (False, "shown"):
                del fields[name]  # files from before there was the choice do not say it
        return {"family": FAMILY, **fields}


class MobileSam(Sam):
    """TinyViT, and SAM's decoder behind it.

    Parameters
    ----------
    arch : MobileSamArchitecture
        The choices.
    """

    checkpointed = (MBConv, TinyVitBlock)

    def __init__(self, arch: MobileSamArchitecture) -> None:
        super().__init__(arch.described())
        self.dead_keys = _UNUSED if arch.full_decoder else (*_UNUSED, *_BESIDE_CLICKS)
        self.input_size = arch.image_size
        self.published_contrast = arch.contrast
        if arch.full_decoder:
            self.published_masks = "best-first"
        else:  # tuned for windows
            self.takes_boxes = False
            self.first_side, self.published_input = 512, None
        self.image_encoder = TinyVit()
        self.prompt_encoder = PromptEncoder(4 if arch.full_decoder else 2)
        self.mask_decoder = MaskDecoder(arch.full_decoder)
        self.detail = Detail() if arch.detail else None
        self.outline = OutlineHead(OUT_WIDTH // 8, WIDTHS[0], WIDTHS[1]) if arch.outline else None

    def encode(self, image: Tensor) -> Features:
        """Features of the image.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1; sides as `nearest_size` gives them.

        Returns
        -------
        tuple of Tensor
            (B, 256, H/16, W/16), and where the decoder sees finer features (B, 128, H/8, W/8) and
            (B, 64, H/4, W/4).
        """
        dtype = next(self.image_encoder.parameters()).dtype
        coarse, middle, fine = self.image_encoder(self.normalised(image).to(dtype))
        alone = self.detail is None and self.outline is None
        return (coarse,) if alone else (coarse, middle, fine)

    def masks(
        self,
        features: Features,
        points: Tensor,
        mask: Tensor,
        given: Tensor,
        boxes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All masks that the decoder offers, the single one with a better outline; see `Sam`."""
        coarse, *finer = features
        detail = () if self.detail is None else self.detail(*finer)
        logits, quality, decoded = self.decoded((coarse, *detail), points, mask, given, boxes)
        if self.outline is None:
            return logits, quality
        single, others = logits[:, :1], logits[:, 1:]
        last = mask.to(coarse.dtype) * given[:, None, None, None]
        seen = torch.cat([single, last], dim=1) / MASK_LOGIT_LIMIT
        clicks = drawn_clicks(points, coarse.shape[-2:]).to(coarse.dtype)
        single = single + self.outline(decoded, (seen, clicks), *finer)
        return torch.cat([single, others], dim=1), quality


class Detail(nn.ModuleList):
    """Lateral convolutions of the finer features, zero at first."""

    def __init__(self) -> None:
        widths = ((WIDTHS[1], OUT_WIDTH // 4), (WIDTHS[0], OUT_WIDTH // 8))
        super().__init__(nn.Conv2d(width, out, 1) for width, out in widths)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, middle: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 128, ..) to (B, 64, ..), and (B, 64, ..) to (B, 32, ..)."""
        first, second = self
        return first(middle), second(fine)


def make(**fields: Any) -> MobileSam:
    """The network of these fields of a `MobileSamArchitecture`."""
    return MobileSam(MobileSamArchitecture(**fields))


def infer(weights: Mapping[str, Tensor], _: int | None = None) -> dict[str, Any]:
    """Describe the network that a checkpoint belongs to.

    Parameters
    ----------
    weights : mapping of str to Tensor
        A checkpoint of MobileSAM, or of ours.

    Returns
    -------
    dict
        The architecture, for `build`.
    """
    check_masks(weights, "mask_decoder.")
    return MobileSamArchitecture(
        detail="detail.0.weight" in weights,
        outline="outline.fine.weight" in weights,
        full_decoder=any(key.startswith("mask_decoder.iou_prediction_head.") for key in weights),
    ).described()
