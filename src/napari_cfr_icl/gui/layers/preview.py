"""The preview of the current object, in a small layer of its own.

The layer covers a part of the plane and is moved to the mask: the cost is the same on an image of
any size, and the pixels of finished objects are not touched before the user writes the object.
"""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap, label_colormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from psygnal import Signal

from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.layers.click_layer import TAG
from napari_cfr_icl.gui.layers.napari_private import skip_extent, values_of
from napari_cfr_icl.gui.layers.placement import data_to_world, place_at
from napari_cfr_icl.gui.layers.planes import LayerPlane

NAME = "current object"
COLOUR = "#00b7ff"

COLOURS, LEAST_DIFFERENCE = 49, 0.6
"""Colours of napari's labels, and how far, summed over red, green and blue, ours are from blue."""

ROOM = 2048
"""Rows and columns that the layer covers, unless a mask is larger: to move it takes napari longer
than to fill it."""


class Preview:
    """Shows the mask of the current object, and takes what the user paints there.

    `painted` is emitted when napari's brush, eraser, bucket or polygon changed the layer.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layer is put when there is something to show.
    name, colour : str
        Of the layer.
    contour : int
        Width of an outline, which cannot be painted on; 0 fills the mask.
    """

    painted = Signal()

    def __init__(
        self, viewer: napari.Viewer, name: str = NAME, colour: str = COLOUR, contour: int = 0
    ) -> None:
        self._viewer = viewer
        self._name = name
        self._colour = colour
        self._contour = contour
        self._layer: Labels | None = None
        self._shown: Patch | None = None
        self._room = Window(0, 0, 1, 1)
        self._plane: LayerPlane | None = None
        self._hidden = False

    @property
    def layer(self) -> Labels | None:
        """The layer, if there is one at the moment."""
        return self._layer if self._layer in self._viewer.layers else None

    @property
    def mask(self) -> tuple[Patch, LayerPlane] | None:
        """The layer's pixels as they are now, and their plane."""
        layer, plane = self.layer, self._plane
        if layer is None or plane is None:
            return None
        found = Patch(layer.data.reshape(self._room.shape) != 0, self._room, plane.shape)
        bounds = found.bounds() or Window(self._room.top, self._room.left, 1, 1)
        return Patch(found.read(bounds), bounds, plane.shape), plane

    def owns(self, layer: Layer) -> bool:
        """True for the preview, also right after its removal."""
        return layer is self._layer

    def show(self, mask: Patch, image: Image, plane: LayerPlane) -> None:
        """Show `mask` where it lies on `plane` of `image`."""
        if mask is self._shown and self.layer is not None:
            return
        layer = self.layer
        if layer is None or layer.ndim != image.ndim:
            self.remove()
            self._layer = self._added(self._room_for(mask.window, plane), image, plane)
            layer = self._layer
        elif self._contour or not self._is_in_place(layer, mask.window, image.ndim, plane):
            # Nothing is drawn in between: the old mask does not flash up in the new place.
            self._move(layer, self._room_for(mask.window, plane), image, plane)
        self._shown = mask
        shown = layer.data.reshape(self._room.shape)
        shown[...] = 0
        shown[mask.window.relative_to(self._room).slices] = mask.values
        layer.refresh(extent=False)

    def _on_paint(self, event: Any) -> None:
        self._shown = None
        if self.layer is not None:
            # Of what a script paints, napari tells before it is there.
            for atom in event.value:
                _paint(self.layer.data, atom)
        self.painted.emit()

    def move_to(self, view: Window, image: Image, plane: LayerPlane) -> None:
        """Have the empty layer cover where the user looks, to be painted on."""
        if self.layer is not None and (
            plane != self._plane or view.intersection(self._room) != view
        ):
            self._move(self.layer, self._room_for(view, plane), image, plane)

    def prepare(self, image: Image, plane: LayerPlane | None) -> None:
        """Add an empty layer in advance: napari takes longer for it than a first mask should."""
        self.remove()
        if plane is not None:
            rows, cols = plane.shape
            middle = Window(rows // 2, cols // 2, 1, 1)
            self._layer = self._added(self._room_for(middle, plane), image, plane)

    def realign(self, image: Image) -> None:
        """Move the layer to the place of the image, whose transform has changed."""
        if self.layer is not None and self._plane is not None and self.layer.ndim == image.ndim:
            origin = self._plane.coordinates(self._room.top, self._room.left)
            place_at(self.layer, data_to_world(image, origin), image.units)

    def clear(self) -> None:
        """Show nothing."""
        self._shown = None
        layer = self.layer
        if layer is not None and layer.data.any():
            layer.data[...] = 0
            layer.refresh(extent=False)

    def remove(self) -> None:
        """Show nothing, and take the layer away."""
        layer, self._layer, self._shown = self.layer, None, None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def set_hidden(self, hidden: bool) -> None:
        """Hide or show the mask."""
        self._hidden = hidden
        if self.layer is not None:
            self.layer.visible = not hidden

    def _room_for(self, mask: Window, plane: LayerPlane) -> Window:
        """The part of the plane around a mask that the layer is to cover."""
        if self._contour:  # napari looks for outlines everywhere in a layer
            return mask
        (top, height), (left, width) = (
            _stretch(*side)
            for side in zip((mask.top, mask.left), mask.shape, plane.shape, strict=True)
        )
        return Window(top, left, height, width)

    def _is_in_place(self, layer: Labels, mask: Window, ndim: int, plane: LayerPlane) -> bool:
        """True where the layer covers a mask already; it was realigned when the image moved."""
        room = self._room
        return (
            mask.intersection(room) == mask
            and plane == self._plane
            and room.shape == self._room_for(mask, plane).shape
            and layer.data.shape == room_shape(room, plane, ndim)
        )

    def _move(self, layer: Labels, room: Window, image: Image, plane: LayerPlane) -> None:
        """Move the layer to another part of the plane, or to another plane."""
        self._room, self._plane = room, plane
        self.realign(image)
        shape = room_shape(room, plane, image.ndim)
        if layer.data.shape != shape:
            layer.data = np.zeros(shape, np.uint8)

    def _added(self, room: Window, image: Image, plane: LayerPlane) -> Labels:
        self._room, self._plane = room, plane
        layer = Labels(
            np.zeros(room_shape(room, plane, image.ndim), np.uint8),
            name=self._name,
            affine=data_to_world(image, plane.coordinates(room.top, room.left)),
            opacity=1.0 if self._contour else 0.5,
            colormap=DirectLabelColormap(
                color_dict={None: "transparent", 0: "transparent", 1: self._colour}
            ),
            metadata={TAG: "preview"},
            units=image.units,
            axis_labels=image.axis_labels,
        )
        layer.contour = self._contour
        layer.editable = not self._contour
        layer.events.paint.connect(self._on_paint)
        layer.visible = not self._hidden
        layers = self._viewer.layers
        selected = set(layers.selection)
        # Below the clicks, which are on top, and above everything else.
        layers.insert(max(0, len(layers) - 1), layer)
        layers.selection = selected
        skip_extent(self._viewer, layer)
        return layer


def _paint(data: NDArray[Any], atom: Any) -> None:
    """Make a change of napari's history, unless it has been made."""
    _, after = values_of(atom)
    if not hasattr(atom, "slice_key"):
        data[atom[0]] = after
    elif atom.mask is None:
        data[atom.slice_key] = after
    else:
        data[atom.slice_key][atom.mask] = after


def _stretch(start: int, side: int, limit: int) -> tuple[int, int]:
    """Start and length of a side with `ROOM` around it, within `limit`."""
    length = min(limit, max(side, ROOM))
    return max(0, min(start + side // 2 - length // 2, limit - length)), length


def room_shape(room: Window, plane: LayerPlane, ndim: int) -> tuple[int, ...]:
    """The window's shape with one pixel along the axes that are not on the plane."""
    shape = [1] * ndim
    for axis, side in zip(plane.axes, room.shape, strict=True):
        shape[axis] = side
    return tuple(shape)


def unlike_preview() -> CyclicLabelColormap:
    """Napari's colours of labels without those that look like the current object's."""
    colours = np.asarray(label_colormap(COLOURS).colors)
    blue = transform_color(COLOUR)[0]
    unlike = np.abs(colours[:, :3] - blue[:3]).sum(axis=1) > LEAST_DIFFERENCE
    unlike[0] = True  # the background
    return CyclicLabelColormap(colours[unlike], name="label_colormap")
