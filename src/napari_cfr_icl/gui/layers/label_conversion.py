"""Labels layers that cannot be written as they are, and the conversion that helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_cfr_icl._errors import OutputError

MOST_BYTES = 1 << 31
"""Largest array that is offered to be copied into memory."""

_WIDER = {
    "uint8": "uint16",
    "int8": "int16",
    "uint16": "uint32",
    "int16": "int32",
    "int32": "int64",
    "uint32": "uint64",
}


class RecoverableError(OutputError):
    """A labels layer that can only be written after its data is replaced by a copy.

    Parameters
    ----------
    trouble : str
        The sentence for the user.
    cure : str
        The effect of the copy, as the text of a button.
    layer : napari.layers.Labels
        The layer.
    copied : callable
        Makes the copy.
    """

    def __init__(self, trouble: str, cure: str, layer: Labels, copied: Callable[[], Any]) -> None:
        super().__init__(trouble)
        self.cure = cure
        self._layer = layer
        self._copied = copied

    def mend(self) -> None:
        """Give the layer the copy, after the user agreed.

        Raises
        ------
        OutputError
            When there is no memory for it.
        """
        try:
            self._layer.data = self._copied()
        except MemoryError as error:
            raise OutputError(
                f"There is not enough memory for a copy of {self._layer.name!r}; choose another "
                "labels layer."
            ) from error


def check_writable(layer: Labels) -> None:
    """Check that the array of a layer can be written.

    Raises
    ------
    OutputError
        When it cannot; `RecoverableError` if a copy in memory can.
    """
    if not layer.editable:
        raise OutputError(f"The labels layer {layer.name!r} cannot be edited; choose another one.")
    why = _why_fixed(layer.data)
    if why is None:
        return
    trouble = f"The labels layer {layer.name!r} cannot be written: {why}."
    if _bytes(layer.data) > MOST_BYTES:
        raise OutputError(f"{trouble} Choose another one.")
    raise RecoverableError(trouble, "Take a copy into memory", layer, lambda: np.array(layer.data))


def ids_taken(layer: Labels) -> OutputError:
    """The error of a layer whose type has no id left, with the offer of a wider type."""
    limit, name = np.iinfo(layer.dtype).max, np.dtype(layer.dtype).name
    trouble = f"All ids of {layer.name!r} up to {limit} are taken."
    wider = _WIDER.get(name)
    # An array that is not in memory belongs to a file, whose type stays what it is.
    if wider is None or not isinstance(layer.data, np.ndarray):
        return OutputError(f"{trouble} Choose another labels layer.")
    return RecoverableError(
        f"{trouble} A wider type has room for more.",
        f"Convert to {wider}",
        layer,
        lambda: layer.data.astype(wider),
    )


def _why_fixed(data: Any) -> str | None:
    """The reason why an array cannot be written; None if it can."""
    if isinstance(data, np.ndarray):
        return None if data.flags.writeable else "it was opened for reading only"
    if hasattr(data, "dask"):
        return "it is the result of a computation (dask)"
    if getattr(data, "read_only", False):
        return "it was opened for reading only"
    return None


def _bytes(data: Any) -> int:
    pixels = int(np.prod(data.shape, dtype=np.int64))
    return pixels * int(np.dtype(data.dtype).itemsize)
