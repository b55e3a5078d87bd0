"""Places of the world on the canvas, for driving the viewer with real mouse events.

The only file that reaches into napari's private parts: it has no public way to the canvas.
"""

from __future__ import annotations

from collections.abc import Sequence

import napari
import numpy as np
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QWidget


def canvas_widget(viewer: napari.Viewer) -> QWidget:
    """The widget that shows the picture and takes the mouse."""
    return viewer.window._qt_viewer.canvas.native


def canvas_position(viewer: napari.Viewer, world: Sequence[float]) -> QPoint:
    """Where a place of the world, one coordinate for each axis, is drawn on that widget."""
    view = viewer.window._qt_viewer.canvas.view
    row, col = (float(world[axis]) for axis in viewer.dims.displayed)
    x, y, _, w = (view.transform * view.scene.transform).map([col, row, 0, 1])
    return QPoint(round(x / w), round(y / w))


def zoom_on(viewer: napari.Viewer, world: Sequence[float], zoom: float) -> None:
    """Centre the view on a place of the world."""
    viewer.camera.center = tuple(float(world[axis]) for axis in np.asarray(viewer.dims.displayed))
    viewer.camera.zoom = zoom
