"""TinyViT (Wu et al. 2022, arXiv 2207.10666) as MobileSAM has it: image in, features out.

Convolutions at a quarter of the resolution, then window attention at an eighth and a sixteenth, all
of it timm's. MobileSAM (Zhang et al. 2023, arXiv 2306.14289) leaves out the last downsampling and
adds SAM's neck.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.models.timm_layers import (
    ConvLayer,
    LayerNorm2d,
    TinyVitStage,
    tiny_vit,
)

WIDTHS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
OUT_WIDTH = 256
STRIDE = 16
"""Pixels of the image per feature, on each axis."""


class TinyVit(nn.Module):
    """Image to features at a sixteenth, an eighth and a quarter of its resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = tiny_vit.PatchEmbed(3, WIDTHS[0], nn.GELU)
        stages = [ConvLayer(WIDTHS[0], DEPTHS[0], nn.GELU), *map(_stage, range(1, len(WIDTHS)))]
        stages[-1].downsample.conv2.conv.stride = (1, 1)
        self.stages = nn.ModuleList(stages)
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], OUT_WIDTH, 1, bias=False),
            LayerNorm2d(OUT_WIDTH),
            nn.Conv2d(OUT_WIDTH, OUT_WIDTH, 3, padding=1, bias=False),
            LayerNorm2d(OUT_WIDTH),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to 256, 128 and 64 channels at 1/16, 1/8 and 1/4 of its size."""
        x = self.patch_embed(image)
        fine, middle, _, coarse = [x := stage(x) for stage in self.stages]
        return self.neck(coarse), middle, fine


class WindowAttention(tiny_vit.Attention):
    """timm's window attention, right also where weights change in eval mode.

    timm computes the relative position biases of a network in eval mode once. Fine-tuning with
    frozen norms trains in that mode.

    Parameters
    ----------
    attention : timm.models.tiny_vit.Attention
        Its layers are shared.
    """

    def __init__(self, attention: tiny_vit.Attention) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(attention.__dict__)
        # On a CPU plain matrix products are quicker here than the fused kernel.
        self.fused_attn = False
        # On the CPU even under torch.device("meta"): no checkpoint would fill them in afterwards.
        self.attention_bias_idxs = _relative_positions(*self.resolution)

    def get_attention_biases(self, device: torch.device) -> Tensor:
        """Biases of all pairs of places in a window: (heads, places, places)."""
        biases: Tensor = self.attention_biases[:, self.attention_bias_idxs]
        return biases


def _stage(index: int) -> TinyVitStage:
    stage = TinyVitStage(
        WIDTHS[index - 1],
        WIDTHS[index],
        DEPTHS[index],
        HEADS[index],
        WINDOWS[index],
        downsample=tiny_vit.PatchMerging,
    )
    for block in stage.blocks:
        block.attn = WindowAttention(block.attn)
    return stage


def _relative_positions(rows: int, cols: int) -> Tensor:
    """Index of the bias for every pair of places, by their distance: (places, places)."""
    places = torch.cartesian_prod(*(torch.arange(n, device="cpu") for n in (rows, cols)))
    down, across = (places[:, None] - places).abs().unbind(-1)
    return down * cols + across
