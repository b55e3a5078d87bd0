"""Passes: choose a window, read it, run the network, and return the mask in image resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from napari_cfr_icl.engine.models.click_model import BOX_CORNER, IMAGE_MEAN
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.engine.zooming import choose_window

if TYPE_CHECKING:
    from napari_cfr_icl.engine.clicks import Clicks
    from napari_cfr_icl.engine.prompts.gestures import Box
    from napari_cfr_icl.engine.runtime.network import Network
    from napari_cfr_icl.engine.settings import Contrast, Resampling, Settings
    from napari_cfr_icl.engine.source import ImageSource

Size = tuple[int, int]
"""(rows, columns) of the network's input."""


class Passes:
    """Successive passes over one image with the same clicks.

    Parameters
    ----------
    network : Network
        The network on its device.
    settings : Settings
        Zoom, refinement and mirroring.
    image : ImageSource
        The image.
    clicks : Clicks
        In image pixels.

    Attributes
    ----------
    window : Window or None
        Window of the last pass, if zoomed; set it to continue from an earlier click.
    seen : Patch or None
        The last probabilities, float32, which choose the next window; likewise.
    view : Window or None
        The part of the image on the screen; set it where there is one.
    box : Box or None
        The box around the object, for a network that takes boxes.
    limit : Window or None
        Where the object may lie; elsewhere the probabilities become 0.
    """

    def __init__(
        self, network: Network, settings: Settings, image: ImageSource, clicks: Clicks
    ) -> None:
        self.network = network
        self.settings = settings
        self.image = image
        self.clicks = clicks
        self.window: Window | None = None
        self.seen: Patch | None = None
        self.view: Window | None = None
        self.box: Box | None = None
        self.limit: Window | None = None
        self._begun = False
        self._picture: tuple[Window, torch.Tensor] | None = None

    @torch.inference_mode()
    def run(self, feedback: Patch | None) -> Patch:
        """One pass.

        Parameters
        ----------
        feedback : Patch or None
            The previous mask, float32 probabilities 0 to 1; None for none.

        Returns
        -------
        Patch
            Probabilities, float32, in the resolution of the image.
        """
        self._choose_window()
        part = self.window or Window.whole(self.image.shape)
        size = self._input_size(part)
        picture = self._read(part, size)
        mask = self._resized_mask(feedback, part, size)
        points = points_in(self.clicks, part, size, self.box).to(self.network.device)
        logits = self._logits(picture, mask, points)[..., : size[0], : size[1]]
        probabilities = self._in_image(logits, part.shape)
        values = probabilities[0, 0].cpu().numpy()
        self.seen = self._limited(Patch(values, part, self.image.shape))
        return self.seen

    def _limited(self, found: Patch) -> Patch:
        if self.limit is None:
            return found
        values = np.zeros_like(found.values)
        inside = self.limit.intersection(found.window)
        if inside is not None:
            box = inside.relative_to(found.window).slices
            values[box] = found.values[box]
        return Patch(values, found.window, found.image_shape)

    def _choose_window(self) -> None:
        zoom = self.settings.zoom
        if zoom is None or (self._begun and not self.settings.refinement.rezoom):
            return
        self._begun = True
        shape = self.image.shape
        self.window = choose_window(self.clicks, self.seen, self.window, zoom, shape, self.view)

    def _input_size(self, part: Window) -> Size:
        zoom, limit = self.settings.zoom, self.settings.limit_side
        if zoom is not None and self.window is not None:
            if isinstance(zoom.target, tuple):
                return zoom.target
            size = _scaled_to(part.shape, zoom.target)
            if self.settings.padding != "none":
                return size
        elif limit is not None and max(part.shape) > limit:
            size = _scaled_to(part.shape, limit)
        else:
            size = part.shape
        return self.network.nearest_size(size)

    def _read(self, part: Window, size: Size) -> torch.Tensor:
        """The picture in the window: (1, 3, rows, columns), 0 to 1, on the device."""
        if self._picture is None or self._picture[0] != part:
            enough = max(size) if self.settings.reduced_reads else None
            pixels = torch.from_numpy(self.image.read(part, enough)).permute(2, 0, 1)[None]
            pixels = stretched(pixels.to(self.network.device), self.settings.contrast)
            picture = resampled(pixels, size, self.settings.resampling)
            self._picture = part, picture
        return self._picture[1]

    def _resized_mask(self, mask: Patch | None, part: Window, size: Size) -> torch.Tensor:
        """The previous mask in the window: (1, 1, rows, columns), 0 to 1, on the device."""
        device = self.network.device
        if mask is None:
            return torch.zeros(1, 1, *size, device=device)
        values = mask.values if mask.window == part else mask.read(part)
        # A given mask may be read-only or have negative strides, unlike tensors.
        values = np.require(values, requirements=["C", "W"])
        return resized(torch.from_numpy(values).to(device)[None, None], size)

    def _logits(
        self, picture: torch.Tensor, mask: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        """Logits (1, 1, rows, columns), averaged with those of the mirror image if so set."""
        if self.settings.padding != "none":
            picture, mask = self._padded(picture, mask)
        if not self.settings.flip:
            return self.network(picture, mask, points)
        pictures = torch.cat([picture, picture.flip(3)])
        masks = torch.cat([mask, mask.flip(3)])
        logits = self.network(pictures, masks, torch.cat([points, _mirrored(points, picture)]))
        return (logits[:1] + logits[1:].flip(3)) / 2

    def _padded(
        self, picture: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Picture and mask filled up to a square, right and below."""
        rows, cols = picture.shape[2:]
        side = self.network.nearest_size((max(rows, cols), max(rows, cols)))[0]
        border = (0, side - cols, 0, side - rows)
        mean = picture.new_tensor(IMAGE_MEAN if self.settings.padding == "mean" else (0, 0, 0))
        colour = mean.view(1, 3, 1, 1)
        return F.pad(picture - colour, border) + colour, F.pad(mask, border)

    def _in_image(self, logits: torch.Tensor, shape: Size) -> torch.Tensor:
        """Probabilities of the window's pixels, from the logits of the network's."""
        if self.settings.resampling == "corners":
            return resized(torch.sigmoid(logits), shape)
        return torch.sigmoid(F.interpolate(logits, size=shape, mode="bilinear"))


def points_in(clicks: Clicks, part: Window, size: Size, box: Box | None = None) -> torch.Tensor:
    """The clicks in pixels of the network's input, which shows a window in another size.

    Returns
    -------
    Tensor
        float32 (1, 2N, 3), rows of (row, column, order): positives first, -1 for no click. Of a
        box one corner is the last of the positives, the other of the negatives, their order
        `BOX_CORNER`.
    """
    halves: tuple[list[tuple[float, float, int]], ...] = ([], [])
    for order, click in enumerate(clicks):
        halves[not click.positive].append((click.row, click.col, order))
    if box is not None:
        halves[0].append((box.top, box.left, BOX_CORNER))
        halves[1].append((box.bottom, box.right, BOX_CORNER))
    slots = max(1, *map(len, halves))
    points = np.full((2, slots, 3), -1.0)
    for half, rows in zip(points, halves, strict=True):
        for slot, (row, col, order) in enumerate(rows):
            down, across = (row - part.top) / part.height, (col - part.left) / part.width
            half[slot] = size[0] * down, size[1] * across, order
    return torch.from_numpy(points.reshape(1, -1, 3)).float()


def _mirrored(points: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """The points in the mirror image; empty slots stay empty."""
    mirrored = points.clone()
    mirrored[..., 1] = picture.shape[3] - points[..., 1] - 1
    return torch.where(points[..., 2:] == -1, points, mirrored)


def _scaled_to(shape: Size, longest: int) -> Size:
    scale = longest / max(shape)
    rows, cols = (max(1, round(side * scale)) for side in shape)
    return rows, cols


def stretched(picture: torch.Tensor, contrast: Contrast) -> torch.Tensor:
    """Each colour of a picture (1, 3, rows, columns), 0 to 1, stretched; see `Settings`."""
    if contrast == "shown":
        return picture
    ends = (0.0, 1.0) if contrast == "min-max" else (0.02, 0.98)
    values = picture.flatten(2)
    places = [round(end * (values.shape[2] - 1)) + 1 for end in ends]
    low, high = (values.kthvalue(place, dim=2).values[..., None, None] for place in places)
    return ((picture - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def resampled(picture: torch.Tensor, size: Size, how: Resampling) -> torch.Tensor:
    """A picture (1, 3, rows, columns), 0 to 1, in another size; see `Settings`."""
    if how == "corners":
        return resized(picture, size)
    if how == "antialiased":
        return F.interpolate(picture, size=size, mode="bilinear", antialias=True)
    # On the CPU, which alone does this in whole numbers.
    bytes_ = (picture.cpu() * 255).round().byte()
    small = F.interpolate(bytes_, size=size, mode="bilinear", antialias=True)
    return small.to(picture.device).float() / 255


def resized(values: torch.Tensor, size: Size) -> torch.Tensor:
    """Bilinear, corners aligned, as the checkpoints were trained and evaluated with."""
    if values.shape[2:] == size:
        return values
    return F.interpolate(values, size=size, mode="bilinear", align_corners=True)
