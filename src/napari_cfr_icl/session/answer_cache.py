"""Answers and label changes made small, so that hundreds of steps of undo fit into memory.

An answer about a large object is tens of megabytes of probabilities. Once it is some steps away,
only what can be seen of it is kept: on which side of each place of the threshold slider every pixel
is.
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.session.objects import Answer

LEVELS = 100
"""Places of the threshold slider, and one."""

PIXELS_AT_ONCE = 1 << 18
"""So few that other threads need not wait long for their turn."""

_THRESHOLDS = (np.arange(1, LEVELS) / LEVELS).astype(np.float32)
_MIDDLES = ((np.arange(LEVELS) + 0.5) / LEVELS).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CompressedArray:
    """An array without what repeats in it.

    Parameters
    ----------
    data : bytes
        Its compressed bytes (of truth values: bits), or those of one item where all are the same.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.
    is_uniform : bool
        Whether all items are the same: those under a new object mostly are.
    """

    data: bytes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_uniform: bool = False

    @classmethod
    def of(cls, array: NDArray[Any]) -> CompressedArray:
        """Squeeze an array; nothing is lost."""
        array = np.ascontiguousarray(array)
        first = array.reshape(-1)[:1]
        if array.size and (array == first).all():
            return cls(first.tobytes(), array.shape, array.dtype, is_uniform=True)
        # Bits are an eighth to compress.
        packed = np.packbits(array) if array.dtype == bool else array
        return cls(zlib.compress(packed.data, 1), array.shape, array.dtype)

    @property
    def item(self) -> int:
        """The number that all items of a uniform array are."""
        return int(np.frombuffer(self.data, self.dtype)[0])

    def array(self) -> NDArray[Any]:
        """The array, to be read only."""
        if self.is_uniform:
            return np.broadcast_to(np.frombuffer(self.data, self.dtype), self.shape)
        raw = zlib.decompress(self.data)
        if self.dtype == bool:
            bits = np.frombuffer(raw, np.uint8)
            count = int(np.prod(self.shape, dtype=np.int64))
            return np.unpackbits(bits, count=count).view(bool).reshape(self.shape)
        return np.frombuffer(raw, self.dtype).reshape(self.shape)


class CachedAnswer:
    """An answer of the network, of which little is kept once it is `retired`.

    Its mask stays the same at every place of the threshold slider; the probabilities are rounded to
    hundredths. What is read does not depend on when the work of `shrink` is done.

    Parameters
    ----------
    answer : Answer
        A dataclass with a field `probabilities`.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer: Answer | None = answer
        self._small: tuple[Any, Window, tuple[int, int], CompressedArray] | None = None
        self._retired = False
        self._lock = threading.Lock()

    @property
    def answer(self) -> Answer:
        """The answer; the same object every time, until it retires."""
        with self._lock:
            if self._retired and self._small is None:
                self._shrink()
            if self._answer is None:
                self._answer = self._restored()
            return self._answer

    @property
    def is_small(self) -> bool:
        """Whether no probabilities are held."""
        return self._answer is None

    def retire(self) -> None:
        """From now on its rounded probabilities are good enough. Costs nothing by itself."""
        self._retired = True

    def shrink(self) -> None:
        """Do the work for an answer that has retired; may be called in any thread."""
        with self._lock:
            if self._retired:
                if self._small is None:
                    self._shrink()
                self._answer = None

    def _shrink(self) -> None:
        answer: Any = self._answer
        patch = answer.probabilities
        nothing = Patch(np.zeros((1, 1), np.float32), Window(0, 0, 1, 1), patch.image_shape)
        levels = _levels(patch.values)
        self._small = (
            replace(answer, probabilities=nothing),
            patch.window,
            patch.image_shape,
            levels,
        )
        self._answer = None

    def _restored(self) -> Answer:
        if self._small is None:
            raise RuntimeError("an answer without anything to make it from")
        rest, window, image_shape, levels = self._small
        patch = Patch(_MIDDLES[levels.array()], window, image_shape)
        answer: Answer = replace(rest, probabilities=patch)
        return answer


def _levels(probabilities: NDArray[np.float32]) -> CompressedArray:
    """How many places of the slider each probability exceeds, uint8."""
    flat, squeezer = np.ascontiguousarray(probabilities).reshape(-1), zlib.compressobj(1)
    parts = []
    for start in range(0, flat.size, PIXELS_AT_ONCE):
        part = np.searchsorted(_THRESHOLDS, flat[start : start + PIXELS_AT_ONCE])
        parts.append(squeezer.compress(part.astype(np.uint8).data))
    parts.append(squeezer.flush())
    return CompressedArray(b"".join(parts), probabilities.shape, np.dtype(np.uint8))
