"""Tiles: overlapping windows over a region, each encoded once."""

from __future__ import annotations

import itertools
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


@dataclass(frozen=True, slots=True)
class Look:
    """A window of a cover, and the part of it that is no other window's.

    Parameters
    ----------
    window, own : Window
        In image pixels.
    """

    window: Window
    own: Window


def cover(region: Window, side: int, shape: tuple[int, int]) -> list[Look]:
    """Windows of at most `side` pixels that cover a region; neighbours share a quarter of a side.

    They belong to one grid over the whole image, of `shape` (rows, columns), so two regions have
    the tiles in common where they overlap. Their own parts end in the middle of what they share,
    and cover the region once.
    """
    rows, cols = (_spans(length, side) for length in shape)
    height, width = min(side, shape[0]), min(side, shape[1])
    looks = (
        (Window(top, left, height, width), Window(first, begin, last - first, end - begin))
        for top, first, last in rows
        if first < region.bottom and last > region.top
        for left, begin, end in cols
        if begin < region.right and end > region.left
    )
    own = ((window, part.intersection(region)) for window, part in looks)
    return [Look(window, part) for window, part in own if part is not None]


def _spans(length: int, side: int) -> list[tuple[int, int, int]]:
    """Start of each window along an axis, and first and last pixel of its own part."""
    if length <= side:
        return [(0, 0, length)]
    count = 1 + -(-(length - side) // (side - side // 4))
    starts = [round(number * (length - side) / (count - 1)) for number in range(count)]
    middles = [(here + side + there) // 2 for here, there in itertools.pairwise(starts)]
    return list(zip(starts, [0, *middles], [*middles, length], strict=True))


@torch.inference_mode()
def encoded(network: Network, source: ImageSource, window: Window, longest: int) -> Tile:
    """Look at a window, shown to the network with `longest` pixels on its longest side."""
    scale = longest / max(window.shape)
    size = network.nearest_size((round(window.height * scale), round(window.width * scale)))
    pixels = torch.from_numpy(source.read(window, longest)).permute(2, 0, 1)[None]
    features = network.encode(resized(pixels, size).to(network.device))
    return Tile(window, size, tuple(each.half().cpu() for each in features))
