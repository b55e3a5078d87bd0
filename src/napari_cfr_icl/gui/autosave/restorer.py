"""Puts work that was kept back into the viewer: labels, clicks, the current object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.autosave.event_log import EventLog, LabelsRecord
from napari_cfr_icl.autosave.records import ObjectRecord
from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.layers.click_layer import TAG, transform_of
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape

Arrays = list[NDArray[Any] | None]
"""What each label image of a work holds; None where that is kept elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The label images of a work, unpacked.

    Parameters
    ----------
    starts, arrays : list of ndarray or None
        What each held before the work, and holds after it.
    free : napari.layers.Labels or None
        The layer that one of them can take the place of, because it holds nothing else.
    """

    starts: Arrays
    arrays: Arrays
    free: Labels | None

    def is_free(self, layer: Labels) -> bool:
        """Whether a layer is empty, or as the work found it or left it: a folder keeps labels."""
        if not isinstance(layer.data, np.ndarray):
            return False
        known = (array for array in (*self.starts, *self.arrays) if array is not None)
        return not layer.data.any() or any(np.array_equal(layer.data, array) for array in known)


def labels_of(work: EventLog, layer: Labels | None) -> Found:
    """Unpack the label images of a work, and look at the chosen layer. Takes its time."""
    starts = [labels.start.labels for labels in work.labels]
    found = Found(starts, [work.final_labels(number) for number in range(len(starts))], layer)
    return found if layer is not None and found.is_free(layer) else replace(found, free=None)


def _main_labels(work: EventLog, chosen: Labels | None) -> int | None:
    """Number of the labels that new objects went into, as far as that can be told."""
    changed = sorted({operation.labels for operation in work.operations})
    every = [*changed, *range(len(work.labels))]
    named = (n for n in every if chosen is not None and work.labels[n].name == chosen.name)
    return next(named, changed[0] if changed else None)


class Restorer:
    """Restores work on the image that is shown.

    Parameters
    ----------
    screen : Presenter
        What is shown.
    """

    def __init__(self, screen: Presenter) -> None:
        self._screen = screen
        self._workspace = screen.workspace

    def place_labels(self, work: EventLog, found: Found, image: Image) -> list[Labels]:
        """Have a layer for each label image; the main one takes the place of a free one.

        The free one is left as it is where something has been drawn into it by now.

        Raises
        ------
        InputError
            When one was not kept and is not open. Nothing was changed then.
        """
        outside = {
            number: self._open_layer(record)
            for number, (record, array) in enumerate(zip(work.labels, found.arrays, strict=True))
            if array is None
        }
        main = _main_labels(work, self._workspace.labels)
        layers: list[Labels] = []
        for number, (record, array) in enumerate(zip(work.labels, found.arrays, strict=True)):
            if array is None:
                layer = outside[number]
                for operation in work.operations:
                    if operation.labels == number:
                        operation.change.apply(layer.data)
                layer.refresh()
            elif found.free is not None and number == main and self._can_hold(found, array):
                layer = found.free
                layer.data = array
            else:
                layer = self._add(record, array, image)
            layers.append(layer)
        if main is not None and layers[main] is not self._workspace.labels:
            self._screen.dock.labels.choose(layers[main])
            self._workspace.use_labels(layers[main])
        return layers

    def resume(self, made: ObjectRecord, image: Image, layers: list[Labels]) -> None:
        """Make the object that was under way the current one; its mask is predicted anew.

        Parameters
        ----------
        made : ObjectRecord
            The object.
        image : napari.layers.Image
            Its image.
        layers : list of napari.layers.Labels
            The work's labels, in their order; the object goes back to those that it came from.
        """
        # The clicks of one that was begun meanwhile are another's; undo brings it back.
        self._screen.session.drop()
        rows, cols = made.axes
        shape = data_shape(image)
        plane = LayerPlane((rows, cols), made.index, (shape[rows], shape[cols]))
        self._workspace.reveal(plane)
        if made.base is not None:
            mask = Patch(
                made.base.values.astype(np.float32), made.base.window, made.base.image_shape
            )
            origin = (
                None if made.labels is None else self._workspace.store(plane, layers[made.labels])
            )
            scene = self._workspace.scene(plane)
            self._screen.session.start_from(mask, made.label, scene, origin)
        if made.clicks and self._workspace.clicks is not None:
            # As if the user had put them there.
            self._workspace.clicks.show(made.clicks, image, plane)
            self._workspace.clicks_changed.emit()
        self._workspace.select_clicks()

    def _can_hold(self, found: Found, array: NDArray[Any]) -> bool:
        # It was free when that was looked at, but the user may have gone on since.
        layer = found.free
        there = layer is not None and layer in self._workspace.viewer.layers
        return there and data_shape(layer) == array.shape and found.is_free(layer)

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
