"""Networks from their descriptions, and descriptions from weights."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_cfr_icl.engine.models.click_model import ClickModel

_KEY_PREFIXES = {
    "plain_vit": "backbone.pos_embed",
    "hrnet_ocr": "feature_extractor.stage4.",
    "sam_vit": "image_encoder.patch_embed.proj.",
    "sam2": "image_encoder.trunk.",
    "mobile_sam": "image_encoder.patch_embed.seq.",
}
"""Prefix of keys that the checkpoints of a family have, and those of no other.

A family is a module of this package with `make` and `infer`. It is imported when it is needed,
because some of them import timm, which takes a second."""


def _hrnet(width: int, ocr_width: int, **others: Any) -> dict[str, Any]:
    return {"family": "hrnet_ocr", "width": width, "ocr_width": ocr_width, **others}


def _vit(dim: int, depth: int, num_heads: int, neck_dims: tuple[int, ...], **others: Any) -> Any:
    sizes = {"dim": dim, "depth": depth, "num_heads": num_heads, "neck_dims": neck_dims}
    return {"family": "plain_vit", "patch": 16, **sizes, **others}


def _sam_vit(dim: int, depth: int, num_heads: int) -> dict[str, Any]:
    return {"family": "sam_vit", "dim": dim, "depth": depth, "num_heads": num_heads}


def _sam2(width: int, stages: tuple[int, ...], blocks: tuple[int, ...], **others: Any) -> Any:
    sizes = {"width": width, "stages": stages, "global_blocks": blocks}
    return {"family": "sam2", "num_heads": 1 if width == 96 else 2, **sizes, **others}


PUBLISHED: dict[str, dict[str, Any]] = {
    "hrnet18s": _hrnet(18, 48, small=True),
    "hrnet18": _hrnet(18, 64),
    "hrnet18_noprevmask": _hrnet(18, 64, with_previous=False),
    "hrnet32": _hrnet(32, 128),
    "mobile_sam": {"family": "mobile_sam", "full_decoder": True},
    "sam_vit_b": _sam_vit(768, 12, 12),
    "sam_vit_l": _sam_vit(1024, 24, 16),
    "sam_vit_h": _sam_vit(1280, 32, 16),
    "sam2_hiera_tiny": _sam2(96, (1, 2, 7, 2), (5, 7, 9)),
    "sam2_hiera_small": _sam2(96, (1, 2, 11, 2), (7, 10, 13)),
    "sam2_hiera_base_plus": _sam2(112, (2, 3, 16, 3), (12, 16, 20), positions=14),
    "sam2_hiera_large": _sam2(144, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8)),
    "vit_xtiny": _vit(160, 8, 4, (96, 192, 288, 384), head_channels=128),
    "vit_b": _vit(768, 12, 12, (128, 256, 512, 1024)),
    "vit_l": _vit(1024, 24, 16, (192, 384, 768, 1536)),
    "vit_h": _vit(1280, 32, 16, (240, 480, 960, 1920), patch=14),
}
"""Descriptions of the published sizes, by the names that the catalogue of models uses."""


def build(architecture: Mapping[str, Any]) -> ClickModel:
    """Make the network of a description, with random weights, in eval mode.

    Under `torch.device("meta")` this costs nothing; `load_state_dict(weights, assign=True)` then
    makes the network whole.

    Parameters
    ----------
    architecture : mapping
        As in `ClickModel.architecture`: "family", and the fields of that family's architecture;
        or one of `PUBLISHED`.

    Returns
    -------
    ClickModel
        The network.

    Raises
    ------
    ValueError
        When the description is of no known family, or a field is missing, unknown or impossible.
    """
    fields = dict(architecture)
    family = fields.pop("family", None)
    if family not in _KEY_PREFIXES:
        *others, last = _KEY_PREFIXES
        raise ValueError(
            f"There is no network family {family!r}; known are {', '.join(others)} and {last}."
        )
    try:
        model: ClickModel = _module(family).make(**fields).eval()
    except TypeError as error:
        raise ValueError(f"This is no description of a {family} network: {error}") from error
    return model


def family_of(weights: Mapping[str, Tensor]) -> str | None:
    """Family of the network that a published checkpoint belongs to; None for one not known here."""
    for family, prefix in _KEY_PREFIXES.items():
        if any(str(key).startswith(prefix) for key in weights):
            return family
    return None


def infer_architecture(
    weights: Mapping[str, Tensor], num_heads: int | None = None
) -> dict[str, Any]:
    """Describe the network that a checkpoint belongs to, from the shapes of its weights alone.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The checkpoint, with the keys of the public code.
    num_heads : int, optional
        Attention heads of a transformer; shapes do not tell them, so they are needed for a width
        that no published model has.

    Returns
    -------
    dict
        The architecture, for `build`. Drawn clicks are taken to be disks of radius 5, for shapes do
        not tell that either and every published model that draws them has those.

    Raises
    ------
    ValueError
        When the weights belong to no network known here, or `num_heads` is needed and missing.
    """
    family = family_of(weights)
    if family is None:
        raise ValueError(
            "These weights belong to no SAM or SAM 2, no plain ViT, no HRNet with OCR and no "
            "MobileSAM."
        )
    described: dict[str, Any] = _module(family).infer(weights, num_heads)
    return described


def _module(family: str) -> Any:
    return import_module(f"napari_cfr_icl.engine.models.{family}")
