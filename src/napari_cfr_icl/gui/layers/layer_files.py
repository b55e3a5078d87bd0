"""Image and labels layers as pictures on disk, for a process that cannot see the viewer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import MaskError, OutputError
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.layers.scenes import scene_of


@dataclass(frozen=True, slots=True, eq=False)
class LayerFiles:
    """The planes of an image layer and their labels, as they were when this was made.

    Parameters
    ----------
    name : str
        What to call them.
    planes : tuple of (tuple of int, ImageSource)
        Where each plane stands in the labels, and its pixels as they are drawn.
    labels : Any
        The array of the labels, (.., rows, columns).
    """

    name: str
    planes: tuple[tuple[tuple[int, ...], ImageSource], ...]
    labels: Any

    @classmethod
    def of(cls, image: Image, labels: Labels) -> LayerFiles:
        """What these two layers show.

        Raises
        ------
        MaskError
            When the labels are not of the image's size.
        """
        shape = check_same_size(image, labels)
        axes, planes = (len(shape) - 2, len(shape) - 1), []
        for index in np.ndindex(shape[:-2]):
            plane = LayerPlane(axes, (*index, 0, 0), (shape[-2], shape[-1]))
            planes.append((index, scene_of(image, plane).source))
        data = labels.data[0] if labels.multiscale else labels.data
        return cls(file_name(image.name), tuple(planes), data)

    def write(self, folder: Path) -> Path:
        """Write the planes that have labels; returns the folder. Takes a while.

        Raises
        ------
        MaskError
            When nothing is labelled.
        OutputError
            When the folder cannot be written.
        """
        try:
            for part in ("images", "labels"):
                (folder / part).mkdir(parents=True)
            count = 0
            for name, pixels, ids in self._pages():
                tifffile.imwrite(folder / "images" / f"{name}.tif", pixels, photometric="rgb")
                tifffile.imwrite(
                    folder / "labels" / f"{name}.tif",
                    ids,
                    compression="zlib",
                    photometric="minisblack",
                )
                count += 1
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error
        if not count:
            raise MaskError(f"Nothing is labelled on {self.name}: finish some objects first.")
        return folder

    def _pages(self) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint32]]]:
        for index, source in self.planes:
            ids = np.asarray(self.labels[index])
            if ids.any():
                pixels = source.read(Window(0, 0, *source.shape))
                name = "-".join([self.name, *(str(part) for part in index)])
                yield name, np.rint(255 * pixels).astype(np.uint8), ids.astype(np.uint32)


def check_same_size(image: Image, labels: Labels) -> tuple[int, ...]:
    """The size of both layers in pixels, one number for each axis.

    Raises
    ------
    MaskError
        When it differs.
    """
    shapes = data_shape(image), data_shape(labels)
    if shapes[0] != shapes[1]:
        sizes = [" x ".join(str(side) for side in shape) for shape in shapes]
        raise MaskError(
            f"The image {image.name} is {sizes[0]} pixels, the labels {labels.name} {sizes[1]}: "
            "choose labels of the same size."
        )
    return shapes[0]


def file_name(layer_name: str) -> str:
    """A layer's name as part of a file's name."""
    kept = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in layer_name)
    return kept.strip("-")[:60] or "layer"
