"""SUEM copy-paste (paper section 3.3): Simple, Union, Exclusion and Mixing of two pictures.

Each mode takes source samples and extra samples, both (B, ..), and returns new ones. Pictures
stay uint8 between the modes and are rounded as 8-bit pictures are, so that modes can follow upon
one another without drifting from the public program's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_cfr_icl.training.data.sample_batch import SampleBatch

if TYPE_CHECKING:
    from napari_cfr_icl.training.data.sample_rng import SampleRng
    from napari_cfr_icl.training.options import SuemOptions

_PLACES_TRIED = 5
_COARSE = 8  # pixels to a pixel, for trying places


@dataclass(frozen=True, slots=True)
class SuemPlan:
    """Samples that each stage is applied to; CPU tensors: reading them never waits for a GPU.

    Attributes
    ----------
    simple, mix : Tensor of bool, shape (B,)
    paste : Tensor of int64, shape (B,)
        0 nothing, 1 exclusion, 2 union, 3 ghost.
    """

    simple: Tensor
    paste: Tensor
    mix: Tensor

    @classmethod
    def drawn(cls, options: SuemOptions, rng: SampleRng) -> SuemPlan:
        """A plan by chance; each of the three stages falls on its own."""
        kinds = 3 if options.object_mixing else 2
        kind = 1 + (rng.uniform(1)[:, 0] * kinds).to(torch.int64)
        return cls(
            rng.chance(options.simple, 1)[:, 0],
            torch.where(rng.chance(options.paste, 1)[:, 0], kind, 0),
            rng.chance(options.mix, 1)[:, 0],
        )

    @property
    def needs_extra(self) -> Tensor:
        """Samples that need an extra sample, bool of shape (B,)."""
        return self.simple | (self.paste > 0) | self.mix


def suem(
    source: SampleBatch, extra: SampleBatch, plan: SuemPlan, options: SuemOptions, rng: SampleRng
) -> SampleBatch:
    """Combine the samples as planned.

    Parameters
    ----------
    source, extra : SampleBatch
        Of the same size; sample i of one is combined with sample i of the other.
    plan : SuemPlan
        The stages of each sample.
    options : SuemOptions
        Strength of each stage.
    rng : SampleRng
        Random numbers, one stream per sample, on the device of the batch.

    Returns
    -------
    SampleBatch
        Where no pasted object would leave enough of the wanted one, the sample stays as it was.
    """
    # All is drawn whether it is used or not: a choice in one stage changes none in another.
    opacity = rng.between(0.5, 1.0, 3, 1, 1, 1).unbind(dim=1)
    if not options.translucent:
        opacity = (torch.ones_like(opacity[0]), *opacity[1:])
    moves = _Moves(rng.between(-1, 1, _PLACES_TRIED, 2), rng.between(-1, 1, _PLACES_TRIED, 1))
    now = source
    if len(rows := _rows(plan.simple, now)):
        old, onto = now.rows(rows), extra.rows(rows)
        moved, fits = _jittered(old, None, moves.rows(rows), options)
        now = now.with_rows(rows, paste_simple(moved, onto, opacity[0][rows]).where(fits, old))
    for kind in (1, 2, 3):
        if len(rows := _rows(plan.paste == kind, now)):
            old = now.rows(rows)
            moved, fits = _jittered(extra.rows(rows), old, moves.rows(rows), options)
            ghost = partial(mix_object, alpha=opacity[1][rows])
            result = (exclude, unite, ghost)[kind - 1](old, moved)
            now = now.with_rows(rows, result.where(fits, old))
    if len(rows := _rows(plan.mix, now)):
        mixed = mix_images(now.rows(rows), extra.rows(rows), opacity[2][rows])
        now = now.with_rows(rows, mixed)
    return now


def paste_simple(source: SampleBatch, extra: SampleBatch, alpha: Tensor) -> SampleBatch:
    """The source object on the extra picture; the truth is the source object.

    Parameters
    ----------
    source, extra : SampleBatch
        B samples each.
    alpha : Tensor, shape (B, 1, 1, 1)
        Opacity of the pasted object; 1 in the paper.
    """
    images = torch.where(source.mask, blend(source.images, extra.images, alpha), extra.images)
    others = (extra.mask | extra.others) & ~source.mask
    return SampleBatch(images, source.parts, others, extra.ignored & ~source.mask)


def exclude(source: SampleBatch, extra: SampleBatch) -> SampleBatch:
    """The extra object over the source picture; the truth is what is left of the source object."""
    return SampleBatch(
        torch.where(extra.mask, extra.images, source.images),
        source.parts & ~extra.mask,
        source.others | extra.mask,
        source.ignored & ~extra.mask,
    )


def unite(source: SampleBatch, extra: SampleBatch) -> SampleBatch:
    """The extra object over the source picture; the truth is both objects."""
    parts = torch.cat([source.mask & ~extra.mask, extra.mask], dim=1)
    return replace(exclude(source, extra), parts=parts, others=source.others & ~extra.mask)


def mix_object(source: SampleBatch, extra: SampleBatch, alpha: Tensor) -> SampleBatch:
    """The extra object as a ghost, 1 - `alpha` strong, on the source picture; the truth stays.

    The public program's fourth mode; the paper has none such.
    """
    images = torch.where(extra.mask, blend(source.images, extra.images, alpha), source.images)
    return replace(source, images=images)


def mix_images(source: SampleBatch, extra: SampleBatch, alpha: Tensor) -> SampleBatch:
    """Both pictures blended, the source `alpha` strong; the truth is the source object."""
    return replace(source, images=blend(source.images, extra.images, alpha))


def blend(over: Tensor, under: Tensor, alpha: Tensor) -> Tensor:
    """`alpha` x over + (1 - `alpha`) x under, rounded to 8 bit. Both (B, 3, H, W) uint8."""
    mixed = alpha * over.float() + (1 - alpha) * under.float()
    return mixed.round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True, slots=True)
class _Moves:
    """Places and sizes to try in turn: offsets (B, tries, 2) and scales (B, tries, 1), -1..1."""

    offsets: Tensor
    scales: Tensor

    def rows(self, rows: Tensor) -> _Moves:
        return _Moves(self.offsets[rows], self.scales[rows])


def _rows(chosen: Tensor, batch: SampleBatch) -> Tensor:
    return chosen.nonzero()[:, 0].to(batch.images.device)


def _jittered(
    pasted: SampleBatch, onto: SampleBatch | None, moves: _Moves, options: SuemOptions
) -> tuple[SampleBatch, Tensor]:
    """Move the samples whose object is pasted to the first place that leaves enough to segment.

    What must remain is the object itself when `onto` is None, else the object of `onto` that stays
    uncovered. Returns the moved samples and, per sample, whether any place would do.
    """

    def remains(mask: Tensor, below: Tensor | None) -> Tensor:
        return (mask if below is None else below * (1 - mask)).sum((1, 2, 3))

    below = None if onto is None else onto.mask.float()
    if options.place or options.scale:
        offsets, scales = moves.offsets * options.place, (1 + options.scale) ** moves.scales
        # Looked at coarsely: trying places must not cost more than the pasting itself.
        coarse = functional.avg_pool2d(pasted.mask.float(), _COARSE)
        coarse_below = None if below is None else functional.avg_pool2d(below, _COARSE)
        tried = [
            remains(_warp(coarse, _grid(coarse, offsets[:, i], scales[:, i])), coarse_below)
            for i in range(_PLACES_TRIED)
        ]
        enough = torch.stack(tried, dim=1) * _COARSE**2 > 2 * options.min_visible
        first = enough.int().argmax(dim=1)
        sample = torch.arange(len(first), device=first.device)
        pasted = shifted(pasted, offsets[sample, first], scales[sample, first])
    return pasted, remains(pasted.mask.float(), below) > options.min_visible


def shifted(batch: SampleBatch, offset: Tensor, scale: Tensor) -> SampleBatch:
    """The samples moved and resized about the middle; no object comes in from outside.

    Parameters
    ----------
    batch : SampleBatch
        B samples.
    offset : Tensor, shape (B, 2)
        (rows, columns), as a share of the sides.
    scale : Tensor, shape (B, 1)
        Above 1 enlarges.
    """
    grid = _grid(batch.images, offset, scale)
    masks = torch.cat([batch.parts, batch.others, batch.ignored], dim=1).float()
    masks = _warp(masks, grid, "nearest") > 0.5
    images = _warp(batch.images.float(), grid).round_().to(torch.uint8)
    return SampleBatch(images, masks[:, :2], masks[:, 2:3], masks[:, 3:])


def _grid(like: Tensor, offset: Tensor, scale: Tensor) -> Tensor:
    matrix = torch.zeros(len(like), 2, 3, device=like.device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / scale[:, 0]
    matrix[:, :, 2] = -2 * offset.flip(1) / scale  # grids count (x, y), and 2 to a side
    return functional.affine_grid(matrix, list(like.shape), align_corners=False)


def _warp(values: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    return functional.grid_sample(values, grid, mode=mode, align_corners=False)
