"""Names of weights: those of the published checkpoints, which every model file keeps.

The networks use timm's modules, whose parameters are named otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["published_name", "published_weights"]

_RENAMED: Final = {
    "image_encoder.trunk.": ((".mlp.fc1", ".mlp.layers.0"), (".mlp.fc2", ".mlp.layers.1")),
    "image_encoder.neck.": (),
    "image_encoder.blocks.": ((".mlp.fc", ".mlp.lin"),),
    "image_encoder.": (
        ("patch_embed.conv1", "patch_embed.seq.0"),
        ("patch_embed.conv2", "patch_embed.seq.2"),
        # timm downsamples at the start of a stage, MobileSAM at the end of the one before.
        ("stages.1.downsample", "layers.0.downsample"),
        ("stages.2.downsample", "layers.1.downsample"),
        ("stages.3.downsample", "layers.2.downsample"),
        ("stages", "layers"),
        (".conv.", ".c."),
    ),
    "mask_decoder.": ((".mlp.fc", ".mlp.lin"),),
    "sam_mask_decoder.": ((".mlp.fc1", ".mlp.layers.0"), (".mlp.fc2", ".mlp.layers.1")),
}
"""For each part of SAM 2, SAM and MobileSAM, the first that fits: timm's names and the published
ones, replaced in this order."""


def published_name(key: str) -> str:
    """Name in a published checkpoint of the network's parameter or buffer `key`."""
    for part, renamed in _RENAMED.items():
        if key.startswith(part):
            for ours, published in renamed:
                key = key.replace(ours, published)
            break
    return key


def published_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a network by their published names."""
    return {published_name(key): weight for key, weight in model.state_dict().items()}
