"""Distance to the nearest pixel outside a mask: exact, for a whole batch, on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def distance_inside(mask: Tensor) -> Tensor:
    """Euclidean distance of each mask pixel to the nearest pixel outside; 0 outside.

    Pixels beyond the border of the image are outside. An accelerator does the whole batch at once
    and gives back a single number on the way, the largest column distance. A CPU gains more by
    skipping what is empty, so there each sample is done within the box around its mask.

    Parameters
    ----------
    mask : Tensor of bool, shape (B, H, W)

    Returns
    -------
    Tensor of float32, shape (B, H, W)
    """
    if mask.device.type != "cpu":
        return _distance(mask)
    distance = torch.zeros(mask.shape)
    for one, result in zip(mask, distance, strict=True):
        rows, cols = (one.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        if len(rows):
            box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
            result[box] = _distance(one[box])
    return distance


def _distance(mask: Tensor) -> Tensor:
    column = _distance_in_column(mask)
    # No pixel is further from the outside than along its own column, so no wider parabola counts.
    reach = min(int(column.max()), (mask.shape[-1] + 1) // 2)
    return _lowest_parabola(column.square(), reach).sqrt()


def _distance_in_column(mask: Tensor) -> Tensor:
    rows = mask.shape[-2]
    row = torch.arange(1, rows + 1, device=mask.device, dtype=torch.int32)[:, None]
    above = torch.where(mask, 0, row).cummax(dim=-2).values
    below = torch.where(mask, rows + 1, row).flip(-2).cummin(dim=-2).values.flip(-2)
    return torch.minimum(row - above, below - row).float()


def _lowest_parabola(squares: Tensor, reach: int) -> Tensor:
    """Minimum over columns j of squares[j] + (i - j)^2, for |i - j| <= reach.

    n^2 is the sum of the first n odd numbers, so `reach` passes with a three-pixel stencil build
    the parabola; each pass is one sweep over the batch, however large it is.
    """
    padded = torch.nn.functional.pad(squares, (1, 1))
    inner = padded[..., 1:-1]
    for step in range(1, reach + 1):
        neighbour = torch.minimum(padded[..., :-2], padded[..., 2:]).add_(2 * step - 1)
        torch.minimum(inner, neighbour, out=inner)
    return inner
