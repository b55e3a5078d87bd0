"""The network on its device, in the arithmetic chosen for it."""

from __future__ import annotations

import logging
from copy import copy
from typing import TYPE_CHECKING

import torch

from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.runtime.arithmetic import Abilities, Run, fastest, run_in
from napari_cfr_icl.engine.runtime.device import (
    full_float32,
    pick_device,
    readable_memory_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.settings import Precision

_log = logging.getLogger(__name__)


class Network:
    """A click model on its device, in the arithmetic chosen for it.

    Parameters
    ----------
    model : ClickModel
        As `napari_cfr_icl.zoo.load` returns it; it is moved to the device.
    device : str
        See `pick_device`.
    precision : str
        An arithmetic by name, or "fast" for the `fastest` on the device.

    Attributes
    ----------
    device : torch.device
        Where it runs.
    arithmetic : str
        "float32", "bfloat16", "float16" or "int8".

    Raises
    ------
    DeviceError
        When this machine has no such device or lacks the arithmetic.
    """

    def __init__(self, model: ClickModel, device: str, precision: Precision) -> None:
        self.device = pick_device(device)
        with readable_memory_errors(self.device):
            self._model = model.to(self.device).eval()
            self.use(
                fastest(model, Abilities.of(self.device)) if precision == "fast" else precision
            )

    def use(self, arithmetic: str) -> None:
        """Switch to an arithmetic by name.

        Raises
        ------
        DeviceError
            When this machine lacks it.
        """
        try:
            run = run_in(self._model, arithmetic)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AttributeError) as error:
            raise DeviceError(
                f"This machine cannot compute in {arithmetic}: choose float32."
            ) from error
        self._run: Run = _precise(run, self.device) if arithmetic == "float32" else run
        self.arithmetic = arithmetic
        _log.debug("%s runs in %s on %s", type(self._model).__name__, arithmetic, self.device)

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

    @property
    def published_contrast(self) -> str:
        """Contrast stretch of the pictures that the model was trained on; see `ClickModel`."""
        return self._model.published_contrast

    @property
    def takes_boxes(self) -> bool:
        """True if the model was trained with boxes; see `ClickModel`."""
        return self._model.takes_boxes

    def encode(self, image: torch.Tensor) -> Features:
        """Features of an image (B, 3, rows, columns), in float32."""
        with readable_memory_errors(self.device), full_float32(self.device):
            return self._model.encode(image)

    def decode(
        self, features: Features, previous: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, 1, rows, columns) from such features; see the model's `decode`."""
        with readable_memory_errors(self.device), full_float32(self.device):
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
