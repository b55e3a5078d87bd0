"""Arrays in JSON: compact, exact, and readable by any program with zlib."""

from __future__ import annotations

import base64
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

STRIP_BYTES = 1 << 24
"""Approximate size of the strips that an array is packed in; empty ones are left out."""

MOST_PACKED = 1 << 26
"""Largest size of packed labels; larger ones are kept elsewhere."""

MOST_UNPACKED = 1 << 34
"""Largest size of an array: a damaged file shall not fill the memory."""


def pack_bits(bits: NDArray[np.bool_]) -> str:
    """Truth values as text; `unpack_bits` needs their shape."""
    return _text(np.packbits(bits).tobytes())


def unpack_bits(text: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Truth values from text.

    Raises
    ------
    ValueError
        When the text holds another number of them.
    """
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.frombuffer(_raw(text, -(-count // 8)), np.uint8)
    return np.unpackbits(raw, count=count).astype(bool).reshape(shape)


def pack_array(array: Any, most: int | None = None) -> dict[str, Any] | None:
    """An array of numbers as plain data; None where it would have more than `most` bytes.

    Read strip by strip along the first axis, never as a whole.
    """
    shape = tuple(int(side) for side in array.shape)
    rest = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(array.dtype).itemsize
    step = max(1, STRIP_BYTES // max(1, rest))
    strips: dict[str, str] = {}
    size = 0
    for start in range(0, shape[0] if shape else 0, step):
        strip = np.ascontiguousarray(array[start : start + step])
        if strip.any():
            strips[str(start)] = _text(strip.tobytes())
            size += len(strips[str(start)])
            if most is not None and size > most:
                return None
    return {
        "shape": list(shape),
        "dtype": np.dtype(array.dtype).newbyteorder("<").str,
        "step": step,
        "strips": strips,
    }


def unpack_array(packed: dict[str, Any]) -> NDArray[Any]:
    """An array from plain data.

    Raises
    ------
    ValueError
        When it is damaged.
    """
    shape, dtype = tuple(packed["shape"]), np.dtype(packed["dtype"])
    if dtype.kind not in "buif" or any(side < 0 for side in shape):
        raise ValueError("no array of numbers")
    if int(np.prod(shape, dtype=np.float64)) * dtype.itemsize > MOST_UNPACKED:
        raise InputError("The saved labels are larger than this program opens.")
    array = np.zeros(shape, dtype)
    for start, text in packed["strips"].items():
        part = array[int(start) : int(start) + int(packed["step"])]
        part[...] = np.frombuffer(_raw(text, part.nbytes), dtype).reshape(part.shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


@contextmanager
def unpacked_rows(packed: dict[str, Any], rows: slice) -> Iterator[tuple[NDArray[Any], int]]:
    """Strips of a packed array that hold `rows`, to be changed, and their first row."""
    step, strips = packed["step"], packed["strips"]
    low = rows.start // step * step
    high = min(-(-rows.stop // step) * step, packed["shape"][0])
    found = {
        str(row - low): strips.pop(str(row)) for row in range(low, high, step) if str(row) in strips
    }
    part = unpack_array({**packed, "shape": [high - low, *packed["shape"][1:]], "strips": found})
    yield part, low
    for start in range(0, high - low, step):
        strip = np.ascontiguousarray(part[start : start + step])
        if strip.any():
            strips[str(low + start)] = _text(strip.astype(packed["dtype"], copy=False).tobytes())


def _text(raw: bytes) -> str:
    # Level 1: labels shrink a hundredfold at any level, and someone may be waiting.
    return base64.b64encode(zlib.compress(raw, 1)).decode("ascii")


def _raw(text: str, size: int) -> bytes:
    """The bytes in `text`, which must be `size`."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError("damaged") from error
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes instead of {size}")
    return raw
