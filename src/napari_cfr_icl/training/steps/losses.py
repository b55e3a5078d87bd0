"""The training loss: normalised focal loss (RITM, Sofiiuk et al. 2021), per sample."""

from __future__ import annotations

import torch
from torch import Tensor

IGNORE = -1.0
_EPSILON = 1e-12


def normalized_focal_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.5, gamma: float = 2.0
) -> Tensor:
    """Focal loss whose pixel weights are scaled to a mean of one, so that easy masks still train.

    Parameters
    ----------
    logits : Tensor, shape (B, 1, H, W)
        The network's output, before the sigmoid.
    target : Tensor, shape (B, 1, H, W)
        1 on the object, 0 elsewhere, -1 where the answer is unknown and nothing counts.
    alpha : float, optional
        Weight of object pixels; background pixels weigh 1 - alpha.
    gamma : float, optional
        Strength by which pixels that are right already fade; 0 is cross-entropy times alpha.

    Returns
    -------
    Tensor, shape (B,)
        Mean over the pixels that count. The scale is a constant for the gradient.
    """
    logits = logits.float()  # bfloat16 cannot tell 0.999 from 1, and the log is taken of that
    known = target != IGNORE
    probability = torch.sigmoid(logits)
    right = torch.where(known, 1 - (target - probability).abs(), 1.0)
    weight = torch.where(target > 0.5, alpha, 1 - alpha) * known
    focus = (1 - right) ** gamma
    pixels = known.sum(dim=(-2, -1), keepdim=True)
    with torch.no_grad():
        scale = pixels / (focus.sum(dim=(-2, -1), keepdim=True) + _EPSILON)
    loss = -weight * focus * scale * torch.log((right + _EPSILON).clamp(max=1.0))
    return loss.flatten(1).sum(dim=1) / (pixels.flatten() + _EPSILON)
