"""The plain vision transformer of SimpleClick and CFR-ICL.

Embedded patches of image and click maps are added. Most blocks, timm's, attend within windows, the
last of every group globally. A simple feature pyramid and a light head compute the logits.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import (
    ClickModel,
    check_clicks,
    check_count,
    is_traced,
    shape_of,
)
from napari_cfr_icl.engine.models.pyramid_head import Head, Pyramid
from napari_cfr_icl.engine.models.timm_layers import Block, PatchEmbed

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILY = "plain_vit"
HEADS_BY_DIM = {160: 4, 768: 12, 1024: 16, 1280: 16}
"""Attention heads of the published sizes; the shapes in a checkpoint do not tell their number."""

_WINDOW_PIXELS = 224  # side of the images the published backbones were pretrained on
_DEAD_KEYS = ("backbone.cls_token", "backbone.fc_norm.", "backbone.head.")


@dataclass(frozen=True, slots=True)
class PlainVitArchitecture:
    """Hyperparameters of a `PlainVit`.

    Parameters
    ----------
    dim, depth, num_heads : int
        Width of a token, number of blocks, attention heads in each.
    patch : int
        Side of a patch in pixels.
    neck_dims : tuple of int
        Channels of the four levels of the pyramid, finest first.
    head_channels : int
        Channels that the last convolution sees.
    upsample : int
        1, 2 or 4: how much finer than the finest level the logits are made.
    image_size : int
        Side in pixels of the square images that the position embedding was stored for.
    click_style : str
        "disks" or "distances".
    click_radius : float
        In pixels.

    Raises
    ------
    ValueError
        When no network can be built from these values.
    """

    dim: int
    depth: int
    num_heads: int
    patch: int
    neck_dims: tuple[int, ...]
    head_channels: int = 256
    upsample: int = 1
    image_size: int = 448
    click_style: str = "disks"
    click_radius: float = 5.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "neck_dims", tuple(self.neck_dims))  # JSON has lists only
        check_clicks(self.click_style, self.click_radius)
        for name in ("dim", "depth", "num_heads", "patch", "head_channels", "image_size"):
            check_count(name, getattr(self, name))
        for channels in self.neck_dims:
            check_count("neck_dims", channels)
        if self.depth < 8 or self.depth % self.group:
            raise ValueError(
                f"A depth of {self.depth} blocks cannot be split into groups of equal size; "
                "use 8, 12, or a higher multiple of 4."
            )
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}.")
        if len(self.neck_dims) != 4:
            raise ValueError(f"neck_dims must be four numbers, not {self.neck_dims}.")
        if self.upsample not in (1, 2, 4):
            raise ValueError(f"upsample must be 1, 2 or 4, not {self.upsample}.")
        if self.image_size % self.patch:
            raise ValueError(f"image_size {self.image_size} is no multiple of patch {self.patch}.")
        if self.base_window < 1:
            raise ValueError(f"patch {self.patch} is larger than a window of {_WINDOW_PIXELS}.")

    def described(self) -> dict[str, Any]:
        """As plain JSON, with the name of the family."""
        return {"family": FAMILY, **asdict(self), "neck_dims": list(self.neck_dims)}

    @property
    def group(self) -> int:
        """Blocks in a group; the last block of each attends globally."""
        return 6 if self.depth == 12 else self.depth // 4

    @property
    def grid(self) -> int:
        """Side of the stored position embedding in tokens."""
        return self.image_size // self.patch

    @property
    def base_window(self) -> int:
        """Smallest side of an attention window in tokens."""
        return _WINDOW_PIXELS // self.patch


class PlainVit(ClickModel):
    """Plain ViT with windowed attention, a simple pyramid and a light head.

    Parameters
    ----------
    arch : PlainVitArchitecture
        The sizes.
    """

    fixed_square = True
    checkpointed = (Block,)

    def __init__(self, arch: PlainVitArchitecture) -> None:
        super().__init__(arch.described())
        self.input_size = arch.image_size
        unused = {1: ("head.up_conv1.", "head.up_conv2."), 2: ("head.up_conv2.",), 4: ()}
        self.dead_keys = (*_DEAD_KEYS, *unused[arch.upsample])
        self._patch, self._base_window = arch.patch, arch.base_window
        self.patch_embed_coords = _patch_embed(arch)
        self.backbone = Backbone(arch)
        self.neck = Pyramid(arch.dim, arch.neck_dims)
        self.head = Head(arch.neck_dims, arch.head_channels, arch.upsample)

    def forward_maps(self, image: Tensor, maps: Tensor) -> Tensor:
        """Logits of the mask from clicks already drawn; ValueError for an impossible size."""
        if not is_traced():
            self._check_size(image.shape[-2], image.shape[-1])
        tokens = self.backbone(self.normalised(image), self.patch_embed_coords(maps))
        logits = self.head(self.neck(tokens.permute(0, 3, 1, 2)))
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=True)

    def nearest_size(self, rows: int, cols: int) -> tuple[int, int]:
        """Find the size closest to `rows` by `cols` that fits equal windows."""
        return self._nearest_side(rows), self._nearest_side(cols)

    def _nearest_side(self, pixels: int) -> int:
        wanted = pixels / self._patch
        # Every multiple of the base window fits, so the answer is within one window.
        near = range(math.floor(wanted) - self._base_window, math.ceil(wanted) + self._base_window)
        valid = [side for side in near if self._fits_windows(side)] or [self._base_window]
        return min(valid, key=lambda side: abs(side - wanted)) * self._patch

    def _fits_windows(self, side: int) -> bool:
        """True if `side` tokens make a whole number of equal windows."""
        return side >= self._base_window and side % (side // self._base_window) == 0

    def _check_size(self, rows: int, cols: int) -> None:
        if all(
            side % self._patch == 0 and self._fits_windows(side // self._patch)
            for side in (rows, cols)
        ):
            return
        good = self.nearest_size(rows, cols)
        raise ValueError(
            f"This network cannot cut an image of {rows} x {cols} pixels into patches of "
            f"{self._patch} and equal windows of them; the nearest size it can is "
            f"{good[0]} x {good[1]}."
        )


class Backbone(nn.Module):
    """The transformer: groups of windowed blocks, each closed by a global one."""

    def __init__(self, arch: PlainVitArchitecture) -> None:
        super().__init__()
        self._group, self._grid, self._base_window = arch.group, arch.grid, arch.base_window
        # The first position is that of a class token, which no click model has.
        self.pos_embed = nn.Parameter(torch.zeros(1, arch.grid**2 + 1, arch.dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.patch_embed = _patch_embed(arch)
        blocks = (Block(arch.dim, arch.num_heads, qkv_bias=True) for _ in range(arch.depth))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor, coords: Tensor) -> Tensor:
        """(B, 3, H, W) and the tokens of the click maps to (B, rows, columns, dim)."""
        x: Tensor = self.patch_embed(image) + coords
        rows, cols = x.shape[1], x.shape[2]
        x = x + self.positions(rows, cols)
        for start in range(0, len(self.blocks), self._group):
            *windowed, last = self.blocks[start : start + self._group]
            windows = split_windows(x, self._base_window)
            for block in windowed:
                windows = block(windows)
            x = join_windows(windows, rows, cols, self._base_window)
            x = last(x.flatten(1, 2)).view(x.shape)
        return x

    def positions(self, rows: int, cols: int) -> Tensor:
        """Resize the position embedding to a grid: (1, rows, columns, dim)."""
        side = self._grid
        stored = self.pos_embed[:, 1:].view(1, side, side, -1)
        if not is_traced() and (rows, cols) == (side, side):
            return stored
        stored = stored.permute(0, 3, 1, 2)
        resized = F.interpolate(stored, size=(rows, cols), mode="bicubic", align_corners=False)
        return resized.permute(0, 2, 3, 1)


def _patch_embed(arch: PlainVitArchitecture) -> PatchEmbed:
    """(B, 3, H, W) to one token per patch: (B, rows, columns, dim)."""
    return PatchEmbed(None, arch.patch, embed_dim=arch.dim, output_fmt="NHWC")


def split_windows(x: Tensor, base: int) -> Tensor:
    """Cut (B, rows, columns, dim) tokens into windows of at least `base` tokens a side.

    Returns
    -------
    Tensor
        (B * windows, tokens of a window, dim), windows and tokens row by row.
    """
    batch, rows, cols, dim = x.shape
    down, across = rows // base, cols // base
    x = x.view(batch, down, rows // down, across, cols // across, dim)
    return x.transpose(2, 3).reshape(batch * down * across, -1, dim)


def join_windows(windows: Tensor, rows: int, cols: int, base: int) -> Tensor:
    """Undo `split_windows`: (B, rows, columns, dim)."""
    down, across = rows // base, cols // base
    x = windows.view(-1, down, across, rows // down, cols // across, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, rows, cols, windows.shape[-1])


def make(**fields: Any) -> PlainVit:
    """The network of these fields of a `PlainVitArchitecture`."""
    return PlainVit(PlainVitArchitecture(**fields))


def infer(weights: Mapping[str, Tensor], num_heads: int | None = None) -> dict[str, Any]:
    """Describe the plain ViT that a checkpoint belongs to, from its shapes.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The checkpoint.
    num_heads : int, optional
        Needed for a width that no published model has.

    Returns
    -------
    dict
        The architecture.

    Raises
    ------
    ValueError
        When the shapes are not those of a plain ViT, or `num_heads` is needed and missing.
    """
    dim, _, patch, _ = shape_of(weights, "backbone.patch_embed.proj.weight", 4)
    heads = HEADS_BY_DIM.get(dim) if num_heads is None else num_heads
    if heads is None:
        raise ValueError(
            f"The number of attention heads of a plain ViT of width {dim} cannot be told from its "
            "weights; it has to be given as num_heads."
        )
    tokens = shape_of(weights, "backbone.pos_embed", 3)[1] - 1
    grid = math.isqrt(max(tokens, 0))
    if grid**2 != tokens:
        raise ValueError(f"A position embedding of {tokens} tokens is not that of a square image.")
    levels = (shape_of(weights, f"head.convs.{level}.conv.weight", 4) for level in range(4))
    head_channels = shape_of(weights, "head.conv_seg.weight", 4)[1]
    check_count("head_channels", head_channels)
    arch = PlainVitArchitecture(
        dim=dim,
        depth=len({key.split(".")[2] for key in weights if key.startswith("backbone.blocks.")}),
        num_heads=heads,
        patch=patch,
        neck_dims=tuple(shape[1] for shape in levels),
        head_channels=head_channels,
        upsample=shape_of(weights, "head.fusion_conv.conv.weight", 4)[0] // head_channels,
        image_size=grid * patch,
    )
    return arch.described()
