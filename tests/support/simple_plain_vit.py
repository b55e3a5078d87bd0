"""The plain ViT written a second time as its description reads, slowly: to compare with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel


class SimplePlainVit:
    """One window and one head at a time, all levels resized and concatenated.

    Parameters
    ----------
    model : ClickModel
        Whose weights and architecture to take, in float64.
    """

    def __init__(self, model: ClickModel) -> None:
        self.arch = model.architecture
        self.weights = model.state_dict()

    def __call__(self, image: Tensor, maps: Tensor) -> Tensor:
        levels = self.neck(self.backbone(image, maps))
        logits = self.head(levels)
        return F.interpolate(logits, image.shape[2:], mode="bilinear", align_corners=True)

    def backbone(self, image: Tensor, maps: Tensor) -> Tensor:
        mean, std = image.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
        # The constants are float32 numbers in every arithmetic.
        mean, std = (rgb.float().double()[:, None, None] for rgb in (mean, std))
        patch = self.arch["patch"]
        x = self.conv((image - mean) / std, "backbone.patch_embed.proj", stride=patch)
        x = x + self.conv(maps, "patch_embed_coords.proj", stride=patch)
        x = (x + self.positions(*x.shape[2:])).permute(0, 2, 3, 1).clone()
        rows, cols = x.shape[1:3]
        least = 224 // patch
        small = rows // (rows // least), cols // (cols // least)
        group = 6 if self.arch["depth"] == 12 else self.arch["depth"] // 4
        for index in range(self.arch["depth"]):
            last = (index + 1) % group == 0
            self.attend(x, index, (rows, cols) if last else small)
        return x.permute(0, 3, 1, 2)

    def positions(self, rows: int, cols: int) -> Tensor:
        stored = self.weights["backbone.pos_embed"][:, 1:]
        side = math.isqrt(stored.shape[1])
        stored = stored.transpose(1, 2).reshape(1, -1, side, side)
        return F.interpolate(stored, (rows, cols), mode="bicubic", align_corners=False)

    def attend(self, x: Tensor, index: int, window: tuple[int, int]) -> None:
        high, wide = window
        for top in range(0, x.shape[1], high):
            for left in range(0, x.shape[2], wide):
                part = x[:, top : top + high, left : left + wide]
                tokens = self.block(part.reshape(len(x), high * wide, -1), index)
                x[:, top : top + high, left : left + wide] = tokens.view(part.shape)

    def block(self, x: Tensor, index: int) -> Tensor:
        key = f"backbone.blocks.{index}"
        dim = x.shape[-1]
        side = dim // self.arch["num_heads"]
        query, key_, value = self.linear(
            self.layer_norm(x, f"{key}.norm1"), f"{key}.attn.qkv"
        ).split(dim, dim=-1)
        heads = []
        for first in range(0, dim, side):
            own = slice(first, first + side)
            scores = query[..., own] @ key_[..., own].transpose(1, 2) / math.sqrt(side)
            heads.append(scores.softmax(-1) @ value[..., own])
        x = x + self.linear(torch.cat(heads, -1), f"{key}.attn.proj")
        hidden = F.gelu(self.linear(self.layer_norm(x, f"{key}.norm2"), f"{key}.mlp.fc1"))
        return x + self.linear(hidden, f"{key}.mlp.fc2")

    def neck(self, x: Tensor) -> list[Tensor]:
        fine = F.gelu(self.norm(self.double(x, "neck.down_4.0"), "neck.down_4.1"))
        fine = self.norm(self.double(fine, "neck.down_4.3"), "neck.down_4.4")
        second = self.norm(self.double(x, "neck.down_8.0"), "neck.down_8.1")
        last = self.norm(self.conv(x, "neck.down_32.0", stride=2), "neck.down_32.1")
        return [
            F.gelu(self.norm(self.conv(fine, "neck.down_4.5"), "neck.down_4.6")),
            F.gelu(self.norm(self.conv(second, "neck.down_8.2"), "neck.down_8.3")),
            F.gelu(self.norm(self.conv(x, "neck.down_16.0"), "neck.down_16.1")),
            F.gelu(self.norm(self.conv(last, "neck.down_32.2"), "neck.down_32.3")),
        ]

    def head(self, levels: list[Tensor]) -> Tensor:
        size = levels[0].shape[2:]
        resized = [
            F.interpolate(
                F.relu(self.conv(level, f"head.convs.{index}.conv")),
                size,
                mode="bilinear",
                align_corners=False,
            )
            for index, level in enumerate(levels)
        ]
        x = F.relu(self.conv(torch.cat(resized, 1), "head.fusion_conv.conv"))
        for name in {1: (), 2: ("up_conv1",), 4: ("up_conv1", "up_conv2")}[self.arch["upsample"]]:
            x = self.norm(self.double(x, f"head.{name}.0"), f"head.{name}.1")
            x = F.gelu(self.norm(self.conv(x, f"head.{name}.2"), f"head.{name}.3"))
        return self.conv(x, "head.conv_seg")

    def pair(self, key: str) -> tuple[Tensor, Tensor]:
        return self.weights[f"{key}.weight"], self.weights[f"{key}.bias"]

    def linear(self, x: Tensor, key: str) -> Tensor:
        weight, bias = self.pair(key)
        return x @ weight.T + bias

    def conv(self, x: Tensor, key: str, stride: int = 1) -> Tensor:
        return F.conv2d(x, *self.pair(key), stride=stride)

    def double(self, x: Tensor, key: str) -> Tensor:
        return F.conv_transpose2d(x, *self.pair(key), stride=2)

    def layer_norm(self, x: Tensor, key: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self.pair(key), 1e-6)

    def norm(self, x: Tensor, key: str) -> Tensor:
        mean = x.mean((1, 2, 3), keepdim=True)
        variance = x.var((1, 2, 3), keepdim=True, unbiased=False)
        weight, bias = (value[:, None, None] for value in self.pair(key))
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias
