"""Collections out of arrays: what a viewer shows becomes files that a run can read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cfr_icl._errors import MaskError, OutputError
from napari_cfr_icl._files import explain_write_failure
from napari_cfr_icl.training.data.collection import open_collection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.training.data.collection import Collection


def save_layers(place: Path, pairs: Iterable[tuple[str, NDArray[Any], NDArray[Any]]]) -> Collection:
    """Write images and labels as a collection.

    A run lives longer than the viewer that began it, so it needs the pictures on disk.

    Parameters
    ----------
    place : Path
        A new folder.
    pairs : iterable of (str, ndarray, ndarray)
        Name, image (.., rows, columns) or (.., rows, columns, channels), and labels (.., rows,
        columns) of whole numbers.

    Raises
    ------
    MaskError
        When labels are no whole numbers.
    OutputError
        When nothing can be written there.
    """
    try:
        for part in ("images", "labels"):
            (place / part).mkdir(parents=True)
        for name, image, labels in pairs:
            labels = np.asarray(labels)
            if labels.dtype.kind not in "ui":
                raise MaskError(f"The labels {name} are {labels.dtype}, no whole numbers.")
            narrow = labels.astype(np.uint16 if labels.max(initial=0) < 2**16 else np.int32)
            pixels = np.asarray(image)
            coloured = pixels.ndim > labels.ndim and pixels.shape[-1] in (3, 4)
            # Said, not guessed: three planes of a stack are not red, green and blue.
            drawn = "rgb" if coloured else "minisblack"
            tifffile.imwrite(place / "images" / f"{name}.tif", pixels, photometric=drawn)
            tifffile.imwrite(
                place / "labels" / f"{name}.tif",
                narrow,
                compression="zlib",
                photometric="minisblack",
            )
    except OSError as error:
        raise OutputError(explain_write_failure(error, place)) from error
    return open_collection(place)
