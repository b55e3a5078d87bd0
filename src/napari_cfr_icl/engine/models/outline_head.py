"""Convolutions that correct the decoder's outline at a quarter of the resolution.

SAM's decoder sees clicks and previous mask at a sixteenth of the resolution, and mixes the finer
features pixel by pixel only. Here clicks and both masks are drawn into the finer features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.click_maps import disk_maps
from napari_cfr_icl.engine.models.tiny_vit import STRIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALE = 4
"""Pixels of the image per pixel of the head, on each axis."""

_WIDTH = 32
_MAPS = 4
"""Both masks, and the clicks of either kind."""

_CLICK_RADIUS = 1.5
"""In pixels of the head."""


class OutlineHead(nn.Module):
    """A correction of the decoder's logits, zero before it is trained.

    Parameters
    ----------
    decoder_width, fine_width, middle_width : int
        Channels of the decoder's upscaled features, and of the image features at a quarter and an
        eighth of the resolution.
    """

    def __init__(self, decoder_width: int, fine_width: int, middle_width: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(decoder_width + fine_width + _MAPS, _WIDTH, 1)
        self.middle = nn.Conv2d(middle_width, 2 * _WIDTH, 1)
        self.down = nn.Conv2d(_WIDTH, 2 * _WIDTH, 2, stride=2)
        self.within = nn.Sequential(_convolution(2 * _WIDTH), _convolution(2 * _WIDTH))
        self.up = nn.ConvTranspose2d(2 * _WIDTH, _WIDTH, 2, stride=2)
        self.after = _convolution(_WIDTH)
        self.correction = nn.Conv2d(_WIDTH, 1, 3, padding=1)
        for parameter in self.correction.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, decoded: Tensor, maps: Sequence[Tensor], middle: Tensor, fine: Tensor
    ) -> Tensor:
        """Corrections to add to the logits, (B, 1, 4h, 4w).

        Parameters
        ----------
        decoded : Tensor
            (B, decoder_width, 4h, 4w), the decoder's upscaled features.
        maps : sequence of Tensor
            Logits of the mask and of the previous one, (B, 1, 4h, 4w) each, and clicks as
            `drawn_clicks` gives them.
        middle, fine : Tensor
            (B, middle_width, 2h, 2w) and (B, fine_width, 4h, 4w), of the image.
        """
        x = self.fine(torch.cat([decoded, fine, *maps], dim=1))
        wide = F.relu(self.down(F.relu(x)) + self.middle(middle))
        x = F.relu(x + self.up(wide + self.within(wide)))
        return cast("Tensor", self.correction(x + self.after(x)))


def _convolution(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())


def drawn_clicks(points: Tensor, coarse: Sequence[int]) -> Tensor:
    """The clicks as disks, (B, 2, 4h, 4w), for coarse features of h rows and w columns."""
    rows, cols = (side * STRIDE // SCALE for side in coarse)
    places = points[..., :2].float()
    limits = torch.tensor([rows * SCALE, cols * SCALE], device=points.device)
    inside = ((places >= -0.5) & (places <= limits - 0.5)).all(dim=-1, keepdim=True)
    # Clicks of the first pixels lie before the middle of the head's first pixel: not below 0.
    scaled = ((places + 0.5) / SCALE - 0.5).clamp(min=0)
    return disk_maps(torch.where(inside, scaled, -1.0), (rows, cols), _CLICK_RADIUS)
