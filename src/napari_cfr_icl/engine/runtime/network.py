"""The network on its device, in the arithmetic chosen for it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from napari_cfr_icl.engine.runtime.autotuner import Run, find_fastest, make_variant, unmodified
from napari_cfr_icl.engine.runtime.device import (
    full_float32,
    pick_device,
    readable_memory_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.settings import Precision


class Network:
    """A click model on its device, in the arithmetic chosen for it.

    Parameters
    ----------
    model : ClickModel
        As `napari_cfr_icl.zoo.load` returns it; it is moved to the device.
    device : str
        See `pick_device`.
    precision : {"float32", "fast"}
        "fast" takes the fastest variant that a timed trial finds.

    Attributes
    ----------
    device : torch.device
        Where it runs.
    arithmetic : str
        "float32", "bfloat16", "float16" or "int8", with the layout where one is used:
        "bfloat16-traced".
    """

    def __init__(self, model: ClickModel, device: str, precision: Precision) -> None:
        self.device = pick_device(device)
        with readable_memory_errors(self.device):
            self._model = model.to(self.device).eval()
            self.arithmetic = "float32"
            self._run: Run = _precise(unmodified(model), self.device)
            if precision == "fast":
                self.arithmetic, self._run = find_fastest(model, self.device)

    def use(self, arithmetic: str) -> None:
        """Switch to the arithmetic that an earlier trial found on a device of this kind.

        Raises
        ------
        RuntimeError
            When this machine lacks it.
        """
        unchanged = arithmetic == "float32" and self.device.type == "cpu"
        run = unmodified(self._model) if unchanged else make_variant(self._model, arithmetic)
        self._run = _precise(run, self.device) if arithmetic.startswith("float32") else run
        self.arithmetic = arithmetic

    def with_run(self, wrap: Callable[[Run], Run]) -> Network:
        """The same network, with its passes wrapped."""
        other = copy(self)
        other._run = wrap(self._run)
        return other

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Find the input size closest to `size`, (rows, columns), that the network takes."""
        return self._model.nearest_size(*size)

    @property
    def caches_image_features(self) -> bool:
        """True if the model looks at an image once; see `ClickModel`."""
        return self._model.caches_image_features

    def encode(self, image: torch.Tensor) -> Features:
        """Features of an image (B, 3, rows, columns), in the model's own arithmetic."""
        with readable_memory_errors(self.device):
            return self._model.encode(image)

    def decode(
        self, features: Features, previous: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, 1, rows, columns) from such features; see the model's `decode`."""
        with readable_memory_errors(self.device):
            return self._model.decode(features, previous, points)

    def __call__(
        self, image: torch.Tensor, previous: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, 1, rows, columns), float32; see the model's `forward`."""
        with readable_memory_errors(self.device):
            return self._run(image, previous, points)


def _precise(run: Run, device: torch.device) -> Run:
    """A run in float32 that computes nothing in fewer bits."""

    def in_full(image: torch.Tensor, previous: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        with full_float32(device):
            return run(image, previous, points)

    return in_full if device.type == "cuda" else run
