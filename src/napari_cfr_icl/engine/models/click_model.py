"""The interface of the networks."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_cfr_icl.engine.click_maps import disk_maps, distance_maps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_cfr_icl.engine.settings import Contrast, MaskChoice, PublishedInput

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
CLICK_STYLES = ("disks", "distances")

BOX_CORNER = -2
"""Order of the points that are corners of a box; only networks that take boxes are given them."""

Features = tuple[Tensor, ...]
"""Output of `ClickModel.encode`."""


class ClickModel(nn.Module):
    """A network from an image, the previous mask and clicks to logits of a new mask.

    Parameters
    ----------
    architecture : dict
        Plain JSON description from which `build` makes the same network again. `click_style` and
        `click_radius` in it say how clicks are drawn, except for networks that cache image
        features: those take clicks as coordinates.

    Attributes
    ----------
    with_previous : bool
        Whether the network sees the previous mask.
    input_size : int
        Longest side in pixels of the images it was trained on.
    fixed_square : bool
        Whether it was only trained on squares of that size.
    dead_keys : tuple of str
        Prefixes of keys in public checkpoints for which the network has no parameters, because no
        output depends on them. All others have to fit strictly.
    float32_parts : tuple of str
        Submodules that stay in float32 when the rest is converted to 16 bits, because later layers
        cannot recover what rounding loses there.
    checkpointed : tuple of type
        Types of the submodules, each with one input, for activation checkpointing.
    caches_image_features : bool
        Whether clicks and mask enter in `decode` only, so that the output of `encode` serves every
        pass over the same image.
    takes_boxes : bool
        Whether it was trained with boxes, whose corners then are among the points.
    encoder_parts : tuple of str
        Prefixes of the parameters that `encode` uses, if it caches image features.
    untrained_parts : tuple of str
        Prefixes of parameters that no logits depend on.
    mask_choice : MaskChoice
        Which mask it gives, if its decoder offers several; see `choosing`.
    published_masks : MaskChoice
        The policy that it was published with, which presets take.
    first_side : int
        Longest side in image pixels of a good first window.
    published_input : PublishedInput or None
        How a whole image was fitted to the network where it was published; None for windows.
    published_contrast : Contrast
        How the pictures that it was trained on were stretched; see `Settings.contrast`.
    architecture : dict
        As given.
    """

    with_previous: bool = True
    input_size: int
    fixed_square: bool
    dead_keys: tuple[str, ...] = ()
    float32_parts: tuple[str, ...] = ()
    checkpointed: tuple[type[nn.Module], ...] = ()
    caches_image_features: bool = False
    takes_boxes: bool = False
    encoder_parts: tuple[str, ...] = ()
    untrained_parts: tuple[str, ...] = ()
    mask_choice: MaskChoice = "single"
    published_masks: MaskChoice = "single"
    first_side: int = 512
    published_input: PublishedInput | None = None
    published_contrast: Contrast = "shown"
    image_mean: Tensor
    image_std: Tensor

    def __init__(self, architecture: dict[str, Any]) -> None:
        super().__init__()
        self.architecture = architecture
        # On the CPU even under torch.device("meta"): no checkpoint would fill them in afterwards.
        mean, std = (torch.tensor(rgb, device="cpu") for rgb in (IMAGE_MEAN, IMAGE_STD))
        self.register_buffer("image_mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("image_std", std.view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor, previous: Tensor | None, points: Tensor) -> Tensor:
        """Logits of the mask.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1.
        previous : Tensor or None
            (B, 1, H, W), the last probabilities, 0..1; zeros or None at first.
        points : Tensor
            (B, 2N, 3) rows of (row, column, order), positives first, -1 where there is no click.

        Returns
        -------
        Tensor
            (B, 1, H, W).
        """
        if previous is None:
            previous = torch.zeros_like(image[:, :1])
        return self.decode(self.encode(image), previous, points)

    def encode(self, image: Tensor) -> Features:
        """Compute what depends on the image alone: here, nothing.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1.

        Returns
        -------
        tuple of Tensor
            The batch is the first axis of each.
        """
        return (image,)

    def decode(self, features: Features, previous: Tensor, points: Tensor) -> Tensor:
        """Logits of the mask, (B, 1, H, W), from what `encode` gave; see `forward`."""
        (image,) = features
        return self.forward_maps(image, self.draw_maps(previous, points))

    def draw_maps(self, previous: Tensor, points: Tensor) -> Tensor:
        """Draw the maps besides the image: previous mask, positive clicks, negative clicks.

        Not for a network that caches image features.

        Parameters
        ----------
        previous : Tensor
            (B, 1, H, W); gives the size, also to a network that does not see it.
        points : Tensor
            (B, 2N, 3).

        Returns
        -------
        Tensor
            (B, 3, H, W), or (B, 2, H, W) without the previous mask; of the dtype of `previous`.
        """
        draw = disk_maps if self.architecture["click_style"] == "disks" else distance_maps
        size = (previous.shape[-2], previous.shape[-1])
        clicks = draw(points, size, self.architecture["click_radius"]).to(previous.dtype)
        return torch.cat([previous, clicks], dim=1) if self.with_previous else clicks

    def forward_maps(self, image: Tensor, maps: Tensor) -> Tensor:
        """Logits of the mask from clicks already drawn; see `draw_maps`.

        Parameters
        ----------
        image : Tensor
            (B, 3, H, W), red, green, blue in 0..1.
        maps : Tensor
            (B, C, H, W) as `draw_maps` gives them.

        Returns
        -------
        Tensor
            (B, 1, H, W).
        """
        raise NotImplementedError

    def forward_maps_with_aux(self, image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `forward_maps`, and the auxiliary logits that training supervises, if any."""
        return self.forward_maps(image, maps), None

    def choosing(self, choice: MaskChoice) -> ClickModel:
        """This network with another choice among its masks; weights are shared.

        Parameters
        ----------
        choice : MaskChoice
            See `engine.settings.Settings.masks`.
        """
        if choice == self.mask_choice:
            return self
        other = copy(self)
        other.mask_choice = choice
        return other

    def nearest_size(self, rows: int, cols: int) -> tuple[int, int]:
        """Find the input size closest to `rows` by `cols` that the network accepts."""
        raise NotImplementedError

    def normalised(self, image: Tensor) -> Tensor:
        """Normalise with ImageNet's mean and standard deviation."""
        return (image - self.image_mean) / self.image_std


def check_clicks(style: str, radius: float) -> None:
    """Raise ValueError for an unknown style or an impossible radius of drawn clicks."""
    if style not in CLICK_STYLES:
        raise ValueError(f"click_style must be one of {', '.join(CLICK_STYLES)}, not {style!r}.")
    if not radius > 0:
        raise ValueError(f"click_radius must be above 0 pixels, not {radius}.")


def is_traced() -> bool:
    """True while `torch.jit.trace` records: no branch may depend on sizes then."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def check_count(name: str, value: int) -> None:
    """Raise ValueError for a count that is not a whole number above 0."""
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} must be a whole number above 0, not {value!r}.")


def shape_of(weights: Mapping[str, Tensor], key: str, ndim: int) -> torch.Size:
    """Shape of one entry of a checkpoint, or a ValueError that names the entry.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The checkpoint.
    key : str
        The entry.
    ndim : int
        How many axes it should have.
    """
    if key not in weights:
        raise ValueError(f"The weights hold no {key}.")
    shape = weights[key].shape
    if len(shape) != ndim:
        raise ValueError(f"{key} should have {ndim} axes, but its shape is {tuple(shape)}.")
    return shape
