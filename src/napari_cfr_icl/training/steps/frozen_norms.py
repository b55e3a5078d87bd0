"""Batch norms that keep the base model's statistics while the network is tuned.

A handful of pictures cannot tell means and variances, so tuning keeps those of the base model. A
norm is then only a scale and a shift, and it is cheaper to apply it to the few numbers of the
convolution's kernel than to every pixel of its output: the same function and the same gradients,
without the memory traffic that a step on a CPU mostly consists of.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel


class NormedConv2d(nn.Conv2d):
    """A convolution that applies the frozen batch norm behind it, by way of its kernel.

    Parameters
    ----------
    conv : nn.Conv2d
        Its weight is shared, not copied.
    norm : nn.BatchNorm2d
        Its weight and bias still learn; its statistics stay.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(conv.__dict__)
        self._norm = (norm,)  # in a tuple: as a child it would be saved twice

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the normalised output."""
        (norm,) = self._norm
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = norm.bias - mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        kernel = self.weight * scale[:, None, None, None]
        normed: Tensor = self._conv_forward(x, kernel, shift)
        return normed


class AppliedNorm(nn.BatchNorm2d):
    """A batch norm that the convolution before it applies; it only holds the parameters."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(norm.__dict__)

    def forward(self, x: Tensor) -> Tensor:
        """The input, as it is."""
        return x


class FrozenNorm(nn.BatchNorm2d):
    """A batch norm that never leaves eval mode, for where no convolution can apply it."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(norm.__dict__)
        self.training = False

    def train(self, mode: bool = True) -> FrozenNorm:
        """Stay in eval mode."""
        return self


def freeze_norms(model: ClickModel) -> None:
    """Let every batch norm of `model` use and keep its statistics, in training mode too.

    Names and values of all parameters stay as they are, and so does the function computed.
    """
    norms = {name: x for name, x in model.named_modules() if isinstance(x, nn.BatchNorm2d)}
    if not norms:
        return
    convs = _convs_before_norms(model)
    for name, norm in norms.items():
        conv_name = convs.get(name)
        if conv_name is None:
            model.set_submodule(name, FrozenNorm(norm))
            continue
        conv = cast("nn.Conv2d", model.get_submodule(conv_name))
        model.set_submodule(conv_name, NormedConv2d(conv, norm))
        model.set_submodule(name, AppliedNorm(norm))


@torch.no_grad()
def _convs_before_norms(model: ClickModel) -> dict[str, str]:
    """Name of the convolution whose output each norm is given, seen by watching one pass.

    Names alone would not do: a network may use a convolution's weights without calling it.
    """
    outputs: list[tuple[str, Tensor]] = []
    found: dict[str, str] = {}

    def remember(name: str, _: nn.Module, __: Any, output: Tensor) -> None:
        outputs.append((name, output))

    def look_up(name: str, _: nn.Module, args: tuple[Tensor]) -> None:
        for conv, output in outputs:
            if output is args[0]:
                found[name] = conv

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(partial(remember, name)))
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(partial(look_up, name)))
    try:
        _pass_over_nothing(model)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _pass_over_nothing(model: ClickModel) -> None:
    device = next(model.parameters()).device
    image = torch.zeros(1, 3, *model.nearest_size(64, 64), device=device)
    model(image, image[:, :1], torch.full((1, 2, 3), -1.0, device=device))
