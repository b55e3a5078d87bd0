"""Images and masks that are named on the command line."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.engine.rendering import Rendering, empty_value
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.images.opening import open_image, open_labels
from napari_cfr_icl.images.planes import single_channel
from napari_cfr_icl.zoo.file_kinds import FileKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_DIM = 16
"""An 8-bit picture without a value from here on is as good as black."""

_NO_IMAGES = (FileKind.WEB_PAGE, FileKind.TEXT, FileKind.EMPTY)


def open_source(
    path: Path,
    axes: str | None = None,
    plane: tuple[int, ...] | None = None,
    series: str | None = None,
) -> ImageSource:
    """One plane of an image, to be read window by window.

    Parameters
    ----------
    path : Path
        Its file, or Zarr folder.
    axes : str or None
        A letter for each axis; None takes the file's word for it, or guesses.
    plane : tuple of int or None
        Number along each axis of a stack.
    series : str or None
        Number or name of the picture in a file that holds several.

    Raises
    ------
    ImageError
        When it is missing, unreadable, or a stack of which no plane was chosen.
    SettingsError
        When the axes do not fit it, or there is no such series.
    """
    with _named_kind(path):
        image = open_image(path, series).named(axes)
        if 0 in image.shape:
            raise ImageError(f"{path} is an image without pixels: its shape is {image.shape}.")
        if image.levels[0].dtype.kind not in "buif":
            raise ImageError(
                f"{path} holds {image.levels[0].dtype}, not numbers that can be drawn."
            )
        source = ImageSource(list(image.levels), plane=image.plane(plane))
        if not image.is_photo:
            # A fourth channel is a channel, not transparency.
            sample = source.sample()
            source.rendering = Rendering.guess(sample, rgb=sample.shape[2:] == (3,))
            if doubt := _contrast_doubt(sample):
                _log.warning(f"{path} {doubt}")
    if image.assumption:
        _log.warning(image.assumption)
    return source


def _contrast_doubt(sample: NDArray[Any]) -> str:
    """What was assumed of the contrast, or why there is none; empty where all is well."""
    if is_blank(sample):
        return "has the same value everywhere: there is nothing to see."
    if (empty := empty_value(sample)) is not None:
        return f"has many pixels of {empty:g}, far below all others: they are taken for empty."
    if sample.dtype == np.uint8 and int(sample.max()) < _DIM:
        return (
            f"has no value above {sample.max()} of 255: the model sees it nearly black, as napari "
            "draws it. Stretch its contrast first."
        )
    return ""


def is_blank(sample: NDArray[Any]) -> bool:
    """True for pixels that have one value only, or none at all."""
    finite = sample[np.isfinite(sample)]
    return finite.size == 0 or bool(finite.min() == finite.max())


def open_mask(path: Path, plane: tuple[int, ...] | None) -> NDArray[Any]:
    """A mask, or a plane of a stack of masks: (rows, columns), the file's own numbers.

    Raises
    ------
    ImageError
        When it is missing or unreadable.
    MaskError
        When it has channels that differ.
    """
    with _named_kind(path):
        masks = open_labels(path).named(None)
        # One mask may serve for every plane of a stack.
        chosen = masks.plane(plane if masks.plane_axes else None)
        if masks.note:
            _log.warning(masks.note)
        return single_channel(path, chosen.read(masks.levels[0]))


@contextmanager
def _named_kind(path: Path) -> Iterator[None]:
    """Say what a file is, where a decoder can only say what it is not."""
    try:
        yield
    except ImageError as error:
        kind = kind_of(path) if path.is_file() else None
        if kind in _NO_IMAGES:
            raise ImageError(f"{path} is {kind.value}, not an image.") from error
        raise
