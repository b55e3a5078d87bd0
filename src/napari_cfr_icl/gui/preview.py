"""The current object on the screen, in a small layer of its own.

A layer as large as the mask's patch, moved to its place: showing a mask costs the same on a picture
of any size, and the pixels of finished objects are never touched before the user says so.
"""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.gui.click_layer import TAG
from napari_cfr_icl.gui.planes import LayerPlane

NAME = "current object"
COLOUR = "#00b7ff"


class Preview:
    """Shows the mask of the current object.

    Parameters
    ----------
    layers : napari.components.LayerList
        Where the layer is put when there is something to show.
    name, colour : str
        Of the layer.
    contour : int
        Width of an outline; 0 fills the mask.
    """

    def __init__(
        self, layers: LayerList, name: str = NAME, colour: str = COLOUR, contour: int = 0
    ) -> None:
        self._layers = layers
        self._name = name
        self._colour = colour
        self._contour = contour
        self._layer: Labels | None = None
        self._shown: Patch | None = None
        self._hidden = False

    @property
    def layer(self) -> Labels | None:
        """The layer, if there is one at the moment."""
        return self._layer if self._layer in self._layers else None

    def show(self, mask: Patch, image: Image, plane: LayerPlane) -> None:
        """Show `mask` where it lies on `plane` of `image`."""
        if mask is self._shown and self.layer is not None:
            return
        self._shown = mask
        values = mask.values.astype(np.uint8).reshape(_patch_shape(mask, plane, image.ndim))
        origin = plane.coordinates(mask.window.top, mask.window.left)
        affine = _data_to_world(image, origin)
        layer = self.layer
        if layer is None or layer.ndim != image.ndim:
            self.remove()
            self._shown = mask
            self._layer = self._added(values, affine, image)
            return
        if np.array_equal(layer.affine.affine_matrix, affine):
            self._fill(layer, values)
            return
        # Nothing is drawn between the two: the old mask does not flash up in the new place.
        layer.affine = affine
        layer.data = values

    def prepare(self, image: Image) -> None:
        """Have an empty layer ready: adding one takes napari longer than a first mask should."""
        self.remove()
        empty = np.zeros((1,) * image.ndim, np.uint8)
        self._layer = self._added(empty, _data_to_world(image, np.zeros(image.ndim)), image)

    def clear(self) -> None:
        """Show nothing."""
        self._shown = None
        layer = self.layer
        if layer is not None and layer.data.any():
            self._fill(layer, np.zeros_like(layer.data))

    def remove(self) -> None:
        """Show nothing, and take the layer away."""
        layer, self._layer, self._shown = self.layer, None, None
        if layer is not None:
            self._layers.remove(layer)

    def set_hidden(self, hidden: bool) -> None:
        """Hide the mask until told otherwise."""
        self._hidden = hidden
        if self.layer is not None:
            self.layer.visible = not hidden

    @staticmethod
    def _fill(layer: Labels, values: NDArray[np.uint8]) -> None:
        """Give the layer other values where it lies."""
        if layer.data.shape != values.shape:
            layer.data = values
            return
        # Other data, of whatever shape, make napari measure all layers anew.
        layer.data[...] = values
        layer.refresh(extent=False)

    def _added(
        self, values: NDArray[np.uint8], affine: NDArray[np.float64], image: Image
    ) -> Labels:
        layer = Labels(
            values,
            name=self._name,
            affine=affine,
            opacity=1.0 if self._contour else 0.5,
            colormap=DirectLabelColormap(
                color_dict={None: "transparent", 0: "transparent", 1: self._colour}
            ),
            metadata={TAG: "preview"},
            units=image.units,
            axis_labels=image.axis_labels,
        )
        layer.contour = self._contour
        layer.editable = False
        layer.visible = not self._hidden
        selected = set(self._layers.selection)
        # Below the clicks, which are on top, and above everything else.
        self._layers.insert(max(0, len(self._layers) - 1), layer)
        self._layers.selection = selected
        return layer


def _patch_shape(mask: Patch, plane: LayerPlane, ndim: int) -> tuple[int, ...]:
    """The patch's shape with one pixel along the axes that are not on the plane."""
    shape = [1] * ndim
    for axis, side in zip(plane.axes, mask.window.shape, strict=True):
        shape[axis] = side
    return tuple(shape)


def _data_to_world(image: Image, origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """The image's own affine matrix, counted from `origin` in its data, (ndim + 1) squared."""
    start = np.asarray(image.data_to_world(origin), float)
    matrix = np.eye(image.ndim + 1)
    matrix[:-1, -1] = start
    for axis, unit in enumerate(np.eye(image.ndim)):
        matrix[:-1, axis] = np.asarray(image.data_to_world(origin + unit), float) - start
    return matrix
