"""Images and their labels as a collection: the folders that training and evaluation read."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_cfr_icl._errors import MaskError, OutputError
from napari_cfr_icl._files import explained_write_failures
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.tiff import write_tiff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

COPY_MARK = "copy-of-layers"
"""Lies in folders that may be replaced: everything in them was written by `whole_copy`."""


@contextmanager
def whole_copy(folder: Path) -> Iterator[Path]:
    """Yield a folder to write to, which becomes `folder` once it is complete.

    It replaces an earlier copy; one that was never completed is not in the way.

    Raises
    ------
    OutputError
        When `folder` exists and is no copy of ours, or cannot be written.
    """
    if folder.exists() and not (folder / COPY_MARK).exists():
        raise OutputError(f"{folder} is there already; choose another run folder.")
    with explained_write_failures(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as place:
            part = Path(place, "new")
            part.mkdir()
            yield part
            (part / COPY_MARK).touch()
            if folder.exists():
                folder.rename(Path(place, "old"))
            part.rename(folder)


def save_collection(
    folder: Path, pairs: Iterable[tuple[str, NDArray[Any], NDArray[Any]]], group: str = ""
) -> None:
    """Write images and labels as a collection.

    Parameters
    ----------
    folder : Path
        Gets the folders `images` and `labels`, which must be new.
    pairs : iterable of (str, ndarray, ndarray)
        Name, image (.., rows, columns) or (.., rows, columns, channels), and labels (.., rows,
        columns) of whole numbers.
    group : str, optional
        Keeps all of them on one side when training holds pictures out.

    Raises
    ------
    MaskError
        When labels are not whole numbers.
    OutputError
        When nothing can be written there.
    """
    listing = ["image,labels,group"]
    with explained_write_failures(folder):
        for kind in ("images", "labels"):
            (folder / kind).mkdir(parents=True)
        for name, image, labels in pairs:
            _write_pair(folder, f"{name}.tif", np.asarray(image), np.asarray(labels))
            listing.append(f"images/{name}.tif,labels/{name}.tif,{group}")
        if group:
            (folder / "collection.csv").write_text("\n".join(listing) + "\n", encoding="utf-8")


def _write_pair(folder: Path, name: str, image: NDArray[Any], labels: NDArray[Any]) -> None:
    if labels.dtype.kind not in "ui":
        stem = name.removesuffix(".tif")
        raise MaskError(f"The labels {stem} are {labels.dtype}, no whole numbers.")
    coloured = image.ndim > labels.ndim and image.shape[-1] in (3, 4)
    # Explicit, for a reader would take three planes of a stack for red, green and blue.
    photometric = "rgb" if coloured else "minisblack"
    tifffile.imwrite(folder / "images" / name, image, photometric=photometric)
    write_tiff(folder / "labels" / name, LabelImage(labels, name), name)
