"""The neck and head of the plain ViT: a simple feature pyramid, fused at its finest level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels)


def _upsample(channels: int, out: int) -> nn.ConvTranspose2d:
    """Twice the resolution."""
    return nn.ConvTranspose2d(channels, out, kernel_size=2, stride=2)


class Pyramid(nn.Module):
    """Four levels from one (B, dim, rows, columns) map, at 4, 2, 1 and 1/2 of its resolution."""

    def __init__(self, dim: int, out: Sequence[int]) -> None:
        super().__init__()
        first = max(2 * out[0], dim // 2)
        second = max(out[1], dim // 2)
        last = max(out[3], 2 * dim)
        self.down_4 = nn.Sequential(
            _upsample(dim, first),
            _norm(first),
            nn.GELU(),
            _upsample(first, first // 2),
            _norm(first // 2),
            nn.Conv2d(first // 2, out[0], 1),
            _norm(out[0]),
            nn.GELU(),
        )
        self.down_8 = nn.Sequential(
            _upsample(dim, second),
            _norm(second),
            nn.Conv2d(second, out[1], 1),
            _norm(out[1]),
            nn.GELU(),
        )
        self.down_16 = nn.Sequential(nn.Conv2d(dim, out[2], 1), _norm(out[2]), nn.GELU())
        self.down_32 = nn.Sequential(
            nn.Conv2d(dim, last, 2, stride=2),
            _norm(last),
            nn.Conv2d(last, out[3], 1),
            _norm(out[3]),
            nn.GELU(),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Make the levels, finest first."""
        return [self.down_4(x), self.down_8(x), self.down_16(x), self.down_32(x)]


class ConvRelu(nn.Module):
    """1 x 1 convolution and ReLU."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out, H, W)."""
        return F.relu(self.conv(x))


class Head(nn.Module):
    """The levels fused at the finest resolution, and logits made from them.

    Parameters
    ----------
    level_dims : sequence of int
        Channels of the levels, finest first.
    channels : int
        What the last convolution sees.
    upsample : int
        1, 2 or 4 times the finest resolution for the logits.
    """

    def __init__(self, level_dims: Sequence[int], channels: int, upsample: int) -> None:
        super().__init__()
        width = channels * upsample
        self._upsample = upsample
        self.convs = nn.ModuleList(ConvRelu(level, width) for level in level_dims)
        self.fusion_conv = ConvRelu(width * len(level_dims), width)
        if upsample > 1:
            self.up_conv1 = _upsampling_block(width)
        if upsample > 2:
            self.up_conv2 = _upsampling_block(width // 2)
        self.dropout = nn.Dropout2d(0.1)
        self.conv_seg = nn.Conv2d(channels, 1, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Logits, (B, 1, rows, columns) at `upsample` times the finest level."""
        x = self._fused(levels)
        if self._upsample > 1:
            x = self.up_conv1(x)
        if self._upsample > 2:
            x = self.up_conv2(x)
        logits: Tensor = self.conv_seg(self.dropout(x))
        return logits

    def _fused(self, levels: list[Tensor]) -> Tensor:
        """The fusion convolution over all levels, resized to the finest and concatenated.

        A 1 x 1 convolution commutes with a resize, so each level is convolved with its share of the
        weights at its own resolution: the same result for a third of the work.
        """
        conv = self.fusion_conv.conv
        shares = conv.weight.chunk(len(levels), dim=1)
        total = F.conv2d(self.convs[0](levels[0]), shares[0], conv.bias)
        for level, reduce, share in zip(levels[1:], self.convs[1:], shares[1:], strict=True):
            part = F.conv2d(reduce(level), share)
            total = total + F.interpolate(
                part, size=total.shape[-2:], mode="bilinear", align_corners=False
            )
        return F.relu(total)


def _upsampling_block(channels: int) -> nn.Sequential:
    """Twice the resolution with half the channels."""
    half = channels // 2
    return nn.Sequential(
        _upsample(channels, half), _norm(half), nn.Conv2d(half, half, 1), _norm(half), nn.GELU()
    )
