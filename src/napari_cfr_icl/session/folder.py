"""A folder of images that are segmented one by one.

A small file beside the labels lists the finished images, so that the work can be continued another
day. The images themselves are only read.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import ImageError, InputError
from napari_cfr_icl._files import atomic_write_json, explained_write_failures
from napari_cfr_icl.images.ome_zarr import ZARR_SUFFIX, is_zarr
from napari_cfr_icl.images.opening import SUFFIXES, open_image, open_labels
from napari_cfr_icl.images.planes import squeezed_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.images.image_file import ImageFile
    from napari_cfr_icl.images.pixel_sizes import Sizes

LABELS_ENDING = "_labels.tif"
_LABELS = (LABELS_ENDING, "_labels.zarr")
STATE_NAME = "cfr-icl-folder.json"


class ImageFolder:
    """The images of a folder in natural order, and which of them are finished.

    Parameters
    ----------
    path : Path
        The folder; what ends in _labels.tif or _labels.zarr are labels and not listed.
    labels : Path, optional
        Folder of the labels and the state; the same one by default.

    Attributes
    ----------
    skipped : dict of str
        Reasons by name, for files that are no image or do not fit their labels.

    Raises
    ------
    InputError
        When the folder cannot be read, or holds no image.
    """

    def __init__(self, path: Path, labels: Path | None = None) -> None:
        self.path = path
        self.labels_folder = labels or path
        try:
            found = [file for file in path.iterdir() if _is_image(file)]
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror or error}).") from error
        if not found:
            endings = ", ".join((*SUFFIXES, ZARR_SUFFIX))
            raise InputError(f"There is no image in {path}: {endings} are looked for.")
        self.images = tuple(sorted(found, key=_natural_key))
        self.skipped: dict[str, str] = {}
        self.finished: set[str] = set()
        self.last: str | None = None
        self._read_state()

    def labels_path(self, image: Path) -> Path:
        """File of an image's labels; never an image of the folder."""
        # Windows and macOS take IMG_labels.tif and img_labels.tif for one file.
        stem = image.stem.casefold()
        others = [other for other in self.images if other != image]
        is_taken = any(stem in (other.stem.casefold(), other.name.casefold()) for other in others)
        return self.labels_folder / f"{image.name if is_taken else image.stem}{LABELS_ENDING}"

    def next_index(self, index: int, step: int, *, unfinished: bool = False) -> int | None:
        """The image before or after one, on request an unfinished one; None at the end."""
        index += step
        while 0 <= index < len(self.images):
            if not unfinished or self.images[index].name not in self.finished:
                return index
            index += step
        return None

    @property
    def first_index(self) -> int:
        """The image to begin with: the last one shown, or the first unfinished one."""
        names = [image.name for image in self.images]
        if self.last in names:
            return names.index(self.last)
        found = self.next_index(-1, 1, unfinished=True)
        return 0 if found is None else found

    def save_state(self) -> None:
        """Save the state.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        state = {"finished": sorted(self.finished), "last": self.last}
        with explained_write_failures(self.labels_folder):
            atomic_write_json(self.labels_folder / STATE_NAME, state)

    def _read_state(self) -> None:
        try:
            state: Any = json.loads((self.labels_folder / STATE_NAME).read_text(encoding="utf-8"))
            self.finished = {str(name) for name in state["finished"]}
            self.last = None if state["last"] is None else str(state["last"])
        except (OSError, ValueError, LookupError, TypeError):
            # None yet, or damaged: then no image is known to be finished, and nothing is lost.
            return


@dataclass(frozen=True, slots=True, eq=False)
class FolderImage:
    """An image of a folder that was read.

    Parameters
    ----------
    pixels : ndarray, shape (..., rows, columns) or (..., rows, columns, channels)
        As they are stored.
    axes : str
        A letter for each axis but that of the channels; empty where nobody knows them.
    channels : int
        Length of the last axis where it holds channels, otherwise 0.
    is_photo : bool
        Whether the channels are red, green and blue.
    sizes : dict
        Size and unit of a pixel by the letter of its axis, as far as the file tells.
    note : str
        What was assumed about the file, or is missing in it, in sentences.
    """

    pixels: NDArray[Any]
    axes: str
    channels: int
    is_photo: bool
    sizes: Sizes
    note: str


def read_image(path: Path) -> FolderImage:
    """An image as `segment` sees it: its axes and channels as the file tells, or guessed.

    Raises
    ------
    ImageError
        When the file is missing, damaged or no image.
    """
    image = _opened(path, open_image)
    image = replace(image, axes=image.likely_axes)
    pixels, axis = _pixels(path, image), image.channel_axis
    others = "".join(letter for i, letter in enumerate(image.axes) if i != axis)
    return FolderImage(
        pixels,
        others,
        0 if axis is None else pixels.shape[-1],
        image.is_photo,
        image.sizes,
        image.note,
    )


def read_labels(path: Path) -> NDArray[Any] | None:
    """Labels that were kept, or None where there are none yet.

    Raises
    ------
    ImageError
        When the file is damaged, or holds no whole numbers.
    """
    if not path.exists():
        return None
    labels = _pixels(path, replace(_opened(path, open_labels), axes=""))  # in the order of the file
    if labels.dtype.kind not in "ui":
        raise ImageError(f"{path.name} holds no labels and is left as it is.")
    return labels


def squeezed(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels without axes of length 1, as TIFF readers return them; two axes always stay."""
    return labels.reshape(squeezed_shape(labels.shape))


def fitted(labels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Labels with the axes of their image; None where they do not fit it.

    Parameters
    ----------
    labels : ndarray of int
        As they were read.
    shape : tuple of int
        Of the image, without its channels of colour. Its axes of length 1 need not be in `labels`.
    """
    sides, wanted = ([side for side in of if side != 1] for of in (labels.shape, shape))
    return labels.reshape(shape) if sides == wanted else None


def _opened(path: Path, read: Callable[[Path], ImageFile]) -> ImageFile:
    with _explained(path):
        return read(path)


def _pixels(path: Path, image: ImageFile) -> NDArray[Any]:
    with _explained(path):
        pixels = image.read()
    if pixels.ndim < 2 or 0 in pixels.shape or pixels.dtype.kind not in "buif":
        raise ImageError(f"{path.name} holds no picture and is left out.")
    return pixels


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(
            f"{path.name} cannot be read and is left out: it is damaged or no image."
        ) from error


def _is_image(file: Path) -> bool:
    name = file.name.lower()
    is_image = is_zarr(file) or (name.endswith(SUFFIXES) and file.is_file())
    return is_image and not name.startswith(".") and not name.endswith(_LABELS)


def _natural_key(file: Path) -> list[tuple[int, str]]:
    """Sort key that puts image 9 before image 10."""
    parts = re.split(r"(\d+)", file.name.lower())
    # Not isdigit, which is true of ² as well.
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
