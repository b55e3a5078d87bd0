"""The HRNet backbone (Sun et al. 2019, arXiv 1902.09212): four resolutions in parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence


class HRNet(nn.Module):
    """HRNet with the clicks added in its stem.

    Every norm is registered right after its convolution: `fold_batch_norms` relies on it.

    Parameters
    ----------
    width : int
        Channels of the finest branch; each coarser one has twice as many.
    small : bool
        Fewer blocks and modules.
    """

    def __init__(self, width: int, *, small: bool) -> None:
        super().__init__()
        widths = [width << branch for branch in range(4)]
        blocks = 2 if small else 4
        self.out_channels = sum(widths)
        self.conv1 = _conv3x3(3, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = _conv3x3(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(
            Bottleneck(64, widen=True), *(Bottleneck(256, widen=False) for _ in range(blocks - 1))
        )
        self.transition1 = nn.ModuleList(
            [
                _conv_norm(256, widths[0], 3, relu=True),
                nn.Sequential(_conv_norm(256, widths[1], 3, 2, relu=True)),
            ]
        )
        self.stage2 = _stage(widths[:2], blocks, modules=1)
        self.transition2 = _transition(widths[:3])
        self.stage3 = _stage(widths[:3], blocks, modules=3 if small else 4)
        self.transition3 = _transition(widths)
        self.stage4 = _stage(widths, blocks, modules=2 if small else 3)

    def features(self, image: Tensor, coords: Tensor) -> Tensor:
        """Features of all four branches at the resolution of the finest.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), normalised.
        coords : Tensor
            (B, 64, H/2, W/2), the click maps, to be added to the stem.

        Returns
        -------
        Tensor
            (B, 15 width, H/4, W/4).
        """
        x = F.relu(self.bn1(self.conv1(image)), inplace=True) + coords
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        # The stem may be in float32 where the rest is not: see `ClickModel.float32_parts`.
        x = self.layer1(x.to(next(self.layer1.parameters()).dtype))
        branches = self.stage2([transition(x) for transition in self.transition1])
        branches = self.stage3([*branches, self.transition2[-1](branches[-1])])
        branches = self.stage4([*branches, self.transition3[-1](branches[-1])])
        finest, *coarser = branches
        return torch.cat([finest, *(resized(x, finest.shape[-2:]) for x in coarser)], dim=1)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(channels, channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)).add_(x), inplace=True)


class Bottleneck(nn.Module):
    """A 3 x 3 convolution on 64 channels between two 1 x 1, around a shortcut, to 256 channels."""

    def __init__(self, channels: int, *, widen: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = _conv3x3(64, 64)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 256, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(256)
        self.downsample = _conv_norm(channels, 256) if widen else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 256, H, W)."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)).add_(self.downsample(x)), inplace=True)


class HighResolutionModule(nn.Module):
    """Blocks on every branch, then the fusion of all branches into each."""

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(blocks))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse_layer(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """One map for each branch, finest first, to the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self._fused(maps, target) for target in range(len(maps))]

    def _fused(self, maps: list[Tensor], target: int) -> Tensor:
        """Sum of all branches at the channels and resolution of branch `target`."""
        layers = cast("nn.ModuleList", self.fuse_layers[target])
        parts = [layer(x) for layer, x in zip(layers, maps, strict=True)]
        same_size = [
            resized(part, maps[target].shape[-2:]) if source > target else part
            for source, part in enumerate(parts)
        ]
        total = same_size[0] + same_size[1]  # not in place: one of them is an input
        for part in same_size[2:]:
            total.add_(part)
        return F.relu(total, inplace=True)


def _fuse_layer(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From the channels (and, downwards, the resolution) of one branch to those of another."""
    if source == target:
        return nn.Identity()
    if source > target:
        return _conv_norm(widths[source], widths[target])
    steps = target - source
    return nn.Sequential(
        *(_conv_norm(widths[source], widths[source], 3, 2, relu=True) for _ in range(steps - 1)),
        _conv_norm(widths[source], widths[target], 3, 2),
    )


def _stage(widths: Sequence[int], blocks: int, modules: int) -> nn.Sequential:
    return nn.Sequential(*(HighResolutionModule(widths, blocks) for _ in range(modules)))


def _transition(widths: Sequence[int]) -> nn.ModuleList:
    """Keep all branches and start a new one from the coarsest of them."""
    kept = [nn.Identity() for _ in widths[:-1]]
    return nn.ModuleList(
        [*kept, nn.Sequential(_conv_norm(widths[-2], widths[-1], 3, 2, relu=True))]
    )


def _conv3x3(channels: int, out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)


def _conv_norm(
    channels: int, out: int, kernel: int = 1, stride: int = 1, *, relu: bool = False
) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
    activation = [nn.ReLU(inplace=True)] if relu else []
    return nn.Sequential(conv, nn.BatchNorm2d(out), *activation)


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corners aligned, as RITM's networks were trained with."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)
