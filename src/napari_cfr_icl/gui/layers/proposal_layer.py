"""Outlines of proposals, in a layer of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_cfr_icl.engine.windows import Patch, enclosing
from napari_cfr_icl.gui.layers.click_layer import TAG
from napari_cfr_icl.gui.layers.placement import data_to_world
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.layers.preview import room_shape

NAME = "proposals"

WIDTH = 2
"""Width of the outlines in pixels of the image."""


class ProposalLayer:
    """Shows masks as outlines, each in its colour. Nothing can be painted on it.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layer is put when there is something to show.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None

    @property
    def layer(self) -> Labels | None:
        """The layer, if there is one at the moment."""
        return self._layer if self._layer in self._viewer.layers else None

    def show(
        self, masks: Sequence[Patch], colours: Sequence[Any], image: Image, plane: LayerPlane
    ) -> None:
        """Show the masks where they lie on `plane` of `image`; none takes the layer away."""
        if not masks:
            self.remove()
            return
        room = enclosing([mask.window for mask in masks])
        ids = np.zeros(room.shape, np.uint16)
        for number, mask in enumerate(masks, start=1):
            ids[mask.window.relative_to(room).slices][mask.values] = number
        layer = self.layer
        if layer is None:
            layer = self._layer = self._added(image)
        table: dict[int | None, Any] = dict(enumerate(colours, start=1))
        table |= {None: "transparent", 0: "transparent"}
        layer.colormap = DirectLabelColormap(color_dict=table)
        layer.data = ids.reshape(room_shape(room, plane, image.ndim))
        layer.affine = data_to_world(image, plane.coordinates(room.top, room.left))

    def remove(self) -> None:
        """Take the layer away."""
        layer, self._layer = self.layer, None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _added(self, image: Image) -> Labels:
        layer = Labels(
            np.zeros((1,) * image.ndim, np.uint16),
            name=NAME,
            opacity=1.0,
            metadata={TAG: "preview"},
            units=image.units,
            axis_labels=image.axis_labels,
        )
        layer.contour = WIDTH
        layer.editable = False
        layers = self._viewer.layers
        selected = set(layers.selection)
        # Below the clicks, which are on top.
        layers.insert(max(0, len(layers) - 1), layer)
        layers.selection = selected
        return layer
