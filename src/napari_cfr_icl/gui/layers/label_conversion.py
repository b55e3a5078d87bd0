"""Labels that cannot be written as they are, label images opened as pictures, and the cures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.gui.layers.placement import transform_of

MOST_BYTES = 1 << 31
"""Largest array that is offered to be copied into memory."""

MOST_SAMPLED = 1 << 26
"""Largest array that is looked into although it is not in memory."""

MOST_ROWS = 64
"""Number of rows that tell whether an image holds ids."""

LEAST_EQUAL, MOST_STEPS = 0.6, 0.5
"""Share of equal neighbours in objects, and of the least difference among unequal ones."""

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


def looks_like_labels(layer: Image) -> bool:
    """True for an image of ids: whole numbers that are the same over whole objects.

    Some rows are looked at, of the middle plane or the first with any object, and nothing of a
    large array that would have to be computed or fetched.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    kind = np.dtype(data.dtype).kind
    in_memory = isinstance(data, np.ndarray) or _bytes(data) <= MOST_SAMPLED
    if layer.rgb or layer.ndim < 2 or kind not in "biuf" or not in_memory or 0 in data.shape:
        return False
    for index in _planes_to_look_at(data.shape[:-2]):
        rows = data.shape[-2]
        found = np.asarray(data[(*index, slice(None, None, max(1, rows // MOST_ROWS)))])
        if found.any():
            return _has_plateaus(found)
    return False


def _planes_to_look_at(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The middle plane, then some from the first to the last."""
    yield tuple(side // 2 for side in shape)
    count = int(np.prod(shape, dtype=np.int64))
    for number in np.unique(np.linspace(0, count - 1, 9).astype(np.int64)) if shape else ():
        yield tuple(int(i) for i in np.unravel_index(number, shape))


def _has_plateaus(rows: NDArray[Any]) -> bool:
    """True where neighbours in a row are equal, or leap; in pictures they differ a little."""
    if not np.isfinite(rows).all() or (rows.dtype.kind == "f" and (rows != np.rint(rows)).any()):
        return False
    left, right = rows[:, :-1].astype(np.float64), rows[:, 1:].astype(np.float64)
    equal = left == right
    inside = (left != 0) | (right != 0)
    steps = ~equal & (left != 0) & (right != 0) & (np.abs(left - right) == 1)
    few_steps = steps.sum() <= MOST_STEPS * max(1, (~equal).sum())
    return bool(few_steps and (equal & inside).sum() >= LEAST_EQUAL * inside.sum() and inside.any())


def labels_from(layer: Image) -> Labels:
    """A labels layer with the pixels and the place of an image of ids."""
    data = layer.data[0] if layer.multiscale else layer.data
    kind = np.dtype(data.dtype).kind
    if kind in "bf":
        # Hashes and times are ids, too, and many are larger than 32 bits hold.
        data = data.astype(np.uint8 if kind == "b" else _narrowest(data))
    return Labels(data, name=layer.name, metadata=dict(layer.metadata), **transform_of(layer))


def _narrowest(data: Any) -> type[np.signedinteger[Any]]:
    fits = float(abs(data).max()) <= np.iinfo(np.int32).max
    return np.int32 if fits else np.int64


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
