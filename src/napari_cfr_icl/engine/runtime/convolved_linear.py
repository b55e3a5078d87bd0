"""Linear layers as convolutions with kernels of one pixel, for CPUs.

PyTorch multiplies the matrices of linear layers with MKL and computes convolutions with oneDNN,
which uses AVX-512 on AMD's processors as well and takes half as long there; on one with AVX2 both
take as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

Model = TypeVar("Model", bound=nn.Module)


class ConvolvedLinear(nn.Module):
    """A linear layer that convolves, with the weights of another, which are shared.

    Parameters
    ----------
    linear : nn.Linear
        The layer to replace.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.detach()[:, :, None, None], requires_grad=False)
        self.bias = linear.bias

    def forward(self, values: Tensor) -> Tensor:
        """`values` (..., inputs) to (..., outputs)."""
        column = values.reshape(1, -1, 1, values.shape[-1]).permute(0, 3, 1, 2)
        result = functional.conv2d(column, self.weight, self.bias)
        return result.permute(0, 2, 3, 1).reshape(*values.shape[:-1], -1)


def replace_linears(model: Model, replacement: Callable[[nn.Linear], nn.Module]) -> Model:
    """Replace every linear layer of a network, in place, and return the network.

    Those of a subclass, such as one with an adapter, stay.
    """
    for name, child in list(model.named_children()):
        if type(child) is nn.Linear:
            setattr(model, name, replacement(child))
        else:
            replace_linears(child, replacement)
    return model
