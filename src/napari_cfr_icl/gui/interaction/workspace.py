"""The layers that are worked in: image, clicks, labels and the preview of the current object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer, Points
from numpy.typing import NDArray
from psygnal import Signal

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.interaction.bindings import ClickMouse, Keys
from napari_cfr_icl.gui.layers.canvas import RemovalGuard
from napari_cfr_icl.gui.layers.channels import ChannelWatch, channels_of, cover_of
from napari_cfr_icl.gui.layers.click_layer import TAG, ClickLayer, make_click_layer, transform_of
from napari_cfr_icl.gui.layers.extent_workaround import restore_extent, skip_extent
from napari_cfr_icl.gui.layers.label_target import LabelStore, LabelTarget
from napari_cfr_icl.gui.layers.planes import (
    LayerPlane,
    data_shape,
    plane_through,
    shown_plane,
    shown_window,
)
from napari_cfr_icl.gui.layers.preview import Preview
from napari_cfr_icl.gui.layers.scenes import scene_of
from napari_cfr_icl.session.objects import Scene

LABEL_TYPE = np.uint16
"""Enough ids for a field of cells, and what every other program reads."""


class Workspace:
    """The layers of one dock. Makes what is missing, and lets go of everything at `close`.

    `clicks_changed` is emitted when the user changed the points, `image_changed` when the image is
    drawn differently or has other pixels, `tool_changed` when another layer or tool was chosen or
    layers were arranged otherwise.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    keys : Keys
        Bound on every layer that belongs to us.
    left_is_positive : callable
        Tells whether a plain left click lies on the object.
    catches : callable
        Called with the place of a left press in the world; true when it meant something else.

    Attributes
    ----------
    image : napari.layers.Image or None
        What is segmented.
    labels : napari.layers.Labels or None
        Where new objects are written.
    """

    clicks_changed = Signal()
    image_changed = Signal()
    tool_changed = Signal()

    def __init__(
        self,
        viewer: napari.Viewer,
        keys: Keys,
        left_is_positive: Callable[[], bool],
        catches: Callable[[Sequence[float]], bool],
    ) -> None:
        self.viewer = viewer
        self.image: Image | None = None
        self._shape: tuple[int, ...] = ()
        self.labels: Labels | None = None
        self.preview = Preview(viewer)
        self._keys = keys
        self._left_is_positive = left_is_positive
        self._catches = catches
        self._clicks: ClickLayer | None = None
        self._last_points: Points | None = None
        self._mouse: ClickMouse | None = None
        self._targets: dict[str, LabelTarget] = {}
        self._picture = ChannelWatch(viewer.layers)
        self._picture.changed.connect(self._on_image_changed)
        self._picture.arranged.connect(self._on_tool_changed)
        self._removals = RemovalGuard(viewer)
        viewer.layers.selection.events.active.connect(self._on_tool_changed)

    @property
    def clicks(self) -> ClickLayer | None:
        """The clicks, while there is an image."""
        return self._clicks

    @property
    def fits_image(self) -> bool:
        """Whether the image still has the shape that the layers here were made for."""
        return self.image is None or data_shape(self.image) == self._shape

    @property
    def takes_clicks(self) -> bool:
        """Whether a press on the picture is a click: the clicks layer and its tool are chosen."""
        if self._clicks is None:
            return False
        points = self._clicks.points
        return points.mode == "add" and self.viewer.layers.selection.active is points

    @property
    def plane(self) -> LayerPlane | None:
        """The plane of the image that is on the screen."""
        return None if self.image is None else shown_plane(self.image, self.viewer.dims)

    def plane_through(self, place: NDArray[np.float64]) -> LayerPlane | None:
        """The plane with the axes on the screen that holds `place`, in data coordinates."""
        plane = self.plane
        return (
            None if self.image is None or plane is None else plane_through(self.image, plane, place)
        )

    @property
    def view(self) -> Window | None:
        """The part of that plane that is on the screen."""
        plane = self.plane
        return None if self.image is None or plane is None else shown_window(self.image, plane)

    def scene(self, plane: LayerPlane) -> Scene:
        """The image's plane as the session takes it."""
        if self.image is None:
            raise ValueError("there is no image")
        return scene_of(self.image, plane, self.channels)

    @property
    def channels(self) -> list[Image]:
        """The layers that make the picture on the screen, the image among them."""
        return [] if self.image is None else channels_of(self.image, self.viewer.layers)

    @property
    def cover(self) -> Image | None:
        """An image layer that lies on the image, so that nothing of the work is seen."""
        return None if self.image is None else cover_of(self.image, self.viewer.layers)

    def store(self, plane: LayerPlane, layer: Labels | None = None) -> LabelStore:
        """Where an object on `plane` of the image is written.

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
        return self._target_of(layer).store_for(self.image, plane, self.viewer.dims.point)

    def use_image(self, image: Image | None) -> None:
        """Work on another image; the clicks layer moves to its place."""
        self.image = image
        self._shape = () if image is None else data_shape(image)
        self._picture.watch(image)
        self.preview.remove()
        if image is None:
            self._let_go_of_clicks()
            return
        self._place_clicks(image)
        self.preview.prepare(image, self.plane)
        self._bind_preview()

    def use_labels(self, layer: Labels | None, highest: int | None = None) -> None:
        """Write objects into another layer."""
        if self.labels is not None:
            self._keys.release([self.labels])
        self.labels = layer
        if layer is not None:
            self._target_of(layer, highest)
            self._keys.bind([layer])

    def make_labels(self) -> Labels:
        """Make an empty labels layer in the image's place, and write there."""
        if self.image is None:
            raise ValueError("there is no image")
        layer = Labels(
            np.zeros(data_shape(self.image), LABEL_TYPE),
            name="objects",
            metadata={TAG: "objects"},
            **transform_of(self.image),
        )
        layers = self.viewer.layers
        layers.insert(layers.index(self.image) + 1, layer)
        self.use_labels(layer, highest=0)
        self.select_clicks()
        return layer

    def select_clicks(self) -> None:
        """Make the clicks layer the one that the mouse acts on."""
        if self._clicks is not None:
            self._clicks.points.visible = True
            self.viewer.layers.selection.active = self._clicks.points
            self._clicks.points.mode = "add"

    def show_object(self, clicks: Clicks, mask: Patch | None, plane: LayerPlane | None) -> None:
        """Show the current object: its points and its mask."""
        if self._clicks is None:
            return
        if self.image is None or plane is None or not clicks:
            # Also where the image is gone: the next one would take up what is left.
            self._clicks.clear()
        else:
            self._clicks.show(clicks, self.image, plane)
        if self.image is None:
            return
        if mask is None or plane is None:
            self.preview.clear()
        else:
            self.preview.show(mask, self.image, plane)
            self._bind_preview()

    def reveal(self, plane: LayerPlane) -> None:
        """Bring a plane of the image onto the screen."""
        if self.image is None:
            return
        world = self.image.data_to_world(plane.coordinates(0, 0))
        missing = self.viewer.dims.ndim - self.image.ndim
        for axis in range(self.image.ndim):
            if axis not in plane.axes:
                self.viewer.dims.set_point(axis + missing, float(world[axis]))

    def forget(self, layer: Layer) -> None:
        """Let go of a layer that was removed; adds and removes none itself."""
        if self.labels is layer:
            self.use_labels(None)
        target = self._targets.pop(layer.unique_id, None)
        if target is not None:
            target.close()
        if self._clicks is not None and self._clicks.points is layer:
            self._let_go_of_clicks()
        if self.image is layer:
            self.image = None
            self._picture.watch(None)
            self.preview.clear()

    def close(self) -> None:
        """Let go of all layers; the preview goes, the user's work stays."""
        self.viewer.layers.selection.events.active.disconnect(self._on_tool_changed)
        self.preview.remove()
        self.image = None
        self._picture.close()
        self._let_go_of_clicks()
        self.use_labels(None)
        for target in self._targets.values():
            target.close()
        self._targets.clear()
        self._removals.close()

    def _target_of(self, layer: Labels, highest: int | None = None) -> LabelTarget:
        """What is known of a labels layer; one for each, so that no id is given twice."""
        if layer.unique_id not in self._targets:
            self._targets[layer.unique_id] = LabelTarget(layer, highest)
        return self._targets[layer.unique_id]

    def _place_clicks(self, image: Image) -> None:
        """Have a clicks layer of the image's axes, in its place and on top."""
        layers = self.viewer.layers
        # A copy that the user made of our layer has old clicks, and is not taken for it.
        found = self._last_points or _click_layer_in(layers)
        self._let_go_of_clicks()
        if found is not None and (found not in layers or found.ndim != image.ndim):
            if found in layers:
                layers.remove(found)
            found = None
        if found is None:
            found = make_click_layer(image)
            layers.append(found)
        else:
            for name, value in transform_of(image).items():
                setattr(found, name, value)
            layers.move(layers.index(found), len(layers))
        skip_extent(self.viewer, found)
        self._last_points = found
        self._clicks = ClickLayer(found)
        self._clicks.changed.connect(self._on_clicks_changed)
        found.events.mode.connect(self._on_tool_changed)
        self._mouse = ClickMouse(self._clicks, self._left_is_positive, self._catches)
        self._keys.bind([found])
        self.select_clicks()

    def _let_go_of_clicks(self) -> None:
        if self._clicks is not None and self._mouse is not None:
            self._keys.release([self._clicks.points])
            self._clicks.points.events.mode.disconnect(self._on_tool_changed)
            self._mouse.close()
            self._clicks.changed.disconnect(self._on_clicks_changed)
            self._clicks.close()
            restore_extent(self.viewer, self._clicks.points)
        self._clicks = self._mouse = None

    def _bind_preview(self) -> None:
        if self.preview.layer is not None:
            self._keys.bind([self.preview.layer])

    def _on_clicks_changed(self) -> None:
        self.clicks_changed.emit()

    def _on_tool_changed(self) -> None:
        self.tool_changed.emit()

    def _on_image_changed(self) -> None:
        self.image_changed.emit()


def _click_layer_in(layers: Any) -> Points | None:
    """A clicks layer of ours that an earlier dock left behind."""
    found = (layer for layer in layers if layer.metadata.get(TAG) == "clicks")
    return next((layer for layer in found if isinstance(layer, Points)), None)
