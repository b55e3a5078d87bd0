"""TinyViT (Wu et al. 2022, arXiv 2207.10666) as MobileSAM has it: the picture in, features out.

Convolutions at a quarter of the resolution, then attention within windows at an eighth and a
sixteenth. MobileSAM (Zhang et al. 2023, arXiv 2306.14289) leaves out the last halving and puts a
neck behind. Names and shapes of the weights are those of its checkpoint.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import is_traced

WIDTHS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
OUT_WIDTH = 256
REDUCTION = 16
"""Pixels of the picture on a side of a place of the features."""

_EXPANSION = 4


class TinyVit(nn.Module):
    """Picture to features at a sixteenth, an eighth and a quarter of its resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = Stem(WIDTHS[0])
        following = (*WIDTHS[1:], None)
        self.layers = nn.ModuleList(Stage(at, wider) for at, wider in enumerate(following))
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[-1], OUT_WIDTH, 1, bias=False),
            ChannelNorm(OUT_WIDTH),
            nn.Conv2d(OUT_WIDTH, OUT_WIDTH, 3, padding=1, bias=False),
            ChannelNorm(OUT_WIDTH),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to 256, 128 and 64 channels at 1/16, 1/8 and 1/4 of its size."""
        x = self.patch_embed(image)
        seen = []
        for stage in self.layers:
            x, before = stage(x)
            seen.append(before)
        return self.neck(x), seen[1], seen[0]


class ConvAndNorm(nn.Sequential):
    """A convolution and its batch norm."""

    def __init__(
        self, width: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(width, out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.add_module("c", conv)
        self.add_module("bn", nn.BatchNorm2d(out))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of every place of (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised `x`."""
        last = x.permute(0, 2, 3, 1)
        normed = F.layer_norm(last, self.weight.shape, self.weight, self.bias, eps=1e-6)
        return normed.permute(0, 3, 1, 2)


class Stem(nn.Module):
    """Two convolutions that each halve the resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvAndNorm(3, width // 2, 3, stride=2), nn.GELU(), ConvAndNorm(width // 2, width, 3, 2)
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, width, H/4, W/4)."""
        return cast("Tensor", self.seq(image))


class Stage(nn.Module):
    """Blocks of one width, then the way to the next: half the resolution, but for the last."""

    def __init__(self, at: int, wider: int | None) -> None:
        super().__init__()
        width = WIDTHS[at]
        make = Inverted if at == 0 else WindowBlock
        self.blocks = nn.Sequential(
            *(make(width, HEADS[at], WINDOWS[at]) for _ in range(DEPTHS[at]))
        )
        last = wider == WIDTHS[-1]
        self.downsample = None if wider is None else Merging(width, wider, stride=1 if last else 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the next stage gets, and what the blocks gave."""
        x = self.blocks(x)
        return (x if self.downsample is None else self.downsample(x)), x


class Inverted(nn.Module):
    """Widen, look around, narrow; what came in is added."""

    def __init__(self, width: int, *_: int) -> None:
        super().__init__()
        wide = _EXPANSION * width
        self.conv1 = ConvAndNorm(width, wide)
        self.conv2 = ConvAndNorm(wide, wide, 3, groups=wide)
        self.conv3 = ConvAndNorm(wide, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W), the same shape out."""
        out = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return F.gelu(out + x)


class Merging(nn.Module):
    """To another width, and with stride 2 to half the resolution."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvAndNorm(width, wider)
        self.conv2 = ConvAndNorm(wider, wider, 3, stride, groups=wider)
        self.conv3 = ConvAndNorm(wider, wider)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to (B, wider, H/stride, W/stride)."""
        return cast("Tensor", self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class WindowBlock(nn.Module):
    """Attention within windows, a small convolution across them, and a layer for each place."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = ConvAndNorm(width, width, 3, groups=width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W), the same shape out."""
        places = x.permute(0, 2, 3, 1)
        places = places + self._attended(places)
        places = self.local_conv(places.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = places + self.mlp(places)
        return out.permute(0, 3, 1, 2)

    def _attended(self, places: Tensor) -> Tensor:
        """(B, H, W, width): cut into windows, filled up with zeros, and put together again."""
        batch, rows, cols, width = places.shape
        side = self.window
        below, right = -rows % side, -cols % side
        filled = is_traced() or below or right
        padded = F.pad(places, (0, 0, 0, right, 0, below)) if filled else places
        down, across = (rows + below) // side, (cols + right) // side
        cut = padded.reshape(batch, down, side, across, side, width).transpose(2, 3)
        seen: Tensor = self.attn(cut.reshape(-1, side * side, width))
        whole = seen.reshape(batch, down, across, side, side, width).transpose(2, 3)
        return whole.reshape(batch, rows + below, cols + right, width)[:, :rows, :cols]


class WindowAttention(nn.Module):
    """Each place of a window gathers from all of them; how far away they are has a say."""

    offsets: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        # On the CPU even under torch.device("meta"): no checkpoint would fill them in afterwards.
        self.register_buffer("offsets", _offsets(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(windows, places, width), the same shape out."""
        qkv = self.qkv(self.norm(x)).unflatten(-1, (self.heads, 3, -1))
        query, key, value = qkv.permute(3, 0, 2, 1, 4).contiguous().unbind(0)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        scores = scores + self.attention_biases[:, self.offsets]
        seen = scores.softmax(dim=-1) @ value
        out: Tensor = self.proj(seen.transpose(1, 2).flatten(2))
        return out


def _offsets(window: int) -> Tensor:
    """(places, places): number of the distance between two places, by rows and by columns."""
    steps = torch.arange(window, device="cpu")
    apart = (steps[:, None] - steps[None]).abs()
    both = apart[:, None, :, None] * window + apart[None, :, None, :]
    return both.reshape(window * window, window * window)


class Mlp(nn.Module):
    """Two layers for each place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, _EXPANSION * width)
        self.fc2 = nn.Linear(_EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(.., width), the same shape out."""
        return cast("Tensor", self.fc2(F.gelu(self.fc1(self.norm(x)))))
