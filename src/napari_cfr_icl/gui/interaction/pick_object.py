"""Finished objects under the mouse: picked to be corrected, joined, split, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from napari.layers import Image, Labels

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.layers.click_layer import is_objects
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.planes import LayerPlane, shown_plane
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.session.finished import deleted, joined, split
from napari_cfr_icl.session.labels import object_around
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.session import Session

FIRST_LOOK = 256
"""Side in pixels of the window that is read first around the mouse on a large plane."""


class ObjectPicker:
    """Makes the object under the mouse the current one.

    Parameters
    ----------
    session : Session
        Receives the object.
    workspace : Workspace
        The layers.
    presenter : Presenter
        Says why nothing was picked.
    write : callable
        Writes the current object, because the user goes on to another.
    """

    def __init__(
        self,
        session: Session,
        workspace: Workspace,
        presenter: Presenter,
        write: Callable[[], None],
    ) -> None:
        self._session = session
        self._workspace = workspace
        self._viewer = workspace.viewer
        self._presenter = presenter
        self._refuse = presenter.refuse
        self._write = write

    def pick(self, world: Sequence[float]) -> None:
        """Pick the object at a point in world coordinates.

        The chosen labels layer comes first, then all visible ones from the topmost down.

        Raises
        ------
        MaskError
            When the layer's pixels are not the image's.
        OutputError
            When the layer could not be written again.
        """
        image, plane = self._workspace.image, self._workspace.plane
        if image is None or plane is None:
            self._refuse(messages.NO_PLANE)
            return
        found = self._find(world)
        if found is None:
            self._refuse(messages.NOTHING_TO_GRAB)
            return
        store = self._store_of(found[0], image, plane)
        if self._is_current(*found[:2]) or not self._makes_way():
            return
        picked = self._picked(store, *found[1:], plane)
        if picked is not None:
            self._session.take(picked)

    def join(self, world: Sequence[float]) -> None:
        """Join the object at a point in world coordinates to the current one; raises as `pick`."""
        image, plane, state = self._workspace.image, self._workspace.plane, self._session.state
        found = self._find(world)
        if image is None or plane is None or found is None:
            self._refuse(messages.NOTHING_TO_GRAB)
        elif state.is_waiting or (not state.is_empty and not self._workspace.is_on_screen(state)):
            self._refuse(messages.STILL_WAITING if state.is_waiting else messages.AWAY)
        elif isinstance(state.origin, LabelStore) and state.origin.layer is not found[0]:
            self._refuse(messages.OTHER_LABELS)
        elif not self._is_current(*found[:2]):
            picked = self._picked(self._store_of(found[0], image, plane), *found[1:], plane)
            if picked is not None:
                self._session.take(*joined(state, self._session.mask, picked))

    def delete(self, world: Sequence[float]) -> None:
        """Delete the current object, or the one at a point in world coordinates, from its labels.

        Raises
        ------
        MaskError
            When the current object is a new one.
        """
        if self._session.state.is_empty:
            self.pick(world)
        if not self._session.state.is_empty:
            self._session.take(*deleted(self._session.state))

    def split(self) -> None:
        """Split the current object; raises MaskError where it does not fall into parts."""
        if self._session.state.is_waiting:
            self._refuse(messages.STILL_WAITING)
            return
        state, edits = split(self._session.state, self._session.mask)
        self._session.take(state, edits)
        self._presenter.insist(messages.split(1 + len(edits)))

    def _store_of(self, layer: Labels, image: Image, plane: LayerPlane) -> LabelStore:
        """The plane of a labels layer, whose pixels must be the image's."""
        store = self._workspace.store(plane, layer)
        if not store.shares_pixels:
            raise MaskError(
                f"The pixels of the labels layer {layer.name!r} are not those of the image "
                f"{image.name!r} (shapes {_sides(store.shape)} and {_sides(plane.shape)}); "
                "an object can be corrected only where they coincide."
            )
        return store

    def _picked(
        self, store: LabelStore, label: int, place: tuple[int, int], plane: LayerPlane
    ) -> ObjectState | None:
        """An object of the labels as the current one; None if it has gone meanwhile."""
        half = FIRST_LOOK // 2
        around = Window(place[0] - half, place[1] - half, FIRST_LOOK, FIRST_LOOK)
        mask = object_around(store, label, around)
        if mask is None:
            return None
        scene = self._workspace.scene(plane)
        return ObjectState(scene, base=store.to_image(mask), label=label, origin=store)

    def _find(self, world: Sequence[float]) -> tuple[Labels, int, tuple[int, int]] | None:
        """The layer with an object at that point, the object's id, and its (row, column)."""
        for layer in self._candidates():
            own = shown_plane(layer, self._viewer.dims)
            where = None if own is None else own.at(layer.world_to_data(world))
            if own is None or where is None:
                continue
            row, col = round(where[0]), round(where[1])
            if not (0 <= row < own.shape[0] and 0 <= col < own.shape[1]):
                continue
            label = _value(layer, own, row, col)
            if label != 0:
                return layer, label, (row, col)
        return None

    def _candidates(self) -> Iterator[Labels]:
        chosen = self._workspace.labels
        if chosen is not None:
            yield chosen
        for layer in reversed(self._viewer.layers):
            if is_objects(layer) and layer.visible and layer is not chosen:
                yield layer

    def _is_current(self, layer: Labels, label: int) -> bool:
        state = self._session.state
        origin = state.origin
        same_layer = isinstance(origin, LabelStore) and origin.layer is layer
        return same_layer and state.label == label and self._workspace.is_on_screen(state)

    def _makes_way(self) -> bool:
        """Write the current object; true if another can be picked now."""
        if self._session.state.is_waiting:
            self._refuse(messages.STILL_WAITING)
            return False
        self._write()
        return self._session.state.is_empty


def _value(layer: Labels, plane: LayerPlane, row: int, col: int) -> int:
    data = layer.data[0] if layer.multiscale else layer.data
    index = tuple(int(i) for i in plane.coordinates(row, col))
    return int(np.asarray(data[index]))


def _sides(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
