"""Names of weights: those of the published checkpoints, which every model file keeps.

The networks use timm's modules, whose parameters are named otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

    from napari_cfr_icl.engine.models import ClickModel

__all__ = ["published_name", "published_weights"]

_ENCODER: Final = "image_encoder."
_TINY_VIT: Final = (
    ("patch_embed.conv1", "patch_embed.seq.0"),
    ("patch_embed.conv2", "patch_embed.seq.2"),
    # timm downsamples at the start of a stage, the published code at the end of the one before.
    ("stages.1.downsample", "layers.0.downsample"),
    ("stages.2.downsample", "layers.1.downsample"),
    ("stages.3.downsample", "layers.2.downsample"),
    ("stages", "layers"),
    (".conv.", ".c."),
)
"""timm's names and MobileSAM's, replaced in this order."""


def published_name(key: str) -> str:
    """Name in a published checkpoint of the network's parameter or buffer `key`."""
    if key.startswith(_ENCODER):
        for ours, published in _TINY_VIT:
            key = key.replace(ours, published)
    return key


def published_weights(model: ClickModel) -> dict[str, Tensor]:
    """The weights of a network by their published names."""
    return {published_name(key): weight for key, weight in model.state_dict().items()}
