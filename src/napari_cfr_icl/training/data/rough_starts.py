"""Rough starts: the previous mask and the clicks that a hasty box or lasso gives the network.

Without them the network meets a gesture's mask only in use: see `engine.prompts.prompt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_cfr_icl.engine.prompts.prompt import STRENGTH
from napari_cfr_icl.training.data.click_sampling import place_clicks
from napari_cfr_icl.training.data.distance import distance_inside

if TYPE_CHECKING:
    from napari_cfr_icl.training.data.sample_batch import SampleBatch
    from napari_cfr_icl.training.data.sample_rng import SampleRng

_BOXES = 0.4  # share of boxes; the others are lassos
_JITTER = 0.1  # largest error of a box's side, over the side
_WANDER = 0.05, 0.3  # error of a lasso, over the root of the object's area
_KNOTS = 64  # at most, along each side of a field of errors
_KNOTS_PER_OBJECT = 2
_CORNER_DISTANCE = 2, 8  # pixels from the corners of the stroke to the clicks on the background


def rough_starts(
    batch: SampleBatch, points: Tensor, share: float, rng: SampleRng
) -> tuple[Tensor, Tensor]:
    """Let some samples begin with a box or a lasso instead of clicks.

    Parameters
    ----------
    batch : SampleBatch
        Samples (B, ...).
    points : Tensor, shape (B, 2N, 3)
        Starting clicks, not changed; those of the other samples stay.
    share : float
        How often, 0 to 1.
    rng : SampleRng
        Source of randomness; not used where `share` is 0.

    Returns
    -------
    previous : Tensor of float32, shape (B, 1, H, W)
        Probabilities to feed back, 0 for the other samples.
    points : Tensor, shape (B, 2N, 3)
    """
    target = batch.mask
    previous = torch.zeros_like(target, dtype=torch.float32)
    if share == 0:
        return previous, points
    wanted, boxes = rng.chance(share, 1)[:, 0], rng.chance(_BOXES, 1)[:, 0]
    sides, wander = rng.between(-_JITTER, _JITTER, 4), rng.between(*_WANDER, 1)
    knots, distance = rng.between(-1, 1, 2, _KNOTS, _KNOTS), rng.between(*_CORNER_DISTANCE, 1)
    points = points.clone()
    for row in (wanted & target.flatten(1).any(dim=1)).nonzero()[:, 0].tolist():
        mask = target[row, 0]
        drawn = (
            _ellipse(mask, sides[row])
            if boxes[row]
            else _wandering(mask, knots[row], float(wander[row]))
        )
        if drawn.any():
            previous[row, 0] = drawn * STRENGTH
            points[row] = _clicks(drawn, points[row], round(float(distance[row])))
    return previous, points


def _ellipse(mask: Tensor, errors: Tensor) -> Tensor:
    """The ellipse in the bounding box (H, W), its sides off by `errors` (4,), shares of the box."""
    inside = []
    for axis, (low, high) in enumerate(_bounds(mask)):
        shift = errors[[axis, axis + 2]] * (high - low + 1)
        first, last = low + shift[0] - 0.5, high + shift[1] + 0.5
        along = torch.arange(mask.shape[axis], device=mask.device)
        inside.append(((along - (first + last) / 2) / ((last - first) / 2)).square())
    return inside[0][:, None] + inside[1][None, :] < 1


def _wandering(mask: Tensor, knots: Tensor, wander: float) -> Tensor:
    """The mask (H, W), each place of it moved by a smooth field of errors."""
    size = float(mask.sum().sqrt())
    steps = [min(_KNOTS, 2 + round(_KNOTS_PER_OBJECT * side / size)) for side in mask.shape]
    field = functional.interpolate(
        knots[None, :, : steps[0], : steps[1]], mask.shape, mode="bicubic", align_corners=True
    )[0]
    rows, cols = (torch.linspace(-1, 1, side, device=mask.device) for side in mask.shape)
    place = torch.stack(torch.meshgrid(rows, cols, indexing="ij"))
    half = torch.tensor(mask.shape, device=mask.device)[:, None, None] / 2
    moved = place + field * wander * size / half
    grid = moved.flip(0).permute(1, 2, 0)[None]  # grid_sample takes (x, y)
    return functional.grid_sample(mask[None, None].float(), grid, align_corners=True)[0, 0] > 0.5


def _clicks(drawn: Tensor, points: Tensor, distance: int) -> Tensor:
    """Points (2N, 3): one deep in the drawn area, and others beside the corners around it."""
    depths = distance_inside(drawn[None])[0]
    deepest = divmod(int(depths.argmax()), drawn.shape[1])
    (top, bottom), (left, right) = _bounds(drawn)
    corners = [
        (row, col)
        for row in (top - distance, bottom + distance)
        for col in (left - distance, right + distance)
        if 0 <= row < drawn.shape[0] and 0 <= col < drawn.shape[1]
    ]
    result = torch.full_like(points, -1)[None]
    yes = torch.ones(1, dtype=torch.bool, device=points.device)
    for place, positive in [(deepest, yes), *((corner, ~yes) for corner in corners)]:
        click = torch.tensor([place], dtype=points.dtype, device=points.device)
        result = place_clicks(result, click, positive, yes)
    return result[0]


def _bounds(mask: Tensor) -> list[tuple[int, int]]:
    """First and last row, first and last column of what is in the mask."""
    inside = [mask.any(dim=1 - axis).nonzero()[:, 0] for axis in (0, 1)]
    return [(int(along[0]), int(along[-1])) for along in inside]
