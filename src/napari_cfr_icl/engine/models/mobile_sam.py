"""MobileSAM (Zhang et al. 2023, arXiv 2306.14289) as a click model.

Clicks and the previous mask enter the decoder only, so a further pass over the same window, such as
a step of CFR, costs the decoder alone. Unlike SAM it is always given its last mask.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import ClickModel, check_count
from napari_cfr_icl.engine.models.mask_decoder import MaskDecoder, PromptEncoder
from napari_cfr_icl.engine.models.timm_layers import MBConv, TinyVitBlock
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH, STRIDE, WIDTHS, TinyVit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cfr_icl.engine.models.click_model import Features

FAMILY = "mobile_sam"

_MASK_LOGIT_LIMIT = 10.0
"""Logits of the previous mask, which SAM takes instead of probabilities, are clamped to this."""

_MIN_GRID = 4
"""Features on the shorter side of the smallest input."""


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

    Raises
    ------
    ValueError
        When no network can be built from these values.
    """

    detail: bool = False
    image_size: int = 1024

    def __post_init__(self) -> None:
        check_count("image_size", self.image_size)
        if type(self.detail) is not bool:
            raise ValueError(f"detail must be true or false, not {self.detail!r}.")

    def described(self) -> dict[str, Any]:
        """As plain JSON, with the name of the family."""
        return {"family": FAMILY, **asdict(self)}


class MobileSam(ClickModel):
    """TinyViT, and SAM's decoder behind it.

    Parameters
    ----------
    arch : MobileSamArchitecture
        The choices.
    """

    fixed_square = False
    checkpointed = (MBConv, TinyVitBlock)
    caches_image_features = True
    float32_parts = ("prompt_encoder.pe_layer",)
    # Boxes, and the masks for ambiguous clicks.
    dead_keys = (
        "image_encoder.norm_head.",
        "image_encoder.head.",
        *(f"prompt_encoder.point_embeddings.{number}." for number in (2, 3)),
        *(f"mask_decoder.output_hypernetworks_mlps.{number}." for number in (1, 2, 3)),
        "mask_decoder.iou_prediction_head.",
    )

    def __init__(self, arch: MobileSamArchitecture) -> None:
        super().__init__(arch.described())
        self.input_size = arch.image_size
        self.image_encoder = TinyVit()
        self.prompt_encoder = PromptEncoder()
        self.mask_decoder = MaskDecoder()
        self.detail = Detail() if arch.detail else None

    def encode(self, image: Tensor) -> Features:
        """Features of the image.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1; sides as `nearest_size` gives them.

        Returns
        -------
        tuple of Tensor
            (B, 256, H/16, W/16), and with `detail` (B, 64, H/8, W/8) and (B, 32, H/4, W/4).
        """
        dtype = next(self.image_encoder.parameters()).dtype
        coarse, middle, fine = self.image_encoder(self.normalised(image).to(dtype))
        return (coarse,) if self.detail is None else (coarse, *self.detail(middle, fine))

    def decode(self, features: Features, previous: Tensor, points: Tensor) -> Tensor:
        """Logits of the mask, (B, 1, H, W), from what `encode` gave; see `forward`."""
        coarse, *detail = features
        rows, cols = coarse.shape[-2:]
        encoder, size = self.prompt_encoder, (previous.shape[-2], previous.shape[-1])
        tokens, empty = encoder.tokens(points, size)
        given = previous.amax(dim=(1, 2, 3), keepdim=True) > 0
        embedding = coarse + encoder.mask(_as_logits(previous, rows, cols).to(coarse.dtype), given)
        position = encoder.pe_layer.grid(rows, cols).to(coarse.dtype)
        logits = self.mask_decoder(embedding, position, tokens, empty, detail)
        return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)

    def nearest_size(self, rows: int, cols: int) -> tuple[int, int]:
        """Round to multiples of 16 pixels, at least 64."""
        down, across = (max(_MIN_GRID, round(side / STRIDE)) for side in (rows, cols))
        return down * STRIDE, across * STRIDE


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


def _as_logits(previous: Tensor, rows: int, cols: int) -> Tensor:
    """Probabilities (B, 1, H, W) as the logits (B, 1, 4 rows, 4 cols) that SAM calls a mask."""
    size = (4 * rows, 4 * cols)
    small = F.interpolate(
        previous.float(), size, mode="bilinear", align_corners=False, antialias=True
    )
    return torch.logit(small, eps=1e-6).clamp(-_MASK_LOGIT_LIMIT, _MASK_LOGIT_LIMIT)


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
    return MobileSamArchitecture(detail="detail.0.weight" in weights).described()
