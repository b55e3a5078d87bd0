"""Click maps: one map of the positive clicks and one of the negative, as input of a network.

Points are (B, 2N, 3) rows of (row, column, order): the first N slots positive, the last N negative,
unused slots (-1, -1, -1). Places are pixels of the map, may be fractional and may lie outside it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_FAR = 1e6  # squared distance of a slot that holds no click


def disk_maps(points: Tensor, size: tuple[int, int], radius: float = 5.0) -> Tensor:
    """Draw every click as a disk.

    Parameters
    ----------
    points : Tensor
        (B, 2N, 3), any dtype. A slot counts as empty when both coordinates are negative.
    size : tuple of int
        Rows and columns of the maps.
    radius : float, optional
        In pixels; a pixel belongs to the disk when its centre is this near or nearer.

    Returns
    -------
    Tensor
        (B, 2, rows, columns) float32, 1 on a disk and 0 elsewhere; positives, then negatives.
    """
    rows, cols = size
    batch, slots = _checked(points)
    reach = math.ceil(radius)
    offsets = torch.arange(-reach, reach + 1, device=points.device)
    place = points[..., :2].to(torch.float32)
    # Only the pixels around each click are computed, so that time and memory do not grow with
    # clicks times image size.
    near = place.floor().to(torch.int64)
    row = (near[..., 0, None] + offsets)[..., :, None]  # (B, 2N, K, 1)
    col = (near[..., 1, None] + offsets)[..., None, :]  # (B, 2N, 1, K)
    squared = (row - place[..., 0, None, None]) ** 2 + (col - place[..., 1, None, None]) ** 2
    drawn = squared <= radius**2
    drawn &= (place.amax(dim=-1) >= 0)[..., None, None]
    drawn &= (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    half = torch.arange(slots, device=points.device) >= slots // 2
    plane = torch.arange(batch, device=points.device)[:, None] * 2 + half
    index = (plane[..., None, None] * rows + row) * cols + col
    # Pixels outside go to one spare element at the end: without data-dependent shapes a GPU does
    # not wait for the CPU.
    spare = batch * 2 * rows * cols
    flat = torch.zeros(spare + 1, device=points.device)
    flat[torch.where(drawn, index, spare).flatten()] = 1.0
    return flat[:-1].view(batch, 2, rows, cols)


def distance_maps(points: Tensor, size: tuple[int, int], norm_radius: float) -> Tensor:
    """Draw the tanh of the distance to the nearest click.

    Parameters
    ----------
    points : Tensor
        (B, 2N, 3), any dtype. A slot counts as empty when both coordinates are negative.
    size : tuple of int
        Rows and columns of the maps.
    norm_radius : float
        Distances are divided by it, in pixels.

    Returns
    -------
    Tensor
        (B, 2, rows, columns) float32 from 0 on a click to 1 far away; positives, then negatives.
    """
    rows, cols = size
    batch, slots = _checked(points)
    place = points[..., :2].to(torch.float32).view(batch, 2, slots // 2, 2)
    row = torch.arange(rows, device=points.device, dtype=torch.float32)[:, None]
    col = torch.arange(cols, device=points.device, dtype=torch.float32)
    nearest = torch.full((batch, 2, rows, cols), _FAR, device=points.device)
    for slot in place.unbind(dim=2):  # (B, 2, 2): a running minimum instead of all slots at once
        from_row = ((row - slot[..., 0, None, None]) / norm_radius) ** 2
        from_col = ((col - slot[..., 1, None, None]) / norm_radius) ** 2
        empty = (slot.amax(dim=-1) < 0)[..., None, None]
        nearest = torch.minimum(nearest, (from_row + from_col).masked_fill(empty, _FAR))
    return torch.tanh(2.0 * nearest.sqrt())


def _checked(points: Tensor) -> tuple[int, int]:
    """Batch size and number of slots of `points`, or a ValueError that shows its shape."""
    if points.ndim != 3 or points.shape[1] % 2 or points.shape[2] < 2:
        raise ValueError(
            "Points must be (batch, 2N, 3), rows of (row, column, order), "
            f"not {tuple(points.shape)}."
        )
    return points.shape[0], points.shape[1]
