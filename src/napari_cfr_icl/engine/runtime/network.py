"""The network on its device, in the arithmetic that was asked for."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from napari_cfr_icl.engine.runtime.autotuner import Run, accelerated, as_it_is, quickest
from napari_cfr_icl.engine.runtime.device import pick_device, readable_memory_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.settings import Precision


class Network:
    """A click model, placed and made quick.

    Parameters
    ----------
    model : ClickModel
        As `napari_cfr_icl.zoo.load` returns it; it is moved to the device.
    device : str
        See `pick_device`.
    precision : {"float32", "fast"}
        "fast" takes the quickest arithmetic that a timed trial finds.

    Attributes
    ----------
    device : torch.device
        Where it runs.
    arithmetic : str
        In what it computes: "float32", "bfloat16", "float16" or "int8", and how it is
        laid out where a layout won: "bfloat16-traced".
    """

    def __init__(self, model: ClickModel, device: str, precision: Precision) -> None:
        self.device = pick_device(device)
        with readable_memory_errors(self.device):
            self._model = model.to(self.device).eval()
            self.arithmetic = "float32"
            self._run: Run = as_it_is(model)
            if precision == "fast":
                self.arithmetic, self._run = quickest(model, self.device)

    def use(self, arithmetic: str) -> None:
        """Compute in the arithmetic that a trial found before, on a device of this kind.

        Raises
        ------
        RuntimeError
            When this machine lacks it.
        """
        unchanged = arithmetic == "float32" and self.device.type == "cpu"
        self._run = as_it_is(self._model) if unchanged else accelerated(self._model, arithmetic)
        self.arithmetic = arithmetic

    def through(self, gathered: Callable[[Run], Run]) -> Network:
        """The same network, its passes run by what `gathered` makes of the way they run now."""
        other = copy(self)
        other._run = gathered(self._run)
        return other

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Find the input size closest to `size`, (rows, columns), that the network takes."""
        return self._model.nearest_size(*size)

    def __call__(
        self, image: torch.Tensor, previous: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, 1, rows, columns), float32; see the model's `forward`."""
        with readable_memory_errors(self.device):
            return self._run(image, previous, points)
