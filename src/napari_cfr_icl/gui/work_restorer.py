"""Puts work that was kept back into the viewer: labels, clicks, the current object."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.gui.click_layer import TAG, transform_of
from napari_cfr_icl.gui.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.screen import Screen
from napari_cfr_icl.session.records import ObjectRecord
from napari_cfr_icl.session.work import LabelsRecord, Work

Arrays = list[NDArray[Any] | None]
"""What each label image of a work holds; None where that is kept elsewhere."""


def labels_of(work: Work, layer: Labels | None) -> tuple[Arrays, bool]:
    """The label images of a work, and whether the layer is still empty. Takes its time."""
    arrays = [work.final_labels(number) for number in range(len(work.labels))]
    is_empty = layer is not None and isinstance(layer.data, np.ndarray) and not layer.data.any()
    return arrays, is_empty


class Restorer:
    """Restores work on the image that is shown.

    Parameters
    ----------
    screen : Screen
        What is shown.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._workspace = screen.workspace

    def place_labels(
        self, work: Work, arrays: Arrays, image: Image, empty: Labels | None
    ) -> list[Labels]:
        """Have a layer for each label image; the first takes the place of an empty one.

        Raises
        ------
        InputError
            When one was not kept and is not open. Nothing was changed then.
        """
        outside = {
            number: self._open_layer(record)
            for number, (record, array) in enumerate(zip(work.labels, arrays, strict=True))
            if array is None
        }
        layers: list[Labels] = []
        for number, (record, array) in enumerate(zip(work.labels, arrays, strict=True)):
            if array is None:
                layer = outside[number]
                for operation in work.operations:
                    if operation.labels == number:
                        operation.change.apply(layer.data)
                layer.refresh()
            elif empty is not None and data_shape(empty) == array.shape:
                layer, empty = empty, None
                layer.data = array
            else:
                layer = self._add(record, array, image)
            layers.append(layer)
        if layers and layers[0] is not self._workspace.labels:
            self._screen.dock.labels.choose(layers[0])
            self._workspace.use_labels(layers[0])
        return layers

    def resume(self, made: ObjectRecord, image: Image) -> None:
        """Make the object that was under way the current one; its mask is predicted anew."""
        rows, cols = made.axes
        shape = data_shape(image)
        plane = LayerPlane((rows, cols), made.index, (shape[rows], shape[cols]))
        self._workspace.reveal(plane)
        if made.base is not None:
            mask = Patch(
                made.base.values.astype(np.float32), made.base.window, made.base.image_shape
            )
            self._screen.session.start_from(mask, made.label, self._workspace.scene(plane))
        if made.clicks and self._workspace.clicks is not None:
            # As if the user had put them there.
            self._workspace.clicks.show(made.clicks, image, plane)
            self._workspace.clicks_changed.emit()
        self._workspace.select_clicks()

    def _add(self, record: LabelsRecord, array: NDArray[Any], image: Image) -> Labels:
        placed = transform_of(image) if array.shape == data_shape(image) else {}
        layer = Labels(array, name=record.name, metadata={TAG: "objects"}, **placed)
        layers = self._workspace.viewer.layers
        layers.insert(layers.index(image) + 1, layer)
        return layer

    def _open_layer(self, record: LabelsRecord) -> Labels:
        for layer in self._workspace.viewer.layers:
            fits = isinstance(layer, Labels) and not layer.multiscale
            if fits and layer.name == record.name and data_shape(layer) == record.shape:
                return layer
        raise InputError(
            f"The labels layer {record.name!r} keeps itself outside napari: open it first."
        )
