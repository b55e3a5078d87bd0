"""Pixels that can only be decoded all at once, without the planes that their file lacks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.images.decode_errors import explained_damage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MOST_COMPRESSION = 10_000
"""No image is packed tighter than this; a file that says so is damaged, and would fill the memory
of the machine with nothing."""

HARMLESS_BYTES = 2**28
"""So many bytes do no harm, whatever their file's size."""


class DecodedArray:
    """Pixels that can only be decoded all at once, which is done when they are first needed.

    Parameters
    ----------
    path : Path
        Their file.
    shape : tuple of int
        As the file's header promises.
    dtype : dtype
        Type of the pixels.
    decode : callable
        Returns the pixels.
    missing : ndarray of bool, optional
        True for the planes, by their index on the leading axes, that the file does not hold. They
        are black where all pixels are read at once, and cannot be read alone.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: Any,
        decode: Callable[[], NDArray[Any]],
        missing: NDArray[np.bool_] | None = None,
    ) -> None:
        self._path, self._decode, self._missing = path, decode, missing
        self.shape, self.dtype = shape, np.dtype(dtype)
        promised = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        if promised > max(HARMLESS_BYTES, MOST_COMPRESSION * path.stat().st_size):
            raise ValueError(f"a file of this size cannot hold {promised / 1e9:.0f} GB of pixels")
        free = psutil.virtual_memory().available
        if promised > max(HARMLESS_BYTES, free):
            raise ImageError(
                f"{path} needs {promised / 1e9:.0f} GB of memory, and {free / 1e9:.0f} GB are "
                "free: convert it to OME-Zarr or an uncompressed TIFF, which are read in parts."
            )

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if self._missing is not None and index is not Ellipsis:
            plane = index[: self._missing.ndim]
            if self._missing[plane].any():
                raise ImageError(f"{self._path} does not hold plane {plane}: it is incomplete.")
        pixels: NDArray[Any] = self._pixels[index]
        return pixels

    @cached_property
    def _pixels(self) -> NDArray[Any]:
        with explained_damage(self._path):
            pixels = np.asarray(self._decode())
            if pixels.shape != self.shape:
                raise ValueError(f"{pixels.shape} pixels where {self.shape} were promised")
            pixels.setflags(write=False)
            return pixels
