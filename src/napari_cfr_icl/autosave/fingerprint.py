"""Which image it was: enough to know it again, wherever its file is now."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ_AS_A_WHOLE = 1 << 26
"""Bytes of an image up to which every pixel counts for its fingerprint."""

COPIED_TOGETHER = 1 << 20
"""Pixels."""

SAMPLES, SAMPLE_SIDE = 64, 32
"""Of larger ones these many blocks of so many pixels per side."""


@dataclass(frozen=True, slots=True)
class ImageFingerprint:
    """What an image is known by.

    Parameters
    ----------
    name : str
        What people call it.
    path : str or None
        Its file, where it has one; may have moved.
    shape : tuple of int
        Length of every axis at the finest level, channels included.
    dtype : str
        Type of its pixels.
    fingerprint : str
        SHA-256 of its pixels, or of many samples of them.
    """

    name: str
    path: str | None
    shape: tuple[int, ...]
    dtype: str
    fingerprint: str

    def is_same_image(self, other: ImageFingerprint) -> bool:
        """Whether both have the same pixels, whatever they are called and wherever they lie.

        Nobody knows that of an image that could not be read.
        """
        mine, others = (
            (identity.shape, identity.dtype, identity.fingerprint) for identity in (self, other)
        )
        return bool(self.fingerprint) and mine == others

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> ImageFingerprint:
        """What `to_data` gave."""
        path = data["path"]
        return cls(
            str(data["name"]),
            None if path is None else str(path),
            tuple(int(side) for side in data["shape"]),
            str(data["dtype"]),
            str(data["fingerprint"]),
        )


def fingerprint_image(array: Any, name: str, path: str | None) -> ImageFingerprint:
    """The identity of an image.

    Parameters
    ----------
    array : array-like
        Its pixels at the finest level: numpy, dask, zarr, a memory map.
    name, path : str
        See `ImageFingerprint`.
    """
    dtype = np.dtype(array.dtype).newbyteorder("=")
    digest = hashlib.sha256(f"{tuple(array.shape)} {dtype.name}".encode())
    size = int(np.prod(array.shape, dtype=np.int64)) * dtype.itemsize
    parts = [array[...]] if size <= READ_AS_A_WHOLE else _samples(array)
    for part in parts:
        pixels = np.ascontiguousarray(part).reshape(-1)
        # Bit by bit: a copy of all of it would hold up Python's other threads.
        for start in range(0, pixels.size, COPIED_TOGETHER):
            piece = pixels[start : start + COPIED_TOGETHER]
            digest.update(piece.astype(dtype.newbyteorder("<"), copy=False).tobytes())
    shape = tuple(int(side) for side in array.shape)
    return ImageFingerprint(name, path, shape, dtype.name, digest.hexdigest())


def _samples(array: Any) -> list[NDArray[Any]]:
    """Blocks all over an array of any kind, at places that depend on nothing but its shape."""
    shape = np.array(array.shape)
    two_longest = np.argsort(shape, kind="stable")[-2:]
    sides = np.minimum(shape, 1)
    sides[two_longest] = np.minimum(shape[two_longest], SAMPLE_SIDE)
    # Multiples of the roots of primes modulo 1 fill every axis evenly, and differently.
    roots = np.sqrt([2, 3, 5, 7, 11, 13, 17, 19, 23][: len(shape)])
    blocks = []
    for number in range(SAMPLES):
        starts = (number * roots % 1 * (shape - sides + 1)).astype(int)
        index = tuple(slice(s, s + n) for s, n in zip(starts, sides, strict=True))
        blocks.append(np.asarray(array[index]))
    return blocks
