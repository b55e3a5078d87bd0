"""Networks of SAM's family with made-up weights, and the prompts of their recorded answers."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from golden_models import GOLDEN, image_tensor, made_up_weights, network, public_shapes

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel

_TOKENS = ("point_embeddings", "not_a_point_embed", "no_mask_embed", "iou_token", "mask_tokens")
_SPREADS = {
    "positional_encoding_gaussian_matrix": 1.0,
    **dict.fromkeys(("pos_embed", "pos_embed_window", "no_mem_embed"), 0.2),
    **dict.fromkeys(("rel_pos_h", "rel_pos_w"), 0.2),
}
"""Weights that would hardly be seen in the output otherwise."""

CLICKS = {"p1": [(72.0, 130.0, True)], "p2": [(72.0, 130.0, True), (150.25, 40.5, False)]}
CLICKS["p3"] = CLICKS["p1"]
"""(row, column, positive) in the recorded picture; p3 also has `previous_mask`."""


def recorded(name: str) -> dict[str, np.ndarray]:
    """What the public code gave."""
    with np.load(GOLDEN / "sam" / f"{name}.npz") as file:
        return dict(file)


def sam_weights(name: str, gain: float = 1.0) -> dict[str, Tensor]:
    """Weights of a published size that follow from their keys and shapes alone."""
    shapes = public_shapes()[name]
    weights = made_up_weights(shapes, gain)
    for key, (shape, _) in shapes.items():
        token = any(part in key for part in (*_TOKENS, "obj_score_token"))
        spread = 0.5 if token else _SPREADS.get(key.rpartition(".")[2])
        if spread is not None:
            random = np.random.RandomState(zlib.crc32(key.encode()))
            weights[key] = torch.from_numpy((spread * random.standard_normal(shape)).astype("f4"))
    return weights


def sam_network(name: str, gain: float = 1.0) -> ClickModel:
    """A published size with these weights."""
    return network(sam_weights(name, gain))


def fitted(picture: np.ndarray, side: int, stretched: bool) -> tuple[Tensor, np.ndarray]:
    """A picture as the public code gives it to the network, and the scale of its axes."""
    image, shape = image_tensor(picture), np.array(picture.shape[:2])
    if stretched:
        square = F.interpolate(image, (side, side), mode="bilinear", antialias=True)
        return square, side / shape
    size = (shape * side / shape.max() + 0.5).astype(int)
    small = F.interpolate((image * 255).byte(), tuple(size), mode="bilinear", antialias=True)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    square = mean.expand(1, 3, side, side).clone()
    square[..., : size[0], : size[1]] = small / 255
    return square, size / shape


def prompt(name: str, scale: np.ndarray) -> Tensor:
    """The clicks of a recorded prompt; see `ClickModel.forward`."""
    clicks = CLICKS[name]
    points = torch.full((1, 2 * len(clicks), 3), -1.0)
    for order, (row, col, positive) in enumerate(clicks):
        slot = order if positive else len(clicks) + order
        points[0, slot] = torch.tensor([row * scale[0], col * scale[1], order])
    return points


def previous_mask(side: int) -> Tensor:
    """The previous mask of p3, (1, 1, side, side) logits."""
    y, x = np.mgrid[:side, :side] / side
    logits = 16 * np.exp(-(((y - 0.4) / 0.2) ** 2 + ((x - 0.55) / 0.15) ** 2)) - 8
    return torch.from_numpy(logits.astype(np.float32))[None, None]
