"""Tiles: overlapping windows over a region, each encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from napari_cfr_icl.engine.passes import resized
from napari_cfr_icl.engine.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.runtime.network import Network
    from napari_cfr_icl.engine.source import ImageSource

STRIDE = 8
"""Pixels of the network's input for each place at which the appearance is judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A window and what the encoder saw in it.

    Parameters
    ----------
    window : Window
        In image pixels.
    size : tuple of int
        (rows, columns) of the network's input.
    features : tuple of Tensor
        Output of the encoder, float16.
    """

    window: Window
    size: tuple[int, int]
    features: Features

    @property
    def appearance(self) -> Tensor:
        """Unit vectors (places, channels), one for each `STRIDE` pixels, row by row."""
        vectors = F.interpolate(self.features[0].float(), self.grid, mode="bilinear")
        return F.normalize(vectors[0].flatten(1), dim=0).T

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of those places."""
        return self.size[0] // STRIDE, self.size[1] // STRIDE

    def share(self, mask: NDArray[np.bool_]) -> Tensor:
        """Share of a mask (rows and columns of the window) at each place, 0 to 1, row by row."""
        values = torch.from_numpy(mask.astype(np.float32))[None, None]
        return F.adaptive_avg_pool2d(values, self.grid).flatten()

    def in_pixels(self, values: Tensor) -> NDArray[np.float32]:
        """Values of the places in the resolution of the image: rows and columns of the window."""
        small = values.view(1, 1, *self.grid)
        large = F.interpolate(small, self.window.shape, mode="bilinear", align_corners=False)
        pixels: NDArray[np.float32] = large[0, 0].numpy()
        return pixels

    def depth(self, row: int, col: int) -> int:
        """Distance of a pixel from the tile's nearest edge, negative outside."""
        window = self.window
        return min(row - window.top, window.bottom - row, col - window.left, window.right - col)


def cover(region: Window, side: int, overlap: int) -> list[Window]:
    """Windows of at most `side` pixels that cover a region, neighbours sharing `overlap` pixels."""
    rows, cols = (
        _starts(first, length, side, overlap)
        for first, length in ((region.top, region.height), (region.left, region.width))
    )
    height, width = min(side, region.height), min(side, region.width)
    return [Window(top, left, height, width) for top in rows for left in cols]


def _starts(first: int, length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [first]
    count = 1 + -(-(length - side) // (side - overlap))
    return [first + round(number * (length - side) / (count - 1)) for number in range(count)]


@torch.inference_mode()
def encoded(network: Network, source: ImageSource, window: Window, longest: int) -> Tile:
    """Look at a window, shown to the network with `longest` pixels on its longest side."""
    scale = longest / max(window.shape)
    size = network.nearest_size((round(window.height * scale), round(window.width * scale)))
    pixels = torch.from_numpy(source.read(window, longest)).permute(2, 0, 1)[None]
    features = network.encode(resized(pixels, size).to(network.device))
    return Tile(window, size, tuple(each.half().cpu() for each in features))
