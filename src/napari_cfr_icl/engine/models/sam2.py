"""SAM 2 and 2.1 for single images (Ravi et al. 2024, arXiv 2408.00714)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import check_count, shape_of
from napari_cfr_icl.engine.models.mask_decoder import Sam2MaskDecoder
from napari_cfr_icl.engine.models.prompt_encoder import PromptEncoder
from napari_cfr_icl.engine.models.sam import Sam, check_masks
from napari_cfr_icl.engine.models.timm_layers import HieraDet, MultiScaleBlock
from napari_cfr_icl.engine.models.tiny_vit import OUT_WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cfr_icl.engine.models.click_model import Features

FAMILY = "sam2"
_LEVELS = 4

_PUBLISHED: dict[tuple[int, tuple[int, ...]], dict[str, Any]] = {
    (96, (1, 2, 7, 2)): {"num_heads": 1, "global_blocks": (5, 7, 9)},
    (96, (1, 2, 11, 2)): {"num_heads": 1, "global_blocks": (7, 10, 13)},
    (112, (2, 3, 16, 3)): {"num_heads": 2, "global_blocks": (12, 16, 20)},
    (144, (2, 6, 36, 4)): {
        "num_heads": 2,
        "global_blocks": (23, 33, 43),
        "windows": (8, 4, 16, 8),
    },
}
"""What shapes do not tell of the published sizes, by width and blocks per stage."""


@dataclass(frozen=True, slots=True)
class Sam2Architecture:
    """Hyperparameters of a `Sam2`.

    Parameters
    ----------
    width, num_heads : int
        Width of a token and attention heads at a quarter of the resolution; both double whenever
        the resolution halves.
    stages : tuple of int
        Blocks at 1/4, 1/8, 1/16 and 1/32 of the resolution.
    global_blocks : tuple of int
        Blocks that attend globally, counted from 0 through all stages.
    windows : tuple of int
        Side of an attention window in each stage.
    positions : int
        Side of the stored position embedding.
    image_size : int
        Side in pixels of the images it was trained on.
    padded : bool
        Whether images are padded to a square, as micro-sam does, instead of stretched.

    Raises
    ------
    ValueError
        When no network can be built from these values.
    """

    width: int
    stages: tuple[int, ...]
    num_heads: int
    global_blocks: tuple[int, ...] = ()
    windows: tuple[int, ...] = (8, 4, 14, 7)
    positions: int = 7
    image_size: int = 1024
    padded: bool = False

    def __post_init__(self) -> None:
        for name in ("stages", "global_blocks", "windows"):  # JSON has lists only
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("width", "num_heads", "positions", "image_size"):
            check_count(name, getattr(self, name))
        for name in ("stages", "windows"):
            for count in getattr(self, name):
                check_count(name, count)
            if len(getattr(self, name)) != _LEVELS:
                raise ValueError(f"{name} must be four numbers, not {getattr(self, name)}.")
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is no multiple of num_heads {self.num_heads}.")

    def described(self) -> dict[str, Any]:
        """As plain JSON, with the name of the family."""
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"family": FAMILY, **fields}


class Sam2(Sam):
    """Hiera with a feature pyramid, and SAM 2's decoder for single images behind it.

    Parameters
    ----------
    arch : Sam2Architecture
        The sizes.
    """

    stride = 32
    checkpointed = (MultiScaleBlock,)
    encoder_parts = ("image_encoder.", "no_mem_embed", "sam_mask_decoder.conv_s")
    untrained_parts = tuple(f"sam_{part}" for part in Sam.untrained_parts)
    float32_parts = ("sam_prompt_encoder.pe_layer",)
    # Following objects through videos.
    dead_keys = (
        *Sam.dead_keys,
        "memory_attention.",
        "memory_encoder.",
        "maskmem_tpos_enc",
        "mask_downsample.",
        "no_mem_pos_enc",
        "no_obj_ptr",
        "no_obj_embed_spatial",
        "obj_ptr_proj.",
        "obj_ptr_tpos_proj.",
        "sam_mask_decoder.pred_obj_score_head.",
    )

    def __init__(self, arch: Sam2Architecture) -> None:
        super().__init__(arch.described())
        self.input_size = arch.image_size
        self.published_input = "padded-black" if arch.padded else "stretched"
        self.published_contrast = "percentiles" if arch.padded else "shown"
        self.published_masks = "best-first" if arch.padded else "best-first-stable"
        self.image_encoder = HieraPyramid(arch)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, OUT_WIDTH))
        self.sam_prompt_encoder = PromptEncoder(kinds=4, pads_boxes=True)
        self.sam_mask_decoder = Sam2MaskDecoder()

    @property
    def prompt_encoder(self) -> PromptEncoder:  # type: ignore[override]
        """By SAM's name."""
        return self.sam_prompt_encoder

    @property
    def mask_decoder(self) -> Sam2MaskDecoder:  # type: ignore[override]
        """By SAM's name."""
        return self.sam_mask_decoder

    def encode(self, image: Tensor) -> Features:
        """Features of the image.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1; sides are multiples of 32.

        Returns
        -------
        tuple of Tensor
            (B, 256, H/16, W/16), (B, 64, H/8, W/8) and (B, 32, H/4, W/4).
        """
        decoder = self.sam_mask_decoder
        coarse, middle, fine = self.image_encoder(
            self.normalised(image).to(self.no_mem_embed.dtype)
        )
        coarse = coarse + self.no_mem_embed.transpose(1, 2)[..., None]
        return coarse, decoder.conv_s1(middle), decoder.conv_s0(fine)


class HieraPyramid(nn.Module):
    """Hiera, timm's, and lateral convolutions to 256 channels."""

    def __init__(self, arch: Sam2Architecture) -> None:
        super().__init__()
        self.trunk = HieraDet(
            num_classes=0,
            embed_dim=arch.width,
            num_heads=arch.num_heads,
            stages=arch.stages,
            global_pos_size=(arch.positions, arch.positions),
            window_spec=arch.windows,
            global_att_blocks=arch.global_blocks,
        )
        self.trunk.head = nn.Identity()
        self.neck = Neck(arch.width)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to 256 channels at 1/16, 1/8 and 1/4 of its size."""
        levels = self.trunk.forward_intermediates(image, intermediates_only=True)
        features: tuple[Tensor, Tensor, Tensor] = self.neck(levels)
        return features


class Neck(nn.Module):
    """1x1 convolutions of Hiera's levels; the coarsest is added to the one at 1/16 alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (width << level for level in reversed(range(_LEVELS)))
        self.convs = nn.ModuleList(Lateral(each) for each in widths)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Four levels, finest first, to those at 1/16, 1/8 and 1/4."""
        coarsest, coarse, middle, fine = (
            conv(level) for conv, level in zip(self.convs, reversed(levels), strict=True)
        )
        return coarse + F.interpolate(coarsest, scale_factor=2.0, mode="nearest"), middle, fine


class Lateral(nn.Module):
    """One convolution, named as in the checkpoints."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, OUT_WIDTH, 1)

    def forward(self, level: Tensor) -> Tensor:
        """(B, width, ..) to (B, 256, ..)."""
        convolved: Tensor = self.conv(level)
        return convolved


def make(**fields: Any) -> Sam2:
    """The network of these fields of a `Sam2Architecture`."""
    return Sam2(Sam2Architecture(**fields))


def infer(weights: Mapping[str, Tensor], num_heads: int | None = None) -> dict[str, Any]:
    """Describe the network that a checkpoint belongs to, from its shapes.

    Parameters
    ----------
    weights : mapping of str to Tensor
        A checkpoint of SAM 2 or 2.1.
    num_heads : int, optional
        Needed for sizes that were not published; their blocks are then taken to attend in windows.

    Returns
    -------
    dict
        The architecture, for `build`.

    Raises
    ------
    ValueError
        When the size is none of the published, and `num_heads` is missing.
    """
    check_masks(weights, "sam_mask_decoder.")
    trunk = "image_encoder.trunk."
    width = shape_of(weights, f"{trunk}patch_embed.proj.weight", 4)[0]
    depth = len({key.split(".")[3] for key in weights if key.startswith(f"{trunk}blocks.")})
    widths = [
        shape_of(weights, f"{trunk}blocks.{block}.attn.proj.weight", 2)[0] for block in range(depth)
    ]
    stages = tuple(widths.count(width << level) for level in range(_LEVELS))
    others = _PUBLISHED.get((width, stages))
    if others is None and num_heads is None:
        raise ValueError(
            f"A SAM 2 of width {width} with {stages} blocks was never published: its attention "
            "heads and windows cannot be told from its weights."
        )
    positions = shape_of(weights, f"{trunk}pos_embed", 4)[2]
    others = others or {"num_heads": num_heads}
    return Sam2Architecture(width, stages, positions=positions, **others).described()
