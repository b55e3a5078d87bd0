"""Image and labels layers as a collection on disk, for a process that cannot see the viewer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.exports.collection import save_collection, whole_copy
from napari_cfr_icl.gui.layers.channels import channels_of
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.layers.scenes import scene_of

LEAST_PLANES = 4
"""Fewer labelled planes than this are not divided: none is far enough from the others."""

_Index = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LayerFiles:
    """The planes of a picture as the model sees them, and their labels.

    Parameters
    ----------
    name : str
        What to call them.
    planes : dict of ImageSource
        Pixels by the plane's index in the labels, with the channels, colours and contrast that
        were on the screen when this was made.
    labels : Any
        The array of the labels, (.., rows, columns).
    """

    name: str
    planes: dict[_Index, ImageSource]
    labels: Any

    @classmethod
    def of(cls, image: Image, labels: Labels, layers: Iterable[Layer]) -> LayerFiles:
        """The picture that `image` is part of among the viewer's `layers`, and its labels.

        Raises
        ------
        MaskError
            When the labels are not of the image's size.
        """
        shape = _common_shape(image, labels)
        axes, rows_cols = (len(shape) - 2, len(shape) - 1), (shape[-2], shape[-1])
        together = channels_of(image, layers)
        planes = {
            index: scene_of(image, LayerPlane(axes, (*index, 0, 0), rows_cols), together).source
            for index in np.ndindex(shape[:-2])
        }
        data = labels.data[0] if labels.multiscale else labels.data
        return cls(_file_name(image.name), planes, data)

    def write(self, folder: Path, held_out: float = 0.0) -> Path:
        """Write the planes that have labels, whole or not at all; returns the folder.

        Takes a while: to be called in a thread of its own.

        Parameters
        ----------
        folder : Path
            A new folder, or one of an earlier call, which is replaced.
        held_out : float, optional
            Share of the labelled planes that goes into a folder `val` beside `train`: the last
            ones, for neighbouring planes are much alike.

        Raises
        ------
        MaskError
            When nothing is labelled.
        OutputError
            When the folder cannot be written.
        """
        labelled = [index for index in self.planes if np.any(np.asarray(self.labels[index]))]
        if not labelled:
            raise MaskError(f"Nothing is labelled on {self.name}: finish some objects first.")
        parts = {"": labelled}
        if held_out and len(labelled) >= LEAST_PLANES:
            first = len(labelled) - max(1, round(held_out * len(labelled)))
            parts = {"train": labelled[:first], "val": labelled[first:]}
        with whole_copy(folder) as part:
            for name, indices in parts.items():
                save_collection(part / name, self._pairs(indices), self.name)
        return folder

    def _pairs(
        self, indices: Iterable[_Index]
    ) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
        for index in indices:
            name = "-".join([self.name, *map(str, index)])
            yield name, drawn(self.planes[index]), np.asarray(self.labels[index])


def drawn(source: ImageSource) -> NDArray[np.uint8]:
    """A whole picture as the network sees it, (rows, columns, 3), or (rows, columns) where grey."""
    pixels = np.rint(255 * source.read(Window.whole(source.shape))).astype(np.uint8)
    is_grey = (pixels == pixels[..., :1]).all()
    return pixels[..., 0] if is_grey else pixels


def _common_shape(image: Image, labels: Labels) -> tuple[int, ...]:
    """Length of each axis of both layers."""
    shapes = data_shape(image), data_shape(labels)
    if shapes[0] != shapes[1]:
        sizes = [" x ".join(str(side) for side in shape) for shape in shapes]
        raise MaskError(
            f"The image {image.name} is {sizes[0]} pixels, the labels {labels.name} {sizes[1]}: "
            "choose labels of the same size."
        )
    return shapes[0]


def _file_name(layer_name: str) -> str:
    """A layer's name as part of a file's name."""
    kept = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in layer_name)
    return kept.strip("-")[:60] or "layer"
