"""Pictures kept ready for training: rendered once to RGB, on the device where there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.training.data.collection import Example

_GIB = 2**30


class ImageCache:
    """Pictures and labels by example, in memory as far as the budget goes.

    Parameters
    ----------
    budget_gib : float
        Memory for what is kept; what does not fit is read again whenever it is needed.
    device : torch.device, optional
        Where it is kept.

    Attributes
    ----------
    holds_all : bool
        True while everything that was to be kept found room.
    """

    def __init__(self, budget_gib: float, device: torch.device | str = "cpu") -> None:
        self._left = budget_gib * _GIB
        self._device = torch.device(device)
        if self._device.type == "cuda":  # the network needs room too
            self._left = min(self._left, torch.cuda.mem_get_info(self._device)[0] / 2)
        self._kept: dict[Example, tuple[Tensor, Tensor]] = {}
        self.holds_all = True

    def keep(self, example: Example, pixels: NDArray[Any], labels: NDArray[np.int32]) -> None:
        """Keep a picture, if there is room for it."""
        size = labels.size * (3 + labels.itemsize)
        if size > self._left:
            self.holds_all = False
            return
        self._left -= size
        self._kept[example] = self._prepared(pixels, labels)

    def read(self, example: Example) -> tuple[Tensor, Tensor]:
        """A picture, uint8 (3, H, W), and its labels, int32 (H, W)."""
        if example in self._kept:
            return self._kept[example]
        return self._prepared(example.image(), example.labels())

    def _prepared(self, pixels: NDArray[Any], labels: NDArray[np.int32]) -> tuple[Tensor, Tensor]:
        rgb = torch.tensor(rendered(pixels)).permute(2, 0, 1).contiguous()
        return rgb.to(self._device), torch.tensor(labels).to(self._device)


def rendered(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The picture that the network sees: uint8 (rows, columns, 3)."""
    source = ImageSource(pixels)
    if source.rendering == Rendering.rgb() and pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels[..., :3])
    return np.rint(source.read(Window.whole(source.shape)) * 255).astype(np.uint8)
