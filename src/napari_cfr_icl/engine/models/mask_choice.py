"""Choice among the masks of SAM's decoder: one, and three for an ambiguous click."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cfr_icl.engine.settings import MaskChoice

_MARGIN = 0.05
"""Logits by which the threshold is moved up and down to measure stability."""

_STABLE = 0.98


def chosen_masks(logits: Tensor, quality: Tensor, first: Tensor, choice: MaskChoice) -> Tensor:
    """Index of the mask to return for each sample.

    Parameters
    ----------
    logits : Tensor
        (B, 4, H, W), the single mask first.
    quality : Tensor
        (B, 4), predicted.
    first : Tensor of bool
        (B,): whether there is one click at most, and no mask yet.
    choice : MaskChoice
        The policy; see `Settings.masks`.

    Returns
    -------
    Tensor of int
        (B,), 0 for the single mask.
    """
    best = quality[:, 1:].argmax(dim=1) + 1
    single = best.new_zeros(len(best))
    if choice.endswith("stable"):
        single = single.where(stability(logits[:, 0]) >= _STABLE, best)
    if choice == "best":
        return best
    return best.where(first, single) if choice.startswith("best-first") else single


def stability(logits: Tensor) -> Tensor:
    """Stability of masks (B, H, W): area of the strict one over that of the lenient one, 0 to 1."""
    strict = (logits > _MARGIN).sum(dim=(-2, -1))
    lenient = (logits > -_MARGIN).sum(dim=(-2, -1))
    return (strict / lenient).where(lenient > 0, 1.0)
