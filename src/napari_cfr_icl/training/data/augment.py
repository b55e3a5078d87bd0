"""Augmentation: changes of the picture that leave the answer the same, for whole batches."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from napari_cfr_icl.training.data.sample_batch import SampleBatch
    from napari_cfr_icl.training.data.sample_rng import SampleRng
    from napari_cfr_icl.training.options import AugmentOptions


def augment(batch: SampleBatch, options: AugmentOptions, rng: SampleRng) -> SampleBatch:
    """Turn, recolour and disturb each sample in its own way.

    Parameters
    ----------
    batch : SampleBatch
        Square pictures.
    options : AugmentOptions
        Ranges and probabilities.
    rng : SampleRng
        Random numbers, one stream per sample.
    """
    batch = _turned(batch, options, rng)
    return replace(batch, images=_recoloured(batch.images, options, rng))


def _turned(batch: SampleBatch, options: AugmentOptions, rng: SampleRng) -> SampleBatch:
    mirror = rng.chance(options.flip, 1, 1, 1)
    upside_down, on_side = rng.chance(0.5 * options.rotate, 2, 1, 1, 1).unbind(dim=1)

    def turn(x: Tensor) -> Tensor:
        x = torch.where(mirror, x.flip(-1), x)
        x = torch.where(upside_down, x.flip(-2), x)
        return torch.where(on_side, x.transpose(-1, -2), x)

    return batch.apply(turn)


def _recoloured(images: Tensor, options: AugmentOptions, rng: SampleRng) -> Tensor:
    """Images (B, 3, H, W) uint8 to the same, darker, softer, noisier or the like."""
    x = images.float() / 255
    grey, negative = rng.chance(options.grey, 1, 1, 1), rng.chance(options.invert, 1, 1, 1)
    stretch = (1 + options.contrast) ** rng.between(-1, 1, 1, 1, 1)
    exponent = (1 + options.gamma) ** rng.between(-1, 1, 1, 1, 1)
    light = rng.between(-options.brightness, options.brightness, 1, 1, 1)
    tint = rng.between(-options.colour, options.colour, 3, 1, 1)
    softness = rng.between(-options.blur, options.blur, 1, 1, 1)
    loudness = rng.between(0, options.noise, 1, 1, 1)
    place = rng.uniform(2)
    if options.grey:
        x = torch.where(grey, functional.rgb_to_grayscale(x, num_output_channels=3), x)
    if options.invert:
        x = torch.where(negative, 1 - x, x)
    if options.gamma:
        x = x**exponent
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * stretch + mean + tint
    # Faded to black or white, not shifted: a shift would drown the dark pictures of microscopes.
    x = x * (1 - light.abs()) + light.clamp(min=0)
    if options.blur:
        x = torch.lerp(x, _blurred(_blurred(x)), softness)  # below zero it sharpens
    if options.noise:
        x = x + loudness * _noise(place, x.shape[-1])
    return (x * 255).round_().clamp_(0, 255).to(torch.uint8)


def _blurred(x: Tensor) -> Tensor:
    """Each pixel mixed with its neighbours, 1 2 1 along rows and columns; the border repeats.

    Sums of slices: on a CPU many times quicker than a convolution of three channels.
    """
    x = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    x = x[..., 1:-1, :] * 2 + x[..., :-2, :] + x[..., 2:, :]
    return (x[..., 1:-1] * 2 + x[..., :-2] + x[..., 2:]) / 16


def _noise(place: Tensor, side: int) -> Tensor:
    """Standard normal noise (B, 1, side, side): for each sample another part of one large field.

    Drawing it pixel by pixel from each sample's own stream would cost more than all the rest.
    """
    field = _noise_field(2 * side, place.device)
    corners = (place * side).long().tolist()
    return torch.stack([field[:, r : r + side, c : c + side] for r, c in corners])


@lru_cache(maxsize=2)
def _noise_field(side: int, device: torch.device) -> Tensor:
    return torch.randn(1, side, side, generator=torch.Generator().manual_seed(0)).to(device)
