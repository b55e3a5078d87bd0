"""Places of the world on the canvas, for driving the viewer with real mouse events.

The only file that reaches into napari's private parts: it has no public way to the canvas.
"""

from __future__ import annotations

from collections.abc import Sequence

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
