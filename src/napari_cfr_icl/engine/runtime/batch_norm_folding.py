"""Batch norms folded into convolutions, for inference."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Model = TypeVar("Model", bound=nn.Module)


def fold_batch_norms(model: Model) -> Model:
    """Copy a network with every batch norm folded into the convolution before it.

    The copy gives the same logits but for rounding, faster, and cannot be trained.

    Parameters
    ----------
    model : Module
        In eval mode. Each batch norm must be registered right after the convolution it follows.

    Returns
    -------
    Module
        The copy.

    Raises
    ------
    ValueError
        When the network is in training mode or a batch norm does not follow a convolution.
    """
    if model.training:
        raise ValueError("Only a network in eval mode can be folded; call model.eval() first.")
    copy = deepcopy(model)
    previous: tuple[str, nn.Module] = ("", copy)
    for name, module in list(copy.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            conv_name, conv = previous
            if not isinstance(conv, nn.Conv2d) or conv.out_channels != module.num_features:
                raise ValueError(f"Batch norm {name} does not follow a convolution of its width.")
            copy.set_submodule(conv_name, fuse_conv_bn_eval(conv, module))
            copy.set_submodule(name, nn.Identity())
        if not list(module.children()):
            previous = (name, module)
    return copy
