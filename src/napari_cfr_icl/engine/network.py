"""The network on its device, in the arithmetic that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cfr_icl.engine.device import pick_device, readable_memory_errors

if TYPE_CHECKING:
    import torch

    from napari_cfr_icl.engine.settings import Precision


class Network:
    """A click model, placed and made quick.

    Parameters
    ----------
    model : torch.nn.Module
        As `napari_cfr_icl.zoo.load` returns it. It is not changed.
    device : str
        See `pick_device`.
    precision : {"float32", "fast"}
        "fast" takes the quickest arithmetic that a timed trial finds.
    """

    def __init__(self, model: Any, device: str, precision: Precision) -> None:
        self.device = pick_device(device)
        self.precision = precision
        self._model = model.to(self.device).eval()

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The input size closest to `size`, (rows, columns), that the network takes."""
        return self._model.nearest_size(*size)

    def __call__(
        self, image: torch.Tensor, previous: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, 1, rows, columns), float32; see the model's `forward`."""
        with readable_memory_errors(self.device):
            return self._model(image, previous, points)
