"""Windows like those that the network sees in use: zoomed around an object, or a whole field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_cfr_icl.engine.windows import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_cfr_icl.training.options import DataOptions


def choose_window(
    box: NDArray[np.int64], shape: tuple[int, int], options: DataOptions, rng: np.random.Generator
) -> Window:
    """A square window with the object in it, as large as chance and the picture allow.

    Parameters
    ----------
    box : ndarray of int, shape (4,)
        Top, left, bottom, right of the object.
    shape : tuple of int
        Rows and columns of the picture; the window stays inside.
    options : DataOptions
        How windows are chosen.
    rng : numpy.random.Generator
        Chance.
    """
    side = max(box[2] - box[0], box[3] - box[1])
    low, high = options.zoom
    wanted = max(side * low * (high / low) ** rng.random(), options.min_side)
    if rng.random() < options.field:
        wanted = min(options.field_side, max(shape))
    size = max(1, min(round(wanted), *shape))
    starts = []
    for axis in range(2):
        # Anywhere where it holds all of the object, or, of an object too large for it, all window.
        ends = sorted((int(box[axis]), int(box[axis + 2]) - size))
        start = rng.integers(ends[0], ends[1], endpoint=True)
        starts.append(min(max(int(start), 0), shape[axis] - size))
    return Window(starts[0], starts[1], size, size)


def cut_image(image: Tensor, window: Window, side: int) -> Tensor:
    """The picture (3, H, W) uint8 in a window, resized to (3, side, side) uint8."""
    rows, cols = window.slices
    part = image[None, :, rows, cols].float()
    if part.shape[-2:] != (side, side):
        part = functional.interpolate(
            part, (side, side), mode="bilinear", align_corners=False, antialias=True
        )
    return part[0].round_().clamp_(0, 255).to(torch.uint8)


def cut_labels(labels: Tensor, window: Window, side: int) -> Tensor:
    """The labels (H, W) in a window, resized to (side, side) by nearest neighbour."""
    offsets = (torch.arange(side, device=labels.device) + 0.5) / side
    rows = window.top + (offsets * window.height).long()
    cols = window.left + (offsets * window.width).long()
    return labels[rows[:, None], cols[None, :]]
