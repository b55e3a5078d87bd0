"""Fingerprint of an image, by which it is recognised wherever its file is now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.autosave.plain_data import Serializable

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_READ_BYTES = 1 << 26
"""Largest image that is read as a whole for its fingerprint."""

CHUNK_PIXELS = 1 << 20
"""Pixels that are hashed at once."""

SAMPLES, SAMPLE_SIDE = 64, 32
"""Number of blocks of a larger image, and their side in pixels."""


@dataclass(frozen=True, slots=True)
class ImageFingerprint(Serializable):
    """Name, shape and checksum of an image.

    Parameters
    ----------
    name : str
        Its name for people.
    path : str or None
        Its file, if any; may have moved.
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
        """True when both have the same pixels, whatever their names and files.

        Unknown, and so False, for an image that could not be read.
        """
        mine, others = (
            (identity.shape, identity.dtype, identity.fingerprint) for identity in (self, other)
        )
        return bool(self.fingerprint) and mine == others


def fingerprint_image(array: Any, name: str, path: str | None) -> ImageFingerprint:
    """The fingerprint of an image.

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
    parts = [array[...]] if size <= FULL_READ_BYTES else _samples(array)
    for part in parts:
        pixels = np.ascontiguousarray(part).reshape(-1)
        # In chunks: a copy of all of it would hold up Python's other threads.
        for start in range(0, pixels.size, CHUNK_PIXELS):
            piece = pixels[start : start + CHUNK_PIXELS]
            digest.update(piece.astype(dtype.newbyteorder("<"), copy=False).tobytes())
    shape = tuple(int(side) for side in array.shape)
    return ImageFingerprint(name, path, shape, dtype.name, digest.hexdigest())


def _samples(array: Any) -> list[NDArray[Any]]:
    """Blocks all over an array of any kind, at places that depend on its shape alone."""
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
