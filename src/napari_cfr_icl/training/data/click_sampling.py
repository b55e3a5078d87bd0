"""Simulated clicks: the starting ones, and the next one where the last mask is wrong.

Points are (B, 2N, 3) with rows (row, column, order): N places for positive clicks, then N for
negative ones; a free place is (-1, -1, -1). Everything runs on whole batches on their device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_cfr_icl.training.data.distance import distance_inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.training.data.sample_batch import SampleBatch
    from napari_cfr_icl.training.data.sample_rng import SampleRng
    from napari_cfr_icl.training.options import ClickOptions

ERROR_THRESHOLD = 0.49  # of probability: the public code's line between object and background
_ERODED_BY = 3
_LEAST_ERODED_AREA = 10
_RING = 0.1  # width of the ring for negative clicks, over the root of the object's area
_BACKGROUND, _OTHERS = 0.1, 0.5  # cumulative: a negative click in 'anything', 'other objects'; the
# rest falls into the ring


def click_count_law(most: int, gamma: float, least: int) -> NDArray[np.float64]:
    """Probability of `least`, `least` + 1, .. `most` clicks: each more is `gamma` times as likely.

    Returns
    -------
    ndarray, shape (most - least + 1,)
    """
    law = gamma ** np.arange(most - least + 1, dtype=np.float64)
    return np.asarray(law / law.sum())


def starting_clicks(batch: SampleBatch, options: ClickOptions, rng: SampleRng) -> Tensor:
    """Clicks to begin a sample with: random ones, or a single one near the object's centre.

    Random clicks follow RITM: a geometric number of positive ones anywhere on the object (mostly
    kept off its rim) and of negative ones in the background, on other objects or beside the rim.

    Returns
    -------
    Tensor of float32, shape (B, 2N, 3)
    """
    random = torch.cat([_positives(batch, options, rng), _negatives(batch, options, rng)], 1)
    free = torch.full_like(random, -1)
    centre = next_clicks(torch.zeros_like(batch.target), batch.target, free, rng.uniform(1))
    has_object = batch.parts.flatten(1).any(dim=1)
    centred = rng.chance(options.centre_start, 1)[:, 0] & has_object
    return torch.where(centred[:, None, None], centre, random)


def next_clicks(probabilities: Tensor, target: Tensor, points: Tensor, chance: Tensor) -> Tensor:
    """Add to each sample one click deep inside its largest error; none where there is no error.

    Parameters
    ----------
    probabilities, target : Tensor, shape (B, 1, H, W)
        The last output, and the truth (1 object, 0 and -1 not).
    points : Tensor, shape (B, 2N, 3)
        Not changed.
    chance : Tensor, shape (B, 1)
        Numbers from 0 to 1 that choose among the candidates.

    Returns
    -------
    Tensor, shape (B, 2N, 3)
        When all places of a kind are taken, the last is overwritten.
    """
    candidates, positive = error_candidates(probabilities[:, 0], target[:, 0])
    place, found = choose_pixels(candidates, chance)
    return place_clicks(points, place[:, 0].to(points.dtype), positive, found[:, 0])


def error_candidates(probabilities: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels at least half as deep as the deepest of the deeper error, missed or false.

    Parameters
    ----------
    probabilities, target : Tensor, shape (B, H, W)

    Returns
    -------
    candidates : Tensor of bool, shape (B, H, W)
    positive : Tensor of bool, shape (B,)
        True where the click is a positive one (something was missed).
    """
    truth = target > 0.5
    missed = truth & (probabilities < ERROR_THRESHOLD)
    false = ~truth & (probabilities > ERROR_THRESHOLD)
    depth_missed, depth_false = distance_inside(torch.cat([missed, false])).chunk(2)
    most_missed, most_false = depth_missed.amax((1, 2)), depth_false.amax((1, 2))
    positive = most_missed > most_false
    depth = torch.where(positive[:, None, None], depth_missed, depth_false)
    deepest = torch.maximum(most_missed, most_false)
    return depth > (deepest / 2)[:, None, None], positive


def choose_pixels(region: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
    """Choose pixels of each region, all equally likely: the k-th in reading order, k = chance x n.

    Parameters
    ----------
    region : Tensor of bool, shape (B, H, W)
    chance : Tensor, shape (B, K)

    Returns
    -------
    places : Tensor of int64, shape (B, K, 2)
        (row, column).
    found : Tensor of bool, shape (B, K)
        False where the region is empty; the place means nothing there.
    """
    counted = region.flatten(1).cumsum(dim=1, dtype=torch.int32)
    total = counted[:, -1:]
    rank = (chance.double() * total).to(torch.int32) + 1
    index = torch.searchsorted(counted, rank).clamp(max=counted.shape[1] - 1)
    width = region.shape[-1]
    return torch.stack([index // width, index % width], dim=-1), (total > 0).expand_as(chance)


def place_clicks(points: Tensor, place: Tensor, positive: Tensor, wanted: Tensor) -> Tensor:
    """Write one click (B, 2) into the first free place of its kind, where `wanted` (B,)."""
    size, slots = points.shape[0], points.shape[1] // 2
    first = torch.where(positive, 0, slots)
    half = first[:, None] + torch.arange(slots, device=points.device)
    taken = points[torch.arange(size, device=points.device)[:, None], half, 2] >= 0
    slot = first + taken.int().cumprod(dim=1).sum(dim=1).clamp(max=slots - 1)
    order = points[:, :, 2].amax(dim=1).clamp(min=0) + 1
    click = torch.cat([place, order[:, None]], dim=1)
    here = torch.arange(2 * slots, device=points.device)[None, :] == slot[:, None]
    return torch.where((here & wanted[:, None])[..., None], click[:, None], points)


def _positives(batch: SampleBatch, options: ClickOptions, rng: SampleRng) -> Tensor:
    target = batch.parts.any(dim=1)
    eroded = erode(target, _ERODED_BY)
    use = rng.chance(options.erode, 1)[:, 0] & (eroded.sum((1, 2)) > _LEAST_ERODED_AREA)
    region = torch.where(use[:, None, None], eroded, target)
    places, found = choose_pixels(region, rng.uniform(options.max_clicks))
    # A sample of two merged objects shows the user's wish only if each of them has a click.
    merged = batch.parts.flatten(2).any(dim=2).all(dim=1)
    each = rng.uniform(2)
    for index in range(2):
        place, _ = choose_pixels(batch.parts[:, index], each[:, index : index + 1])
        places[:, index] = torch.where(merged[:, None], place[:, 0], places[:, index])
    count = _count(options, rng, least=1) + torch.where(merged, 2, 0)
    return _rows(places, found, count.clamp(max=options.max_clicks), first_order=0)


def _negatives(batch: SampleBatch, options: ClickOptions, rng: SampleRng) -> Tensor:
    target = batch.parts.any(dim=1)
    background = ~target & ~batch.ignored[:, 0]
    others = batch.others[:, 0] & background
    others = torch.where(others.flatten(1).any(dim=1)[:, None, None], others, background)
    width = (_RING * target.sum((1, 2)).sqrt()).ceil().to(torch.int64)
    ring = dilate(target, width) & background
    chance, kind = rng.uniform(options.max_clicks), rng.uniform(options.max_clicks)
    places, found = choose_pixels(background, chance)
    for region, from_kind in ((others, _BACKGROUND), (ring, _OTHERS)):
        more, there = choose_pixels(region, chance)
        places = torch.where(((kind >= from_kind) & there)[..., None], more, places)
    count = _count(options, rng, least=0)
    return _rows(places, found, count, first_order=options.max_clicks)


def _count(options: ClickOptions, rng: SampleRng, least: int) -> Tensor:
    law = torch.from_numpy(click_count_law(options.max_clicks, options.gamma, least).cumsum())
    chance = rng.uniform(1).double()
    index = torch.searchsorted(law.to(chance.device), chance, right=True)[:, 0]
    return index.clamp(max=len(law) - 1) + least


def _rows(places: Tensor, found: Tensor, count: Tensor, first_order: int) -> Tensor:
    slots = torch.arange(places.shape[1], device=places.device)
    order = (slots + first_order)[None, :, None].expand(places.shape[0], -1, 1)
    rows = torch.cat([places, order], dim=2).float()
    used = (slots[None, :] < count[:, None]) & found
    return torch.where(used[..., None], rows, -1.0)


def erode(mask: Tensor, by: int) -> Tensor:
    """Mask (B, H, W) without what is within `by` pixels (square) of its rim; the border is none."""
    outside = (~mask).float()[:, None]
    return functional.max_pool2d(outside, 2 * by + 1, stride=1, padding=by)[:, 0] == 0


def dilate(mask: Tensor, by: Tensor) -> Tensor:
    """Mask (B, H, W) and all within `by` (B,) pixels (square) of it.

    By counting in boxes, so that each sample has its own width at no further cost.
    """
    for axis in (1, 2):
        size = mask.shape[axis]
        counted = functional.pad(mask.int().cumsum(dim=axis), (0, 0, 1, 0) if axis == 1 else (1, 0))
        at = torch.arange(size, device=mask.device)[None, :]
        low, high = (at - by[:, None]).clamp(min=0), (at + by[:, None] + 1).clamp(max=size)
        shape = (-1, size, 1) if axis == 1 else (-1, 1, size)
        low, high = (x.view(shape).expand_as(mask) for x in (low, high))
        mask = counted.gather(axis, high) > counted.gather(axis, low)
    return mask
