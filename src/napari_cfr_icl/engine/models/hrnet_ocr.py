"""HRNet with object-contextual representations (OCR), as RITM uses it for clicks.

An auxiliary mask weights the mean of the features over the object, which is then added to every
pixel's own features before the final logits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_cfr_icl.engine.models.click_model import (
    ClickModel,
    check_clicks,
    check_count,
    is_traced,
    shape_of,
)
from napari_cfr_icl.engine.models.hrnet import Bottleneck, HighResolutionModule, HRNet, resized

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILY = "hrnet_ocr"

_SMALLEST_SIDE = 32  # one pixel of the coarsest branch
_STEM_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class HRNetOcrArchitecture:
    """Hyperparameters of an `HRNetOcr`.

    Parameters
    ----------
    width : int
        Channels of the finest branch; each coarser one has twice as many.
    ocr_width : int
        Channels of the object representation.
    small : bool
        Fewer blocks and modules (HRNet-18s).
    with_previous : bool
        Whether the network sees the previous mask.
    image_size : int
        Longest side in pixels of the images it was trained on.
    click_style : str
        "disks" or "distances".
    click_radius : float
        In pixels.

    Raises
    ------
    ValueError
        When no network can be built from these values.
    """

    width: int
    ocr_width: int
    small: bool = False
    with_previous: bool = True
    image_size: int = 400
    click_style: str = "disks"
    click_radius: float = 5.0

    def __post_init__(self) -> None:
        check_clicks(self.click_style, self.click_radius)
        for name in ("width", "ocr_width", "image_size"):
            check_count(name, getattr(self, name))

    def described(self) -> dict[str, Any]:
        """As plain JSON, with the name of the family."""
        return {"family": FAMILY, **asdict(self)}


class HRNetOcr(ClickModel):
    """HRNet and OCR, with the clicks added to the stem.

    Parameters
    ----------
    arch : HRNetOcrArchitecture
        The sizes.
    """

    fixed_square = False
    checkpointed = (HighResolutionModule, Bottleneck)
    float32_parts = (
        "maps_transform",
        "feature_extractor.conv1",
        "feature_extractor.bn1",
        "feature_extractor.conv2",
        "feature_extractor.bn2",
    )

    def __init__(self, arch: HRNetOcrArchitecture) -> None:
        super().__init__(arch.described())
        self.with_previous, self.input_size = arch.with_previous, arch.image_size
        self.maps_transform = nn.Sequential(
            nn.Conv2d(3 if arch.with_previous else 2, 16, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(16, _STEM_CHANNELS, 3, stride=2, padding=1),
            Scale(0.05),
        )
        self.feature_extractor = HRNetWithOcr(arch)

    def forward_maps(self, image: Tensor, maps: Tensor) -> Tensor:
        """Logits of the mask from clicks already drawn; ValueError for a side below 32 pixels."""
        logits, _ = self._coarse_logits(image, maps)
        return resized(logits, image.shape[-2:])

    def forward_maps_with_aux(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `forward_maps`, and the logits of the first, auxiliary mask, (B, 1, H, W)."""
        logits, aux = self._coarse_logits(image, maps)
        return resized(logits, image.shape[-2:]), resized(aux, image.shape[-2:])

    def nearest_size(self, rows: int, cols: int) -> tuple[int, int]:
        """Keep the size, but for a side below 32 pixels, which becomes 32."""
        return max(rows, _SMALLEST_SIDE), max(cols, _SMALLEST_SIDE)

    def _coarse_logits(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and auxiliary logits at a quarter of the resolution."""
        if not is_traced() and min(image.shape[-2:]) < _SMALLEST_SIDE:
            raise ValueError(
                f"This network needs at least {_SMALLEST_SIDE} pixels a side, "
                f"not {image.shape[-2]} x {image.shape[-1]}."
            )
        logits: tuple[Tensor, Tensor] = self.feature_extractor(
            self.normalised(image), self.maps_transform(maps)
        )
        return logits


class Scale(nn.Module):
    """Multiply by the magnitude of one learned number."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), start))

    def forward(self, x: Tensor) -> Tensor:
        """Scaled `x`."""
        return x * self.scale.abs()


class HRNetWithOcr(HRNet):
    """The backbone and its two heads: (B, 3, H, W) to logits and auxiliary logits at H/4, W/4."""

    def __init__(self, arch: HRNetOcrArchitecture) -> None:
        super().__init__(arch.width, small=arch.small)
        channels, described = self.out_channels, 2 * arch.ocr_width
        self.aux_head = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 1, 1),
        )
        self.conv3x3_ocr = nn.Sequential(
            nn.Conv2d(channels, described, 3, padding=1),
            nn.BatchNorm2d(described),
            nn.ReLU(inplace=True),
        )
        self.ocr_distri_head = SpatialOcr(arch.ocr_width)
        self.cls_head = nn.Conv2d(described, 1, 1)

    def forward(self, image: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and auxiliary logits, (B, 1, H/4, W/4) each."""
        features = self.features(image, coords)
        aux = self.aux_head(features)
        features = self.conv3x3_ocr(features)
        context = gather_object(features, aux)
        return self.cls_head(self.ocr_distri_head(features, context)), aux


def gather_object(features: Tensor, aux: Tensor) -> Tensor:
    """Mean of (B, C, H, W) features over the object that (B, 1, H, W) logits show: (B, C, 1, 1)."""
    weights = aux.flatten(2).softmax(dim=-1)
    return (weights @ features.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(-1)


class SpatialOcr(nn.Module):
    """Add the object representation to the features of every pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.object_context_block = ObjectContext(width)
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(4 * width, 2 * width, 1, bias=False),
            _norm_relu(2 * width),
            nn.Dropout2d(0.05),
        )

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """(B, 2 width, H, W) features and (B, 2 width, 1, 1) context to (B, 2 width, H, W)."""
        context = self.object_context_block(context)
        conv = cast("nn.Conv2d", self.conv_bn_dropout[0])
        # The context is the same in every pixel, so its half of the convolution is computed once.
        for_context, for_features = conv.weight.chunk(2, dim=1)
        mixed = F.conv2d(features, for_features, conv.bias).add_(F.conv2d(context, for_context))
        out: Tensor = self.conv_bn_dropout[1:](mixed)
        return out


class ObjectContext(nn.Module):
    """Project the object's mean features.

    With a single object the attention of pixels to objects is 1 everywhere, whatever `f_pixel` and
    `f_object` compute. They are kept because checkpoints have them, but neither run nor trained.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.f_pixel = _two_convs(2 * width, width).requires_grad_(False)
        self.f_object = _two_convs(2 * width, width).requires_grad_(False)
        self.f_down = nn.Sequential(nn.Conv2d(2 * width, width, 1, bias=False), _norm_relu(width))
        self.f_up = nn.Sequential(nn.Conv2d(width, 2 * width, 1, bias=False), _norm_relu(2 * width))

    def forward(self, context: Tensor) -> Tensor:
        """(B, 2 width, 1, 1) to the same shape."""
        out: Tensor = self.f_up(self.f_down(context))
        return out


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _two_convs(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 1, bias=False),
        _norm_relu(out),
        nn.Conv2d(out, out, 1, bias=False),
        _norm_relu(out),
    )


def make(**fields: Any) -> HRNetOcr:
    """The network of these fields of an `HRNetOcrArchitecture`."""
    return HRNetOcr(HRNetOcrArchitecture(**fields))


def infer(weights: Mapping[str, Tensor], _: int | None = None) -> dict[str, Any]:
    """Describe the HRNet that a checkpoint belongs to, from its shapes.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The checkpoint.

    Returns
    -------
    dict
        The architecture.

    Raises
    ------
    ValueError
        When the shapes are not those of an HRNet with OCR.
    """
    prefix = "feature_extractor."
    finest = shape_of(weights, f"{prefix}stage2.0.branches.0.0.conv1.weight", 4)
    map_channels = shape_of(weights, "maps_transform.0.weight", 4)[1]
    if map_channels not in (2, 3):
        raise ValueError(f"The network takes {map_channels} click maps; 2 or 3 were expected.")
    arch = HRNetOcrArchitecture(
        width=finest[0],
        ocr_width=shape_of(weights, f"{prefix}cls_head.weight", 4)[1] // 2,
        small=f"{prefix}layer1.2.conv1.weight" not in weights,
        with_previous=map_channels == 3,
    )
    return arch.described()
