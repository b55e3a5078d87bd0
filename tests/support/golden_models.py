"""Networks with known weights, and what the public code gave for them."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_cfr_icl.engine.models import ClickModel, build, infer_architecture
from napari_cfr_icl.zoo.key_maps import published_name

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
TOY_HEADS = 4
"""Attention heads of the recorded small plain ViTs."""

_LOSS_MODULE = "isegm.model.modeling.transformer_helper.cross_entropy_loss"


class _Inert:
    """Stands in for the loss object that public ViT checkpoints carry."""


def _inert() -> None:
    """Stands in for the loss function that public ViT checkpoints carry."""


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of a recorded file, by name."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


@cache
def public_shapes() -> dict[str, dict[str, tuple[list[int], str]]]:
    """Shape and dtype of every entry of every public model, by model and key."""
    files = GOLDEN / "state_dict_keys.json.gz", GOLDEN / "sam" / "state_dict_keys.json.gz"
    shapes: dict[str, dict[str, tuple[list[int], str]]] = {}
    for file in files:
        shapes |= json.loads(gzip.decompress(file.read_bytes()))
    return shapes


def public_weights(name: str) -> dict[str, Tensor]:
    """The weights in a recorded checkpoint of the public code."""
    stand_ins = [
        (_Inert, f"{_LOSS_MODULE}.CrossEntropyLoss"),
        (_inert, f"{_LOSS_MODULE}.cross_entropy"),
    ]
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(GOLDEN / f"{name}.pth", weights_only=True)["state_dict"]


def made_up_weights(shapes: Mapping[str, tuple[list[int], str]], gain: float) -> dict[str, Tensor]:
    """Weights that follow from key and shape alone, as the recorded full-size runs had them."""
    return {key: _made_up(key, tuple(shape), gain) for key, (shape, _) in shapes.items()}


def _made_up(key: str, shape: tuple[int, ...], gain: float) -> Tensor:
    leaf = key.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return torch.zeros((), dtype=torch.int64)
    # RandomState's numbers are promised to stay the same in every version of numpy.
    random = np.random.RandomState(zlib.crc32(key.encode()))
    if leaf == "running_var":
        values = 1.0 + 0.2 * random.random_sample(shape)
    elif leaf == "scale":
        values = np.full(shape, 0.5)
    else:
        mean, spread = 0.0, 0.1
        if leaf in ("pos_embed", "cls_token"):
            spread = 0.2
        elif len(shape) >= 2:
            spread = gain / np.sqrt(np.prod(shape[1:]))
        elif leaf == "weight":
            mean = 1.0
        values = mean + spread * random.standard_normal(shape)
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def network(weights: Mapping[str, Tensor], num_heads: int | None = None) -> ClickModel:
    """The network that these weights belong to, with them."""
    with torch.device("meta"):
        model = build(infer_architecture(weights, num_heads))
    alive = {key: value for key, value in weights.items() if not key.startswith(model.dead_keys)}
    ours = {key: alive.pop(published_name(key)) for key in model.state_dict()}
    assert not alive
    model.load_state_dict(ours, strict=True, assign=True)
    return model


def full_size(name: str) -> ClickModel:
    """A published size with made-up weights."""
    gain = float(arrays(f"full_{name}")["gain"])
    return network(made_up_weights(public_shapes()[name], gain))


def randomised(architecture: Mapping[str, object], seed: int = 0) -> ClickModel:
    """A network in which nothing is left at 0 or 1: norms and their statistics are random too."""
    model = build(architecture)
    generator = torch.Generator().manual_seed(seed)
    for entry in model.state_dict().values():
        if entry.is_floating_point():
            spread = 0.2 if entry.ndim < 2 else 1 / float(np.sqrt(entry[0].numel()))
            noise = spread * torch.randn(entry.shape, generator=generator)
            entry.copy_(noise if entry.ndim >= 2 else 1 + noise.clamp(-0.5, 0.5))
    return model


def image_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) or (B, H, W, 3) bytes to (B, 3, H, W) from 0 to 1."""
    batch = torch.from_numpy(image.reshape(-1, *image.shape[-3:]))
    return batch.permute(0, 3, 1, 2).float() / 255


def bump(rows: int, cols: int) -> Tensor:
    """The previous mask of the recorded full-size runs: (1, 1, rows, cols)."""
    y, x = np.mgrid[:rows, :cols]
    exponent = ((y - 0.4 * rows) / (0.2 * rows)) ** 2 + ((x - 0.55 * cols) / (0.15 * cols)) ** 2
    return torch.from_numpy(np.exp(-exponent).astype(np.float32))[None, None]


def random_input(rows: int, cols: int, *, batch: int = 1, maps: int = 3) -> tuple[Tensor, Tensor]:
    """An image and maps to try a network on, the same every time."""
    generator = torch.Generator().manual_seed(rows * cols)
    image = torch.rand(batch, 3, rows, cols, generator=generator)
    return image, torch.rand(batch, maps, rows, cols, generator=generator)
