"""The layers of a dock: the image, the clicks, the labels and the preview of the current object."""

from __future__ import annotations

from contextlib import suppress

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.interaction.bindings import Keys, MouseMode
from napari_cfr_icl.gui.interaction.click_tool import ClickTool
from napari_cfr_icl.gui.layers.channels import ChannelWatch, cover_of
from napari_cfr_icl.gui.layers.click_layer import ClickLayer
from napari_cfr_icl.gui.layers.id_images import IdImages
from napari_cfr_icl.gui.layers.label_target import LabelStore, LabelTarget
from napari_cfr_icl.gui.layers.napari_private import RemovalGuard
from napari_cfr_icl.gui.layers.new_labels import (
    empty_labels,
    is_drawable,
    part_around,
    part_reaches,
)
from napari_cfr_icl.gui.layers.placement import Placement, copy_transform
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape, plane_through, shown_part
from napari_cfr_icl.gui.layers.preview import Preview
from napari_cfr_icl.gui.layers.projection import slab_of
from napari_cfr_icl.gui.layers.scenes import scene_of
from napari_cfr_icl.session.objects import ObjectState, Scene


class Workspace:
    """The layers of one dock. Adds those that are missing, and releases all at `close`.

    `clicks_changed` is emitted with all points when the user changed them, `image_changed` when the
    image is rendered differently or has other data, `image_moved` (with the labels layers that
    followed it) when its transform was changed, `labels_changed` when the chosen labels are others
    or are drawn anew, `tool_changed` when another layer or tool was chosen or layers rearranged.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    keys : Keys
        Bound on every layer of ours.
    mode : MouseMode
        The meaning of the next press on the clicks layer.

    Attributes
    ----------
    image : napari.layers.Image or None
        The image to segment.
    labels : napari.layers.Labels or None
        The layer that new objects are written into.
    """

    clicks_changed = Signal(list)
    image_changed = Signal()
    image_moved = Signal(list)
    labels_changed = Signal()
    tool_changed = Signal()

    def __init__(self, viewer: napari.Viewer, keys: Keys, mode: MouseMode) -> None:
        self.viewer = viewer
        self.image: Image | None = None
        self.labels: Labels | None = None
        self.preview = Preview(viewer)
        self._shape: tuple[int, ...] = ()
        self._keys = keys
        self._ids = IdImages()
        self._targets: dict[str, LabelTarget] = {}
        self._store: tuple[object, LabelStore | None] = None, None
        self._tool = ClickTool(viewer, keys, mode, self.clicks_changed)
        # Never their `emit` itself: psygnal calls it while it is connected.
        self._tool.mode_changed.connect(self._on_tool_changed)
        self._channels = ChannelWatch(viewer.layers)
        self._channels.changed.connect(self._on_channels_changed)
        self._channels.arranged.connect(self._on_tool_changed)
        self._placement = Placement(self._on_moved, self._on_image_settled)
        self._removals = RemovalGuard(viewer)
        viewer.layers.selection.events.active.connect(self._on_tool_changed)
        # Napari 0.9 moved it.
        self._grid = getattr(viewer, "canvas", viewer).grid
        self._grid.events.enabled.connect(self._on_tool_changed)
        self._grid.events.stride.connect(self._on_tool_changed)

    @property
    def clicks(self) -> ClickLayer | None:
        """The clicks, while there is an image."""
        return self._tool.clicks

    @property
    def fits_image(self) -> bool:
        """True if the image still has the shape that the layers here were made for."""
        return self.image is None or data_shape(self.image) == self._shape

    @property
    def is_in_grid(self) -> bool:
        """True if napari draws the layers in several cells, and so the mask beside its image."""
        return bool(self._grid.enabled) and abs(self._grid.stride) < len(self.viewer.layers)

    @property
    def takes_clicks(self) -> bool:
        """True if a press on the canvas is a click."""
        return self._tool.is_active

    @property
    def takes_paint(self) -> bool:
        """True if the mask of the current object is the layer that the mouse acts on."""
        active = self.viewer.layers.selection.active
        return active is not None and active is self.preview.layer

    @property
    def plane(self) -> LayerPlane | None:
        """The plane of the image that is on the screen."""
        return self._shown[0]

    def plane_through(self, place: NDArray[np.float64]) -> LayerPlane | None:
        """The plane with the axes on the screen through a point in data coordinates."""
        plane = self.plane
        if self.image is None or plane is None:
            return None
        return plane_through(self.image, plane, place)

    @property
    def view(self) -> Window | None:
        """The part of that plane that is on the screen."""
        return self._shown[1]

    @property
    def _shown(self) -> tuple[LayerPlane | None, Window | None]:
        return (None, None) if self.image is None else shown_part(self.image, self.viewer.dims)

    def scene(self, plane: LayerPlane) -> Scene:
        """A plane of the image in the terms of the session."""
        if self.image is None:
            raise ValueError("there is no image")
        return scene_of(self.image, plane, self.channels, self.viewer.dims)

    @property
    def channels(self) -> list[Image]:
        """The layers that are rendered together, the image among them."""
        return [] if self.image is None else self._channels.together

    @property
    def projection(self) -> str:
        """Napari's name of the projection that is drawn; empty for a plane that is drawn alone."""
        plane = self.plane
        if self.image is None or plane is None:
            return ""
        slab = slab_of(self.image, plane, self.viewer.dims)
        return str(self.image.projection_mode) if slab else ""

    @property
    def cover(self) -> Image | None:
        """An image layer on top of the image that hides it."""
        return None if self.image is None else cover_of(self.image, self.viewer.layers)

    @property
    def label_image(self) -> tuple[Image, Image] | None:
        """An image of ids on another image, and that one; one of the two is worked on."""
        return None if self.image is None else self._ids.found(self.image, self.viewer.layers)

    def is_on_image(self, state: ObjectState) -> bool:
        """True if an object lies on the image."""
        if self.image is None or state.scene is None:
            return False
        return bool(state.scene.plane[0] == self.image.unique_id)

    def is_on_screen(self, state: ObjectState) -> bool:
        """True if an object lies on the plane on the screen."""
        return self.is_on_image(state) and plane_of(state) == self.plane

    def store(self, plane: LayerPlane, layer: Labels | None = None) -> LabelStore:
        """The labels that an object on `plane` of the image is written into.

        Parameters
        ----------
        plane : LayerPlane
            A plane of the image.
        layer : napari.layers.Labels, optional
            The layer; the chosen one by default.

        Raises
        ------
        OutputError
            When the labels layer does not reach there.
        """
        layer = layer or self.labels
        if self.image is None or layer is None:
            raise OutputError("Choose a labels layer for the objects first.")
        wanted, (known, store) = (self.image, plane, self.viewer.dims.point, layer), self._store
        if store is None or known != wanted or not store.is_there:
            self._placement.settle()
            store = self._target_of(layer).store_for(*wanted[:3])
            self._store = wanted, store
        return store

    def use_image(self, image: Image | None) -> None:
        """Segment another image; the clicks layer moves to its place."""
        self.image = image
        self._shape = () if image is None else data_shape(image)
        self._channels.watch(image)
        self.preview.remove()
        if image is None:
            self._tool.release()
        else:
            self._tool.place(image)
            self.preview.prepare(image, self.plane)
            self._bind_preview()
        self._watch_places()

    def use_labels(self, layer: Labels | None, highest: int | None = None) -> None:
        """Write objects into another layer; `highest` is its highest id, where that is known."""
        if self.labels is not None:
            self._keys.release([self.labels])
            self.labels.events.set_data.disconnect(self._on_labels_drawn)
            self.labels.events.labels_update.disconnect(self._on_labels_drawn)
        self.labels = layer
        if layer is not None:
            self._target_of(layer, highest)
            self._keys.bind([layer])
            # The last that napari tells of a change, and all of its own undo.
            for event in (layer.events.set_data, layer.events.labels_update):
                event.connect(self._on_labels_drawn)
        self.labels_changed.emit()
        self._watch_places()

    def make_labels(self, mask: Window | None = None) -> Labels | None:
        """Add an empty labels layer in the image's place, and write objects into it.

        On planes that are too large for napari it covers a part around a mask; None without one.

        Raises
        ------
        OutputError
            When there is no room for it.
        """
        if self.image is None:
            raise ValueError("there is no image")
        self.use_labels(None)
        plane = self.plane
        if plane is None or is_drawable(plane):
            layer = empty_labels(self.image)
        elif mask is not None:
            layer = empty_labels(self.image, plane, part_around(mask, plane))
        else:
            return None
        layers = self.viewer.layers
        layers.insert(layers.index(self.image) + 1, layer)
        self.use_labels(layer, highest=0)
        self.select_clicks()
        return layer

    def labels_reach(self, mask: Window | None) -> bool:
        """False for a mask outside labels of ours that cover a part of a huge plane."""
        layer, plane = self.labels, self.plane
        if self.image is None or layer is None or mask is None or plane is None:
            return True
        return part_reaches(layer, mask, self.image, plane)

    def select_clicks(self) -> None:
        """Make the clicks layer the one that the mouse acts on."""
        self._tool.select()

    def show_clicks(self, state: ObjectState) -> None:
        """Show the points of an object; none of one that is on another image."""
        if self.clicks is not None and self.image is not None and self.is_on_image(state):
            self.clicks.show(state.clicks, self.image, plane_of(state))
        elif self.clicks is not None:
            # Also without an image: the next one would take over what is left.
            self.clicks.clear()

    def show_mask(
        self, state: ObjectState, mask: Patch | None, *, protect: bool
    ) -> tuple[Patch, int] | None:
        """Show the mask of an object, without the pixels of others where they are protected.

        Returns those, and the id that has most of them, if any.
        """
        image, others = self.image, None
        if image is None or not self.is_on_image(state):
            self.preview.clear()
            return None
        plane = plane_of(state)
        # Labels that cannot take the object say so at W.
        with suppress(OutputError):
            # Without a mask too: it is found while the network computes.
            store = state.origin or self.store(plane)
            if mask is not None and protect and isinstance(store, LabelStore):
                others = store.others_in(mask, state.label)
        if mask is None:
            self.preview.clear()
            return None
        if others is not None:
            free = mask.values & ~others[0].read(mask.window)
            mask = Patch(free, mask.window, mask.image_shape)
        there = self.preview.layer
        self.preview.show(mask, image, plane)
        if self.preview.layer is not there:
            self._bind_preview()
            self._watch_places()
        return others

    def reveal(self, plane: LayerPlane) -> None:
        """Bring a plane of the image onto the screen."""
        if self.image is None:
            return
        world = self.image.data_to_world(plane.coordinates(0, 0))
        missing = self.viewer.dims.ndim - self.image.ndim
        for axis in range(self.image.ndim):
            if axis not in plane.axes:
                self.viewer.dims.set_point(axis + missing, float(world[axis]))

    def offer_canvas(self) -> None:
        """Have the empty mask cover what is on the screen, so that an object can be painted."""
        plane, view = self.plane, self.view
        if self.image is not None and plane is not None and view is not None:
            self.preview.move_to(view, self.image, plane)

    def forget(self, layer: Layer) -> None:
        """Release a layer that was removed; adds and removes none itself."""
        if self.labels is layer:
            self.use_labels(None)
        target = self._targets.pop(layer.unique_id, None)
        if target is not None:
            target.close()
        if self.clicks is not None and self.clicks.points is layer:
            self._tool.release()
        if self.image is layer:
            self.image = None
            self._channels.watch(None)
            self.preview.clear()
        self._watch_places()

    def close(self) -> None:
        """Release all layers; the preview is removed, the user's layers stay."""
        self.viewer.layers.selection.events.active.disconnect(self._on_tool_changed)
        self._grid.events.enabled.disconnect(self._on_tool_changed)
        self._grid.events.stride.disconnect(self._on_tool_changed)
        self.preview.remove()
        self.image = None
        self._channels.close()
        self._tool.release()
        self.use_labels(None)
        for target in self._targets.values():
            target.close()
        self._targets.clear()
        self._placement.watch(None, (), ())
        self._removals.close()

    def _target_of(self, layer: Labels, highest: int | None = None) -> LabelTarget:
        """The one target of a labels layer, so that no id is given twice."""
        if layer.unique_id not in self._targets:
            self._targets[layer.unique_id] = LabelTarget(layer, highest)
            self._watch_places()
        return self._targets[layer.unique_id]

    def _bind_preview(self) -> None:
        if self.preview.layer is not None:
            self._keys.bind([self.preview.layer])
            self._keys.take_over_undo(self.preview.layer)

    def _watch_places(self) -> None:
        """Watch the transforms of the image and of all layers on it."""
        clicks = [] if self.clicks is None else [self.clicks.points]
        preview = [] if self.preview.layer is None else [self.preview.layer]
        labels = [target.layer for target in self._targets.values()]
        self._placement.watch(self.image, [*clicks, *preview], labels)

    def _on_moved(self) -> None:
        self._store = None, None
        if self.image is not None and self.clicks is not None:
            copy_transform(self.image, self.clicks.points)
            self.preview.realign(self.image)

    def _on_image_settled(self, followed: list[Labels]) -> None:
        self.image_moved.emit(followed)

    def _on_tool_changed(self) -> None:
        self.tool_changed.emit()

    def _on_labels_drawn(self) -> None:
        self.labels_changed.emit()

    def _on_channels_changed(self) -> None:
        self.image_changed.emit()


def plane_of(state: ObjectState) -> LayerPlane:
    """The plane of an image layer that an object lies on, as `scene_of` noted it."""
    if state.scene is None:
        raise ValueError("the object is nowhere yet")
    plane: LayerPlane = state.scene.plane[1]
    return plane
