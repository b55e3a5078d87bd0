"""The clicks layer of a dock, with the mouse and the keys on it."""

from __future__ import annotations

from typing import Any

import napari
from napari.layers import Image, Points
from psygnal import Signal, SignalInstance

from napari_cfr_icl.gui.interaction.bindings import ClickMouse, Keys, MouseMode
from napari_cfr_icl.gui.layers.click_layer import (
    GREEN,
    RED,
    TAG,
    ClickLayer,
    make_click_layer,
)
from napari_cfr_icl.gui.layers.napari_private import canvas_widget, restore_extent, skip_extent
from napari_cfr_icl.gui.layers.placement import copy_transform
from napari_cfr_icl.gui.layers.strokes import Stroke
from napari_cfr_icl.gui.widgets.stroke_overlay import StrokeOverlay


class ClickTool:
    """The one clicks layer, with the transform of the image and on top of all layers.

    `mode_changed` is emitted when another tool of the layer was chosen.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    keys : Keys
        Bound on the layer.
    mode : MouseMode
        The meaning of the next press.
    changed : psygnal.SignalInstance
        Emitted when the user changed the points.

    Attributes
    ----------
    clicks : ClickLayer or None
        The clicks, while there is an image.
    """

    mode_changed = Signal()

    def __init__(
        self, viewer: napari.Viewer, keys: Keys, mode: MouseMode, changed: SignalInstance
    ) -> None:
        self._viewer = viewer
        self._keys = keys
        self._mode = mode
        self._changed = changed
        self._last_points: Points | None = None
        self._mouse: ClickMouse | None = None
        self._overlay: StrokeOverlay | None = None
        mode.drawing.connect(self._on_drawing)
        self.clicks: ClickLayer | None = None

    @property
    def is_active(self) -> bool:
        """True if a press on the canvas is a click: the layer and its tool are chosen."""
        if self.clicks is None:
            return False
        points = self.clicks.points
        return points.mode == "add" and self._viewer.layers.selection.active is points

    def place(self, image: Image) -> None:
        """Move the clicks layer to the image and to the top, or add one with the image's axes."""
        layers = self._viewer.layers
        # A copy that the user made of our layer has old clicks, and is not taken for it.
        found = self._last_points or _click_layer_in(layers)
        self.release()
        if found is not None and (found not in layers or found.ndim != image.ndim):
            if found in layers:
                layers.remove(found)
            found = None
        if found is None:
            found = make_click_layer(image)
            layers.append(found)
        else:
            copy_transform(image, found)
            layers.move(layers.index(found), len(layers))
        self._take(found)
        self.select()

    def select(self) -> None:
        """Make the clicks layer the active one, with its tool for new points."""
        if self.clicks is not None:
            self.clicks.points.visible = True
            self._viewer.layers.selection.active = self.clicks.points
            self.clicks.points.mode = "add"

    def release(self) -> None:
        """Disconnect from the layer, which stays."""
        if self.clicks is not None and self._mouse is not None:
            points = self.clicks.points
            self._keys.release([points])
            points.events.mode.disconnect(self._on_points_mode)
            self._mouse.close()
            self.clicks.close()
            restore_extent(self._viewer, points)
        self.clicks = self._mouse = None

    def _take(self, points: Points) -> None:
        skip_extent(self._viewer, points)
        self._last_points = points
        self.clicks = ClickLayer(points, self._changed)
        points.events.mode.connect(self._on_points_mode)
        self._mouse = ClickMouse(self.clicks, self._mode)
        self._keys.bind([points])

    def _on_drawing(self, stroke: Stroke | None) -> None:
        """Show the outline of a stroke under way; None for its end."""
        if stroke is None:
            if self._overlay is not None:
                self._overlay.hide()
                self._overlay.deleteLater()
            self._overlay = None
            return
        self._overlay = self._overlay or StrokeOverlay(canvas_widget(self._viewer))
        colour = GREEN if stroke.positive or stroke.is_box else RED
        self._overlay.show_outline(stroke.outline(), colour, closed=stroke.is_closed)

    def _on_points_mode(self) -> None:
        self.mode_changed.emit()


def _click_layer_in(layers: Any) -> Points | None:
    """A clicks layer of ours that an earlier dock left behind."""
    found = (layer for layer in layers if layer.metadata.get(TAG) == "clicks")
    return next((layer for layer in found if isinstance(layer, Points)), None)
