"""The canvas behind the viewer: places of the world on it, and its OpenGL context.

It reaches into napari's private parts, which has no public way to the canvas.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import napari
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QWidget


def canvas_widget(viewer: napari.Viewer) -> QWidget:
    """The widget that shows the picture and takes the mouse."""
    widget: QWidget = viewer.window._qt_viewer.canvas.native
    return widget


def look_at(viewer: napari.Viewer, world: Sequence[float], side: float) -> None:
    """Show a square of the world, `side` wide, around a place with one coordinate for each axis."""
    # Older versions have the camera at the viewer, newer ones at its scene.
    camera = getattr(viewer, "scene", viewer).camera
    camera.center = (0.0, *(float(world[axis]) for axis in viewer.dims.displayed))
    canvas = canvas_widget(viewer)
    camera.zoom = min(canvas.width(), canvas.height()) / side
    # Only a drawing tells the layers what part of them is on the screen.
    canvas.repaint()


def canvas_position(viewer: napari.Viewer, world: Sequence[float]) -> QPoint:
    """Where a place of the world, one coordinate for each axis, is drawn on that widget."""
    view = viewer.window._qt_viewer.canvas.view
    row, col = (float(world[axis]) for axis in viewer.dims.displayed)
    x, y, _, w = (view.transform * view.scene.transform).map([col, row, 0, 1])
    return QPoint(round(x / w), round(y / w))


class RemovalGuard:
    """Lets napari free what a removed layer held on the graphics card where it was made.

    Napari 0.9 frees it in whichever OpenGL context is current, which may be Qt's own. Software
    rendering (virtual displays, remote desktops) then ends the process at the next drawing.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        viewer.layers.events.removing.connect(self._on_layer_removing)

    def close(self) -> None:
        """Leave the viewer as it was."""
        self._viewer.layers.events.removing.disconnect(self._on_layer_removing)

    def _on_layer_removing(self, _event: Any) -> None:
        # A window that is being closed has no canvas any more.
        with contextlib.suppress(AttributeError, RuntimeError):
            canvas: Any = canvas_widget(self._viewer)
            canvas.makeCurrent()
