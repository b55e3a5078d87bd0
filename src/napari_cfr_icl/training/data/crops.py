"""Windows like those that the network sees in use: zoomed around an object, or a whole field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_cfr_icl.engine.windows import Window

REST = -1
"""Stands for all labels that are not named."""

_LONGEST = 2  # how many times longer than wide a window may be: more would distort what it shows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_cfr_icl.training.options import DataOptions


def choose_window(
    box: NDArray[np.int64], shape: tuple[int, int], options: DataOptions, rng: np.random.Generator
) -> Window:
    """A window with the object in it, as large as chance and the picture allow.

    It is square where the picture has room for that. Where not, it is longer than wide, for in use
    the network sees large objects whole as well.

    Parameters
    ----------
    box : ndarray of int, shape (4,)
        Top, left, bottom, right of the object.
    shape : tuple of int
        Rows and columns of the picture; the window stays inside.
    options : DataOptions
        Sizes and places of windows.
    rng : numpy.random.Generator
        Source of randomness.
    """
    side = max(box[2] - box[0], box[3] - box[1])
    low, high = options.zoom
    wanted = max(side * low * (high / low) ** rng.random(), options.min_side)
    if rng.random() < options.field:
        wanted = min(options.field_side, max(shape))
    sides = [max(1, min(round(wanted), length)) for length in shape]
    sides = [min(side, _LONGEST * min(sides)) for side in sides]
    starts = []
    for axis in range(2):
        # Anywhere where it holds all of the object, or, of an object too large for it, all window.
        ends = sorted((int(box[axis]), int(box[axis + 2]) - sides[axis]))
        start = rng.integers(ends[0], ends[1], endpoint=True)
        starts.append(min(max(int(start), 0), shape[axis] - sides[axis]))
    return Window(starts[0], starts[1], sides[0], sides[1])


def cut_image(image: Tensor, window: Window, side: int) -> Tensor:
    """The picture (3, H, W) uint8 in a window, stretched to (3, side, side) uint8."""
    rows, cols = window.slices
    part = image[:, rows, cols]
    if window.shape == (side, side):
        return part
    return _resized(part.float(), side).round_().clamp_(0, 255).to(torch.uint8)


def cut_masks(labels: Tensor, window: Window, side: int, ids: Sequence[int]) -> Tensor:
    """Masks of some labels in a window, at the network's size.

    Enlarged outlines are smooth, as they would have been drawn at that size: the staircase of the
    label image is none of the object's.

    Parameters
    ----------
    labels : Tensor of int, shape (H, W)
    window : Window
    side : int
        Of the masks.
    ids : sequence of int
        One mask is made for each; -1 stands for everything but background and the other ids, and
        the last one, that of pixels of unknown truth, for all ids below 0 as well.

    Returns
    -------
    Tensor of bool, shape (len(ids), side, side)
    """
    rows, cols = window.slices
    part = labels[rows, cols]
    named = torch.stack([part == label for label in ids])
    named[-1] |= part < 0
    if REST in ids:
        named[list(ids).index(REST)] = (part > 0) & ~named.any(dim=0)
    if window.shape == (side, side):
        return named
    return _resized(named.float(), side) > 0.5


def _resized(values: Tensor, side: int) -> Tensor:
    """Channels (C, h, w) at (C, side, side)."""
    return functional.interpolate(
        values[None], (side, side), mode="bilinear", align_corners=False, antialias=True
    )[0]
