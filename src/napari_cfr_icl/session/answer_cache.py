"""Compressed answers and label changes: hundreds of steps of undo fit into memory.

An answer about a large object is tens of megabytes of probabilities. Once it is some steps away,
only its visible part is kept: for each pixel, the interval of the threshold slider that its
probability lies in.
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

    from napari_cfr_icl.session.protocols import Answer

LEVELS = 100
"""Intervals between the positions of the threshold slider."""

CHUNK_PIXELS = 1 << 18
"""Few enough that other threads need not wait long for their turn."""

_THRESHOLDS = (np.arange(1, LEVELS) / LEVELS).astype(np.float32)
_MIDDLES = ((np.arange(LEVELS) + 0.5) / LEVELS).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CompressedArray:
    """A losslessly compressed array.

    Parameters
    ----------
    data : bytes
        Its compressed bytes (bits for bool), or those of one item where all are the same.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.
    is_uniform : bool
        True when all items are the same: those under a new object mostly are.
    """

    data: bytes
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_uniform: bool = False

    @classmethod
    def of(cls, array: NDArray[Any]) -> CompressedArray:
        """Compress an array."""
        array = np.ascontiguousarray(array)
        first = array.reshape(-1)[:1]
        if array.size and (array == first).all():
            return cls(first.tobytes(), array.shape, array.dtype, is_uniform=True)
        # Bits are an eighth to compress.
        packed = np.packbits(array) if array.dtype == bool else array
        return cls(zlib.compress(packed.data, 1), array.shape, array.dtype)

    @property
    def item(self) -> int:
        """The value of all items of a uniform array."""
        return int(np.frombuffer(self.data, self.dtype)[0])

    def array(self) -> NDArray[Any]:
        """The array, read-only."""
        if self.is_uniform:
            return np.broadcast_to(np.frombuffer(self.data, self.dtype), self.shape)
        raw = zlib.decompress(self.data)
        if self.dtype == bool:
            bits = np.frombuffer(raw, np.uint8)
            count = int(np.prod(self.shape, dtype=np.int64))
            return np.unpackbits(bits, count=count).view(bool).reshape(self.shape)
        return np.frombuffer(raw, self.dtype).reshape(self.shape)


class CachedAnswer:
    """An answer of the network, reduced once it is `retired`.

    Its mask stays the same at every position of the threshold slider; the probabilities are rounded
    to hundredths. The values read do not depend on when the work of `shrink` is done.

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
        """True when no probabilities are held."""
        return self._answer is None

    def retire(self) -> None:
        """Accept rounded probabilities from now on. Costs nothing by itself."""
        self._retired = True

    def shrink(self) -> None:
        """Compress an answer that has retired; may be called in any thread."""
        with self._lock:
            if self._retired:
                if self._small is None:
                    self._shrink()
                self._answer = None

    def _shrink(self) -> None:
        answer: Any = self._answer
        patch = answer.probabilities
        nothing = Patch(np.zeros((1, 1), np.float32), Window(0, 0, 1, 1), patch.image_shape)
        rest = replace(answer, probabilities=nothing)
        self._small = (rest, patch.window, patch.image_shape, _levels(patch.values))
        self._answer = None

    def _restored(self) -> Answer:
        if self._small is None:
            raise RuntimeError("a cached answer without content")
        rest, window, image_shape, levels = self._small
        patch = Patch(_MIDDLES[levels.array()], window, image_shape)
        answer: Answer = replace(rest, probabilities=patch)
        return answer


def _levels(probabilities: NDArray[np.float32]) -> CompressedArray:
    """Number of slider positions that each probability exceeds, uint8."""
    flat, compressor = np.ascontiguousarray(probabilities).reshape(-1), zlib.compressobj(1)
    parts = []
    for start in range(0, flat.size, CHUNK_PIXELS):
        part = np.searchsorted(_THRESHOLDS, flat[start : start + CHUNK_PIXELS])
        parts.append(compressor.compress(part.astype(np.uint8).data))
    parts.append(compressor.flush())
    return CompressedArray(b"".join(parts), probabilities.shape, np.dtype(np.uint8))
