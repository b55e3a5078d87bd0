"""Checkpoints of SAM's family as the published programs load them: PyTorch files of plain tensors.

SAM, MobileSAM and micro-sam load the bare weights by their published names, every one of them. What
else such a file holds (SAM 2's weights for videos, micro-sam's decoder for automatic segmentation)
is in no network here, and is taken from a file that is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch

from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.zoo.key_maps import published_weights
from napari_cfr_icl.zoo.upstream import network_in, read_content

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_cfr_icl.engine.models import ClickModel

__all__ = ["PUBLISHED_SUFFIXES", "write_published"]

PUBLISHED_SUFFIXES: Final = (".pth", ".pt")

_CLASSIFIER: Final = (320, 1000)
"""Width and classes of the classifier in MobileSAM's encoder, which no mask depends on."""

_BESIDE: Final = ("decoder_state", "unetr_state", "model_type")
"""Entries of micro-sam's files that belong to the model and not to the training of it."""


def write_published(
    model: ClickModel, path: Path, like: Path | None = None, dtype: str | None = None
) -> None:
    """Write a network of SAM's family for the programs that it was published with.

    Parameters
    ----------
    model : ClickModel
        The network.
    path : Path
        The new file; an existing one is replaced.
    like : Path, optional
        A checkpoint of the same network: the new file is built like it, and what it holds beside
        the network is copied. Needed for SAM 2.
    dtype : str, optional
        "float32" (the default) or "float16".

    Raises
    ------
    ModelFileError
        When the published programs have no such network, or `like` is missing or of another.
    OutputError
        When the file cannot be written.
    """
    kind = getattr(torch, dtype or "float32")
    weights = {
        key: weight.detach().to(kind if weight.is_floating_point() else weight.dtype, copy=True)
        for key, weight in published_weights(model).items()
    }
    content = _complete(model, weights) if like is None else _like(weights, like)
    with explained_write_failures(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            torch.save(content, part)


def _complete(model: ClickModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """All weights of the published network, those that no output depends on among them."""
    architecture = model.architecture
    family = architecture["family"]
    if family == "sam2":
        raise ModelFileError(
            "SAM 2's own program wants its weights for videos too, which are not kept here: name "
            "the checkpoint that the network came from (--like FILE), and they are taken from it."
        )
    if family not in ("sam_vit", "mobile_sam"):
        raise ModelFileError(
            "Only networks of SAM's family are written as .pth or .pt: choose a name that ends in "
            ".safetensors."
        )
    if family == "mobile_sam":
        extras = [part for part in ("detail", "outline") if architecture.get(part)]
        if extras or not architecture.get("full_decoder"):
            raise ModelFileError(
                "MobileSAM's own program cannot use this network, which was changed for clicks "
                f"({', '.join(extras) or 'a decoder of one mask'}): choose a name that ends in "
                ".safetensors."
            )
        width, classes = _CLASSIFIER
        weights |= {
            "image_encoder.norm_head.weight": torch.ones(width),
            "image_encoder.norm_head.bias": torch.zeros(width),
            "image_encoder.head.weight": torch.zeros(classes, width),
            "image_encoder.head.bias": torch.zeros(classes),
        }
    return weights


def _like(weights: dict[str, Tensor], like: Path) -> dict[str, Any]:
    """The content of a checkpoint, with other weights in its network."""
    content = read_content(like)
    network = network_in(content, like) if isinstance(content, Mapping) else None
    if network is None or not isinstance(content, Mapping):
        raise ModelFileError(f"{like} holds no network of SAM's family: choose another file.")
    for key, weight in weights.items():
        if key not in network or network[key].shape != weight.shape:
            raise ModelFileError(f"{like} is of another network: it has no such {key}.")
    new = {id(network[key]): weight for key, weight in weights.items()}
    return {
        name: copied
        for name, value in content.items()
        if (copied := _copied(value, new)) is not None
        and (name in _BESIDE or isinstance(value, torch.Tensor) or _holds(copied, weights))
    }


def _copied(value: Any, new: Mapping[int, Tensor]) -> Any:
    """A copy of plain values and tensors, with new weights for old ones; None for all else."""
    if isinstance(value, torch.Tensor):
        return new.get(id(value), value)
    if isinstance(value, Mapping):
        parts = {name: _copied(part, new) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not None}
    return value if isinstance(value, str | int | float) else None


def _holds(value: Any, weights: Mapping[str, Tensor]) -> bool:
    """True where one of the weights is in nested mappings."""
    wanted = next(iter(weights.values()))
    parts = value.values() if isinstance(value, Mapping) else ()
    return any(part is wanted or _holds(part, weights) for part in parts)
