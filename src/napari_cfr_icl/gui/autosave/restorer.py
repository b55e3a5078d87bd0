"""Restoring of an event log into the viewer: labels, clicks, the current object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.autosave.event_log import EventLog, LabelsRecord
from napari_cfr_icl.autosave.records import ObjectRecord
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.layers.click_layer import TAG
from napari_cfr_icl.gui.layers.placement import transform_of
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.session import Session

Arrays = list[NDArray[Any] | None]
"""Content of each label image of a log; None where it is kept elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class RestoredLabels:
    """The label images of a log, unpacked.

    Parameters
    ----------
    starts, arrays : list of ndarray or None
        Content of each before the first step, and after the last.
    free : napari.layers.Labels or None
        A layer that one of them can replace, because it holds nothing else.
    """

    starts: Arrays
    arrays: Arrays
    free: Labels | None

    def is_free(self, layer: Labels) -> bool:
        """True for a layer that is empty, or as the log begins or ends: folder mode saves it."""
        if not isinstance(layer.data, np.ndarray):
            return False
        known = (array for array in (*self.starts, *self.arrays) if array is not None)
        return not layer.data.any() or any(np.array_equal(layer.data, array) for array in known)


def unpack_labels(log: EventLog, layer: Labels | None) -> RestoredLabels:
    """Unpack the label images of a log, and compare the chosen layer. Can take a while."""
    starts = [labels.start.labels for labels in log.labels]
    arrays = [
        None if start is None else log.changed_labels(number, start.copy())
        for number, start in enumerate(starts)
    ]
    found = RestoredLabels(starts, arrays, layer)
    return found if layer is not None and found.is_free(layer) else replace(found, free=None)


def _main_labels(log: EventLog, chosen: Labels | None) -> int | None:
    """Number of the labels that new objects went into, probably."""
    changed = sorted(log.changed)
    every = [*changed, *range(len(log.labels))]
    named = (n for n in every if chosen is not None and log.labels[n].name == chosen.name)
    return next(named, changed[0] if changed else None)


class Restorer:
    """Restores an event log on the image that is shown.

    Parameters
    ----------
    session : Session
        The session.
    workspace : Workspace
        Its layers.
    choose_labels : callable
        Chooses a labels layer in the dock.
    """

    def __init__(
        self, session: Session, workspace: Workspace, choose_labels: Callable[[Labels], None]
    ) -> None:
        self._session = session
        self._workspace = workspace
        self._choose_labels = choose_labels

    def place_labels(self, log: EventLog, found: RestoredLabels, image: Image) -> list[Labels]:
        """A layer for each label image; the main one replaces a free one.

        The free one is left unchanged if it was drawn into meanwhile.

        Raises
        ------
        InputError
            When one was not kept and is not open. Nothing was changed then.
        """
        outside = {
            number: self._open_layer(record)
            for number, (record, array) in enumerate(zip(log.labels, found.arrays, strict=True))
            if array is None
        }
        main = _main_labels(log, self._workspace.labels)
        layers: list[Labels] = []
        for number, (record, array) in enumerate(zip(log.labels, found.arrays, strict=True)):
            if array is None:
                layer = outside[number]
                log.changed_labels(number, layer.data)
                layer.refresh()
            elif found.free is not None and number == main and self._can_hold(found, array):
                layer = found.free
                layer.data = array
            else:
                layer = self._add(record, array, image)
            layers.append(layer)
        if main is not None and layers[main] is not self._workspace.labels:
            self._choose_labels(layers[main])
            self._workspace.use_labels(layers[main])
        return layers

    def resume(self, made: ObjectRecord, image: Image, layers: list[Labels]) -> None:
        """Make the object that was under way the current one; its mask is predicted again.

        Parameters
        ----------
        made : ObjectRecord
            The object.
        image : napari.layers.Image
            Its image.
        layers : list of napari.layers.Labels
            The log's labels, in their order; the object returns to those that it came from.
        """
        # An object that was begun meanwhile is another one; undo brings it back.
        self._session.drop()
        rows, cols = made.axes
        shape = data_shape(image)
        plane = LayerPlane((rows, cols), made.index, (shape[rows], shape[cols]))
        self._workspace.reveal(plane)
        every = [self._begun(one, plane, layers) for one in (*made.others, made)]
        self._session.take(reduce(ObjectState.and_another, every))
        self._workspace.select_clicks()

    def _begun(self, made: ObjectRecord, plane: LayerPlane, layers: list[Labels]) -> ObjectState:
        origin = None if made.labels is None else self._workspace.store(plane, layers[made.labels])
        begun = ObjectState(base=made.base, written=made.written, label=made.label, origin=origin)
        return begun.with_clicks(made.clicks, self._workspace.scene(plane), made.view)

    def _can_hold(self, found: RestoredLabels, array: NDArray[Any]) -> bool:
        # It was free then, but the user may have continued since.
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
