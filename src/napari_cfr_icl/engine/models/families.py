"""Networks from their descriptions, and descriptions from weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cfr_icl.engine.models import hrnet_ocr, mobile_sam, plain_vit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_cfr_icl.engine.models.click_model import ClickModel


def build(architecture: Mapping[str, Any]) -> ClickModel:
    """Make the network that a description stands for, with random weights, in eval mode.

    Under `torch.device("meta")` this costs nothing; `load_state_dict(weights, assign=True)` then
    makes the network whole.

    Parameters
    ----------
    architecture : mapping
        As in `ClickModel.architecture`: "family", and the fields of that family's architecture.

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
    try:
        match family:
            case plain_vit.FAMILY:
                return plain_vit.PlainVit(plain_vit.PlainVitArchitecture(**fields)).eval()
            case hrnet_ocr.FAMILY:
                return hrnet_ocr.HRNetOcr(hrnet_ocr.HRNetOcrArchitecture(**fields)).eval()
            case mobile_sam.FAMILY:
                return mobile_sam.MobileSam(mobile_sam.MobileSamArchitecture(**fields)).eval()
    except TypeError as error:
        raise ValueError(f"This is no description of a {family} network: {error}") from error
    raise ValueError(
        f"There is no network family {family!r}; known are {plain_vit.FAMILY}, "
        f"{hrnet_ocr.FAMILY} and {mobile_sam.FAMILY}."
    )


def infer_architecture(
    weights: Mapping[str, Tensor], num_heads: int | None = None
) -> dict[str, Any]:
    """Describe the network that a checkpoint belongs to, from the shapes of its weights alone.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The checkpoint, with the keys of the public code.
    num_heads : int, optional
        Attention heads of a plain ViT; shapes do not tell them, so they are needed for a width
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
    if "backbone.pos_embed" in weights:
        return plain_vit.infer_plain_vit(weights, num_heads)
    if any(key.startswith("feature_extractor.stage4.") for key in weights):
        return hrnet_ocr.infer_hrnet_ocr(weights)
    if mobile_sam.MARK in weights:
        return mobile_sam.infer_mobile_sam(weights)
    raise ValueError("These weights belong to no plain ViT, no HRNet with OCR and no MobileSAM.")
