"""An image of a folder on the screen: its two layers, and the saving of its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from napari_cfr_icl.session.folder import ImageFolder, fitted, squeezed


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
    """

    folder: ImageFolder
    index: int
    image: Image
    labels: Labels

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
        copy = LabelImage(squeezed(pixels), self.name)

        def keep() -> None:
            folder.save_state()
            write_labels(path, copy)

        return keep


def layers_of(folder: ImageFolder, index: int, read: Read) -> FolderItem:
    """The layers of an image that was read.

    Raises
    ------
    ImageError
        When the labels that there are do not fit it; empty ones would be written over them.
    """
    path, (pixels, kept) = folder.images[index], read
    # Its place in the file system: napari's own note of it is for its readers alone.
    image = Image(pixels, name=path.stem, metadata={PATH: str(path)})
    # Only napari decides whether the last axis is colour, so nobody knows the shape before.
    shape = data_shape(image)
    labels = np.zeros(shape, LABEL_TYPE) if kept is None else fitted(kept, shape)
    if labels is None:
        name = folder.labels_path(path).name
        raise ImageError(f"{name} does not fit {path.name}; both are left out.")
    layer = Labels(labels, name="objects", metadata={TAG: "objects"}, **transform_of(image))
    return FolderItem(folder, index, image, layer)
