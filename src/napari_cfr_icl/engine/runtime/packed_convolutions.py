"""oneDNN convolutions with prepacked weights and fused ReLU and residual addition.

Otherwise oneDNN reorders a convolution's weights at every call, and each ReLU and each sum is one
more pass over memory. For inference on a CPU, on networks whose batch norms are folded.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.models.hrnet import BasicBlock, Bottleneck


class PackedConv2d(nn.Module):
    """A convolution with prepacked weights, an optional residual and an optional ReLU.

    Parameters
    ----------
    conv : nn.Conv2d
        In its final dtype.
    relu : bool
        Whether a ReLU follows.

    Raises
    ------
    AttributeError
        When this build of PyTorch has no oneDNN.
    """

    def __init__(self, conv: nn.Conv2d, *, relu: bool) -> None:
        super().__init__()
        self._relu = relu
        self._bias = conv.bias
        self._padding = [int(side) for side in conv.padding]
        self._steps = (list(conv.stride), list(conv.dilation), conv.groups)
        stride, dilation, groups = self._steps
        self._weight = torch._C._nn.mkldnn_reorder_conv2d_weight(
            conv.weight.detach().to_mkldnn(), self._padding, stride, dilation, groups
        )

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Convolve `x`, add `shortcut`, apply the ReLU."""
        stride, dilation, groups = self._steps
        last = "relu" if self._relu else "none"
        shape = (self._weight, self._bias, self._padding, stride, dilation, groups)
        if shortcut is None:
            alone = torch.ops.mkldnn._convolution_pointwise
            return cast("Tensor", alone(x, *shape, last, [], ""))
        summed = torch.ops.mkldnn._convolution_pointwise.binary
        after = "relu" if self._relu else None
        return cast("Tensor", summed(x, shortcut, *shape, "add", None, after, [], None))


class PackedBasicBlock(nn.Module):
    """`BasicBlock` in two calls."""

    def __init__(self, block: BasicBlock) -> None:
        super().__init__()
        self.conv1 = PackedConv2d(block.conv1, relu=True)
        self.conv2 = PackedConv2d(block.conv2, relu=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        result: Tensor = self.conv2(self.conv1(x), x)
        return result


class PackedBottleneck(nn.Module):
    """`Bottleneck` in three or four calls."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.conv1 = PackedConv2d(block.conv1, relu=True)
        self.conv2 = PackedConv2d(block.conv2, relu=True)
        self.conv3 = PackedConv2d(block.conv3, relu=True)
        self.downsample = pack(block.downsample)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 256, H, W)."""
        result: Tensor = self.conv3(self.conv2(self.conv1(x)), self.downsample(x))
        return result


def pack(module: nn.Module) -> nn.Module:
    """Pack the convolutions of a module; modules without a packed form are changed in place.

    Parameters
    ----------
    module : nn.Module
        In eval mode, its batch norms folded, in its final dtype and layout.
    """
    if isinstance(module, BasicBlock):
        return PackedBasicBlock(module)
    if isinstance(module, Bottleneck):
        return PackedBottleneck(module)
    if isinstance(module, nn.Conv2d):
        return PackedConv2d(module, relu=False)
    if isinstance(module, nn.Sequential):
        return _packed_sequence(module)
    for name, child in module.named_children():
        setattr(module, name, pack(child))
    return module


def _packed_sequence(layers: nn.Sequential) -> nn.Module:
    """Pack layers in sequence; a ReLU is fused into the convolution before it."""
    modules = [child for child in layers if not isinstance(child, nn.Identity)]
    result: list[nn.Module] = []
    for place, child in enumerate(modules):
        if isinstance(child, nn.ReLU) and place and isinstance(modules[place - 1], nn.Conv2d):
            result[-1] = PackedConv2d(cast("nn.Conv2d", modules[place - 1]), relu=True)
        else:
            result.append(pack(child))
    return nn.Sequential(*result)
