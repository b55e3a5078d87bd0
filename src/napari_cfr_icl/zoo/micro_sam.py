"""Checkpoints of micro-sam (Archit et al. 2025, Nature Methods), and their content besides a SAM.

Adapters of parameter-efficient finetuning are merged into the weights that they change, and files
of micro-sam's that hold no click model are told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch

from napari_cfr_icl._errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

__all__ = ["check_has_prompts", "is_from_micro_sam", "is_training_checkpoint", "merged_adapters"]

_DECODER: Final = "_decoder"
_DECODER_PARTS: Final = frozenset({"base", "out_conv"})
_PUBLISHED: Final = re.compile(r"vit_[tblh]_(lm|em_|histopathology|medical_imaging)")
_ENCODER_KEY: Final = re.compile(r"model_state\.(module\.)?encoder\.")

_UNMERGEABLE: Final = (".down_proj.", ".up_proj.", ".mlp_proj.")
_FOUR_BITS: Final = ".quant_state."


def is_training_checkpoint(content: Any) -> bool:
    """True for what micro-sam's training writes: names to tensors as `model_state`, and more."""
    state = content.get("model_state") if isinstance(content, dict) else None
    return (
        isinstance(state, dict)
        and bool(state)
        and all(isinstance(name, str) for name in state)
        and all(isinstance(weight, torch.Tensor) for weight in state.values())
    )


def is_from_micro_sam(content: Mapping[Any, Any], path: Path) -> bool:
    """True if micro-sam made it, which fits and stretches images in a way of its own.

    What it publishes for SAM's own networks is told by its name alone.
    """
    written = str(content.get("model_type")).startswith("hvit") or "model_state" in content
    return written or _PUBLISHED.match(path.name) is not None


def check_has_prompts(names: Iterable[str], path: Path) -> None:
    """Refuse what micro-sam writes for its automatic segmentation, by the names of the weights.

    Raises
    ------
    ModelFileError
        When it takes no clicks.
    """
    names = list(names)
    if any(_ENCODER_KEY.match(name) for name in names):
        raise ModelFileError(
            f"{path} was trained for automatic segmentation and takes no clicks: choose a "
            "checkpoint of micro-sam's train_sam, or one that its finetuning widget wrote."
        )
    if {part for name in names for part in name.split(".")[:2]} >= _DECODER_PARTS:
        model = path.with_name(path.name.replace(_DECODER, ""))
        raise ModelFileError(
            f"{path} is the part of a micro-sam model that segments automatically, and takes no "
            "clicks: choose the model itself"
            + (f", {model.name} beside it." if model != path else ", which lies beside it.")
        )


def merged_adapters(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Weights with LoRA, FacT and SSF adapters merged into them.

    Raises
    ------
    ModelFileError
        When there are adapters that cannot be.
    """
    if any(part in name for name in weights for part in _UNMERGEABLE):
        raise ModelFileError(
            f"{path} was finetuned with AdaptFormer, which puts layers beside the network's: "
            "finetune it with LoRA or without adapters to use it here."
        )
    if any(_FOUR_BITS in name for name in weights):
        raise ModelFileError(
            f"{path} was finetuned with QLoRA and holds weights of four bits: let micro-sam's "
            "export_custom_qlora_model write it anew, and choose what that wrote."
        )
    try:
        return _merged(weights)
    except (RuntimeError, KeyError, ValueError) as error:
        raise ModelFileError(
            f"{path} has adapters that do not fit its weights: fetch or copy it again."
        ) from error


def _merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    merged = dict(weights)
    for name in weights:
        if name.endswith(".qkv.qkv_proj.weight"):
            _merge_attention(merged, name.removesuffix(".qkv_proj.weight"))
        elif name.endswith(".mlp.mlp_layer.lin1.weight"):
            _merge_mlp(merged, name.removesuffix(".mlp_layer.lin1.weight"))
        elif name.endswith(".layer.weight") and name.replace(".layer.weight", ".scale") in weights:
            _merge_scale(merged, name.removesuffix(".layer.weight"))
    return merged


def _merge_attention(merged: dict[str, Tensor], at: str) -> None:
    weight = merged.pop(f"{at}.qkv_proj.weight").clone()
    shared = [merged.pop(f"{at}.FacT{side}.weight", None) for side in "uv"]
    for part, third in zip(weight.chunk(3), "qkv", strict=True):
        inner = merged.pop(f"{at}.w_a_linear_{third}.weight", None)
        outer = merged.pop(f"{at}.w_b_linear_{third}.weight", None)
        if inner is not None and outer is not None:
            part += outer @ inner
        small = merged.pop(f"{at}.{third}_FacTs.weight", None)
        if small is not None and shared[0] is not None and shared[1] is not None:
            part += shared[1] @ small @ shared[0]
    merged[f"{at}.weight"] = weight
    if (bias := merged.pop(f"{at}.qkv_proj.bias", None)) is not None:
        merged[f"{at}.bias"] = bias


def _merge_mlp(merged: dict[str, Tensor], at: str) -> None:
    for index in (1, 2):
        weight = merged.pop(f"{at}.mlp_layer.lin{index}.weight")
        inner = merged.pop(f"{at}.w_a_linear_{index}.weight", None)
        outer = merged.pop(f"{at}.w_b_linear_{index}.weight", None)
        changed = weight if inner is None or outer is None else weight + outer @ inner
        merged[f"{at}.lin{index}.weight"] = changed
        merged[f"{at}.lin{index}.bias"] = merged.pop(f"{at}.mlp_layer.lin{index}.bias")


def _merge_scale(merged: dict[str, Tensor], at: str) -> None:
    scale, shift = merged.pop(f"{at}.scale"), merged.pop(f"{at}.shift")
    weight = merged.pop(f"{at}.layer.weight")
    merged[f"{at}.weight"] = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    bias = merged.pop(f"{at}.layer.bias", None)
    merged[f"{at}.bias"] = shift if bias is None else bias * scale + shift
