"""The part of an image encoder in a training: it learns, stays, or gets low-rank adapters.

LoRA (Hu et al. 2021, arXiv 2106.09685): beside a frozen weight W a product B A of low rank is
learned, of few numbers, and added to W in the end. micro-sam finetunes SAM in this way, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl._errors import SettingsError

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.training.options import OptimizerOptions

ADAPTERS = ("adapter_a", "adapter_b")
"""Names of A and B beside a weight."""

_ATTENTION = ".qkv"


class AdaptedLinear(nn.Linear):
    """A frozen linear layer with an adapter, which changes nothing at first.

    Parameters
    ----------
    linear : nn.Linear
        Its weight is shared, not copied.
    rank : int
        Rows of A.
    generator : torch.Generator
        Draws A; B is zero.
    """

    def __init__(self, linear: nn.Linear, rank: int, generator: torch.Generator) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(linear.__dict__)
        inner = torch.randn(rank, self.in_features, generator=generator) / self.in_features**0.5
        self.adapter_a = nn.Parameter(inner)
        self.adapter_b = nn.Parameter(torch.zeros(self.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """(.., in) to (.., out)."""
        return F.linear(x, self.merged(), self.bias)

    def merged(self) -> Tensor:
        """The weight with the adapter in it, (out, in)."""
        return self.weight + self.adapter_b @ self.adapter_a


def prepare_encoder(model: ClickModel, options: OptimizerOptions, seed: int) -> None:
    """Let the image encoder learn as the options say.

    Parameters
    ----------
    model : ClickModel
        On the CPU.
    options : OptimizerOptions
        `encoder` and `lora_rank` of it.
    seed : int
        Draws the adapters, alike in all processes and in a resumed run.

    Raises
    ------
    SettingsError
        When the network has no encoder of its own, or none that adapters fit.
    """
    if options.encoder == "whole":
        return
    if not model.encoder_parts:
        raise SettingsError(
            "This network sees clicks together with the picture and has no image encoder of its "
            "own: set optimizer.encoder to whole, or name what stays in optimizer.frozen."
        )
    for name, parameter in model.named_parameters():
        if name.startswith(model.encoder_parts):
            parameter.requires_grad_(False)
    if options.encoder == "lora":
        generator = torch.Generator().manual_seed(seed)
        for name, module in list(model.named_modules()):
            if name.endswith(_ATTENTION) and isinstance(module, nn.Linear):
                adapted = AdaptedLinear(module, options.lora_rank, generator)
                model.set_submodule(name, adapted)


def merged_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights as the network without adapters has them, under its names."""
    weights: dict[str, Tensor] = dict(model.state_dict())
    for name, module in model.named_modules():
        if isinstance(module, AdaptedLinear):
            weights[f"{name}.weight"] = module.merged().detach()
            for adapter in ADAPTERS:
                del weights[f"{name}.{adapter}"]
    return weights
