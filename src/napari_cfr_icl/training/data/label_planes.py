"""Labels as training needs them: int32, whatever program made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.images import planes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def label_plane(path: Path, index: tuple[int, ...]) -> NDArray[np.int32]:
    """One plane of a label image or stack: int32 of shape (rows, columns).

    Ids too large for that get the lowest numbers that are free.

    Raises
    ------
    MaskError
        When the pixels are no whole numbers from 0 up.
    ImageError
        When the file is missing or unreadable.
    """
    plane = planes.label_plane(path, index)
    if plane.size and plane.min() < 0:
        raise MaskError(f"{path} must hold whole numbers from 0 up, not {plane.min()}.")
    return _narrowed(plane)


def _narrowed(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Ids as int32; programs that make them of a hash or a time have larger ones."""
    large = labels > np.iinfo(np.int32).max
    if not large.any():
        return labels.astype(np.int32)
    narrow = np.where(large, 0, labels).astype(np.int32)
    ids, numbers = np.unique(labels[large], return_inverse=True)
    taken = np.unique(narrow)
    free = np.setdiff1d(np.arange(1, len(ids) + len(taken) + 1), taken)
    narrow[large] = free[numbers]
    return narrow
