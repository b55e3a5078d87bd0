"""SAM with its own encoders, ViT-B, -L and -H (Kirillov et al. 2023, arXiv 2304.02643)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import check_count, shape_of
from napari_cfr_icl.engine.models.mask_decoder import MaskDecoder
from napari_cfr_icl.engine.models.prompt_encoder import PromptEncoder
from napari_cfr_icl.engine.models.sam import Sam, check_contrast, check_masks
from napari_cfr_icl.engine.models.timm_layers import vision_transformer_sam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.settings import Contrast

FAMILY = "sam_vit"
HEADS_BY_DIM = {768: 12, 1024: 16, 1280: 16}
"""Attention heads of the published sizes; the shapes in a checkpoint do not tell their number."""

_PATCH = 16
_WINDOW = 14
_GROUPS = 4
"""The last block of each of four groups attends globally."""

_SLICE = 1 << 24
"""Attention scores computed at a time: 64 MB of float32."""


@dataclass(frozen=True, slots=True)
class SamVitArchitecture:
    """Hyperparameters of a `SamVit`.

    Parameters
    ----------
    dim, depth, num_heads : int
        Width of a token, number of blocks, attention heads in each.
    image_size : int
        Longest side in pixels of the images it was trained on.
    contrast : Contrast
        How these were stretched: "min-max" by micro-sam.

    Raises
    ------
    ValueError
        When no network can be built from these values.
    """

    dim: int
    depth: int
    num_heads: int
    image_size: int = 1024
    contrast: Contrast = "shown"

    def __post_init__(self) -> None:
        for name in ("dim", "depth", "num_heads", "image_size"):
            check_count(name, getattr(self, name))
        check_contrast(self.contrast)
        if self.depth % _GROUPS:
            raise ValueError(f"depth {self.depth} is no multiple of {_GROUPS}.")
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}.")
        if self.image_size % _PATCH:
            raise ValueError(f"image_size {self.image_size} is no multiple of {_PATCH}.")

    def described(self) -> dict[str, Any]:
        """As plain JSON, with the name of the family."""
        fields = asdict(self)
        if self.contrast == "shown":
            del fields["contrast"]  # files from before there was the choice do not say it
        return {"family": FAMILY, **fields}


class SamVit(Sam):
    """A plain ViT with relative positions, and SAM's decoder behind it.

    Parameters
    ----------
    arch : SamVitArchitecture
        The sizes.
    """

    checkpointed = (vision_transformer_sam.Block,)
    published_masks = "best-first"

    def __init__(self, arch: SamVitArchitecture) -> None:
        super().__init__(arch.described())
        self.input_size = arch.image_size
        self.published_contrast = arch.contrast
        self.image_encoder = _image_encoder(arch)
        self.prompt_encoder = PromptEncoder(kinds=4)
        self.mask_decoder = MaskDecoder(full=True)

    def encode(self, image: Tensor) -> Features:
        """Features of the image, (B, 256, H/16, W/16).

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1; sides are multiples of 16.
        """
        dtype = self.image_encoder.patch_embed.proj.weight.dtype
        return (self.image_encoder.forward_features(self.normalised(image).to(dtype)),)


def _image_encoder(arch: SamVitArchitecture) -> vision_transformer_sam.VisionTransformerSAM:
    group = arch.depth // _GROUPS
    encoder = vision_transformer_sam.VisionTransformerSAM(
        img_size=arch.image_size,
        patch_size=_PATCH,
        num_classes=0,
        embed_dim=arch.dim,
        depth=arch.depth,
        num_heads=arch.num_heads,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=_WINDOW,
        global_attn_indexes=tuple(range(group - 1, arch.depth, group)),
    )
    for block in encoder.blocks:
        block.attn = RelativeAttention(block.attn)
    return encoder


class RelativeAttention(vision_transformer_sam.Attention):
    """timm's attention with relative positions, in slices of the queries.

    Relative positions make a bias for every pair of places, which for an image of 1024 pixels and
    all heads takes 0.8 GB.

    Parameters
    ----------
    attention : timm.models.vision_transformer_sam.Attention
        Its layers are shared.
    """

    def __init__(self, attention: vision_transformer_sam.Attention) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(attention.__dict__)

    def forward(self, x: Tensor) -> Tensor:
        """(B, rows, columns, dim) to the same."""
        batch, rows, cols, dim = x.shape
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(3, 0, 4, 1, 2, 5)
        query, key, value = qkv  # each (B, heads, rows, columns, dim / heads)
        down = vision_transformer_sam.get_rel_pos(rows, rows, self.rel_pos_h)
        across = vision_transformer_sam.get_rel_pos(cols, cols, self.rel_pos_w)
        flat_key, flat_value = key.flatten(2, 3), value.flatten(2, 3)
        step = max(1, _SLICE // (batch * self.num_heads * rows * cols * cols))
        attended = []
        for start in range(0, rows, step):
            part = query[:, :, start : start + step]
            by_row = torch.einsum("bnhwc,hkc->bnhwk", part, down[start : start + step])
            by_col = torch.einsum("bnhwc,wkc->bnhwk", part, across)
            bias = by_row[..., :, None] + by_col[..., None, :]
            bias = bias.flatten(4).flatten(2, 3)
            attended.append(
                F.scaled_dot_product_attention(
                    part.flatten(2, 3), flat_key, flat_value, attn_mask=bias
                )
            )
        joined = torch.cat(attended, dim=2).transpose(1, 2).reshape(batch, rows, cols, dim)
        projected: Tensor = self.proj(joined)
        return projected


def make(**fields: Any) -> SamVit:
    """The network of these fields of a `SamVitArchitecture`."""
    return SamVit(SamVitArchitecture(**fields))


def infer(weights: Mapping[str, Tensor], num_heads: int | None = None) -> dict[str, Any]:
    """Describe the network that a checkpoint belongs to, from its shapes.

    Parameters
    ----------
    weights : mapping of str to Tensor
        A checkpoint of SAM, or of micro-sam.
    num_heads : int, optional
        Needed for a width that no published model has.

    Returns
    -------
    dict
        The architecture, for `build`.

    Raises
    ------
    ValueError
        When `num_heads` is needed and missing, or it is a network for something else than clicks.
    """
    check_masks(weights, "mask_decoder.")
    dim = shape_of(weights, "image_encoder.patch_embed.proj.weight", 4)[0]
    heads = HEADS_BY_DIM.get(dim) if num_heads is None else num_heads
    if heads is None:
        raise ValueError(
            f"The number of attention heads of a SAM of width {dim} cannot be told from its "
            "weights; it has to be given as num_heads."
        )
    side = shape_of(weights, "image_encoder.pos_embed", 4)[1]
    blocks = {key.split(".")[2] for key in weights if key.startswith("image_encoder.blocks.")}
    return SamVitArchitecture(dim, len(blocks), heads, side * _PATCH).described()
