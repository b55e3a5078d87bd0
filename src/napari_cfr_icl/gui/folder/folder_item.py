"""An image of a folder on the screen: its two layers, and the saving of its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.writing import write_labels
from napari_cfr_icl.gui.autosave.image_log import PATH
from napari_cfr_icl.gui.folder.read_ahead import Read
from napari_cfr_icl.gui.layers.click_layer import TAG
from napari_cfr_icl.gui.layers.new_labels import LABEL_TYPE
from napari_cfr_icl.gui.layers.placement import transform_of
from napari_cfr_icl.gui.layers.planes import data_shape
from napari_cfr_icl.gui.layers.stack_axes import as_placed
from napari_cfr_icl.images.planes import kept_axes
from napari_cfr_icl.session.folder import FolderImage, ImageFolder, fitted, squeezed

_RGB = ("red", "green", "blue")
_MIX = ("green", "magenta", "cyan", "red", "yellow", "blue")
"""As `engine.rendering` mixes channels."""


@dataclass(frozen=True, slots=True, eq=False)
class FolderItem:
    """An image of a folder and its labels, as layers.

    Labels are kept for the very image that they were made for, so all four belong together.

    Parameters
    ----------
    folder : ImageFolder
        The folder.
    index : int
        Which of its images.
    image : napari.layers.Image
        The image.
    labels : napari.layers.Labels
        Its labels.
    read : FolderImage
        What its file told.
    others : tuple of napari.layers.Image
        Its further channels, drawn over it.
    """

    folder: ImageFolder
    index: int
    image: Image
    labels: Labels
    read: FolderImage
    others: tuple[Image, ...] = ()

    @property
    def layers(self) -> list[Image | Labels]:
        """All of its layers, the lowest first."""
        return [self.image, *self.others, self.labels]

    @property
    def name(self) -> str:
        """The name of the image's file."""
        return self.folder.images[self.index].name

    @property
    def holds_objects(self) -> bool:
        """True where there is any object."""
        return bool(np.any(self.labels.data))

    @property
    def has_work(self) -> bool:
        """True where there is something to save: objects, or a file whose objects were removed."""
        path = self.folder.labels_path(self.folder.images[self.index])
        return self.holds_objects or path.exists()

    def keeping(self, pixels: NDArray[Any]) -> Callable[[], None]:
        """A job that saves `pixels`, a copy of the labels, and the state of the folder."""
        folder = self.folder
        path = folder.labels_path(folder.images[self.index])
        copy = self._with_sizes(pixels)

        def keep() -> None:
            folder.save_state()
            write_labels(path, copy)

        return keep

    def _with_sizes(self, pixels: NDArray[Any]) -> LabelImage:
        """Labels as they are kept, with the pixel sizes of their image."""
        axes = self.read.axes
        if len(axes) != pixels.ndim or not axes.endswith("YX"):
            return LabelImage(squeezed(pixels), self.name)
        kept = "".join(axes[axis] for axis in kept_axes(pixels.shape))
        return LabelImage.sized(squeezed(pixels), self.name, kept, self.read.sizes)


def layers_of(folder: ImageFolder, index: int, read: Read) -> FolderItem:
    """The layers of an image that was read.

    Raises
    ------
    ImageError
        When the labels that there are do not fit it; empty ones would be written over them.
    """
    path, (image, kept) = folder.images[index], read
    first, *others = _image_layers(path, image)
    # Only napari decides whether the last axis is colour, so nobody knows the shape before.
    shape = data_shape(first)
    labels = np.zeros(shape, LABEL_TYPE) if kept is None else fitted(kept, shape)
    if labels is None:
        name = folder.labels_path(path).name
        raise ImageError(f"{name} does not fit {path.name}; both are left out.")
    layer = Labels(labels, name="objects", metadata={TAG: "objects"}, **transform_of(first))
    return FolderItem(folder, index, first, layer, image, tuple(others))


def _sizes(image: FolderImage) -> dict[str, Any]:
    """Names of the axes and sizes of the pixels, as far as the file tells."""
    if not image.axes or len(image.axes) != image.pixels.ndim - bool(image.channels):
        return {}
    return as_placed(image.axes, image.sizes)


def _image_layers(path: Path, image: FolderImage) -> list[Image]:
    """One layer, or one for each channel, in the colours in which `segment` draws them."""
    # Its place in the file system: napari's own note of it is for its readers alone.
    told: dict[str, Any] = {"name": path.stem, "metadata": {PATH: str(path)}, **_sizes(image)}
    is_coloured = image.is_photo and image.channels in (3, 4)
    if is_coloured or not image.channels:
        return [Image(image.pixels, rgb=is_coloured if image.axes else None, **told)]
    if image.channels == 1:
        return [Image(image.pixels[..., 0], rgb=False, **told)]
    colours = _RGB if image.channels == len(_RGB) else _MIX
    return [
        Image(
            image.pixels[..., number],
            rgb=False,
            colormap=colours[number % len(colours)],
            blending="additive" if number else "translucent_no_depth",
            **{**told, "name": f"{path.stem} [{number}]" if number else path.stem},
        )
        for number in range(image.channels)
    ]
