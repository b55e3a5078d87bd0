"""G: an object of any labels layer becomes the current one, to be corrected with clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import napari
import numpy as np
from napari.layers import Labels

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.layers.click_layer import is_objects
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.layers.planes import LayerPlane, shown_plane
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.session.labels import object_around

FIRST_LOOK = 256
"""Side in pixels of what is read first around the mouse on a large plane."""


class ObjectPicker:
    """Takes the object under the mouse out of a labels layer.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are looked through.
    screen : Presenter
        Knows the workspace and the session, and says what was refused.
    write : callable
        Writes the current object, because the user goes on to another.
    """

    def __init__(self, viewer: napari.Viewer, screen: Presenter, write: Callable[[], None]) -> None:
        self._viewer = viewer
        self._screen = screen
        self._session = screen.session
        self._workspace = screen.workspace
        self._write = write

    def grab(self, world: Sequence[float]) -> None:
        """Take the object at a place of the world.

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
            self._screen.refuse(messages.NO_PLANE)
            return
        found = self._find(world)
        if found is None:
            self._screen.refuse(messages.NOTHING_TO_GRAB)
            return
        layer, label, place = found
        store = self._workspace.store(plane, layer)
        if not store.shares_pixels:
            raise MaskError(
                f"The pixels of the labels layer {layer.name!r} are not those of the image "
                f"{image.name!r} (shapes {_sides(store.shape)} and {_sides(plane.shape)}); "
                "an object can be corrected only where they coincide."
            )
        if not self._is_current(layer, label) and self._makes_way():
            self._start(store, label, place, plane)

    def _find(self, world: Sequence[float]) -> tuple[Labels, int, tuple[int, int]] | None:
        """The layer that has an object there, the object's id, and (row, column) on the layer."""
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
        return same_layer and state.label == label and self._screen.is_on_screen(state)

    def _makes_way(self) -> bool:
        """Finish the current object; whether another can be taken."""
        if self._session.state.is_waiting:
            self._screen.refuse(messages.STILL_WAITING)
            return False
        self._write()
        return self._session.state.is_empty

    def _start(
        self, store: LabelStore, label: int, place: tuple[int, int], plane: LayerPlane
    ) -> None:
        half = FIRST_LOOK // 2
        around = Window(place[0] - half, place[1] - half, FIRST_LOOK, FIRST_LOOK)
        mask = object_around(store, label, around)
        if mask is not None:
            scene = self._workspace.scene(plane)
            self._session.start_from(store.to_image(mask), label, scene, store)


def _value(layer: Labels, plane: LayerPlane, row: int, col: int) -> int:
    data = layer.data[0] if layer.multiscale else layer.data
    index = tuple(int(i) for i in plane.coordinates(row, col))
    return int(np.asarray(data[index]))


def _sides(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
