"""Prefetching: the next image of a folder is read with its labels before it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.session.folder import FolderImage, ImageFolder, read_image, read_labels

Read = tuple[FolderImage, NDArray[Any] | None]
"""An image, and its labels if there are some already."""


class ReadAhead:
    """One prefetched image. Everything runs in the I/O thread."""

    def __init__(self) -> None:
        self._paths: tuple[Path, Path] | None = None
        self._read: Read | None = None

    def prepare(self, folder: ImageFolder, index: int) -> None:
        """Read an image; errors are reported once it is taken."""
        paths = _paths(folder, index)
        try:
            self._read, self._paths = _fresh(*paths), paths
        except CfrIclError:
            self._read = self._paths = None

    def take(self, folder: ImageFolder, index: int) -> Read:
        """The image, read now unless it was prefetched."""
        paths = _paths(folder, index)
        known, read = self._paths, self._read
        self._read = self._paths = None
        # The same image has other labels where these go into another folder.
        return read if read is not None and known == paths else _fresh(*paths)


def _paths(folder: ImageFolder, index: int) -> tuple[Path, Path]:
    image = folder.images[index]
    return image, folder.labels_path(image)


def _fresh(image: Path, labels: Path) -> Read:
    return read_image(image), read_labels(labels)
