"""Every access to private parts of napari, each with a check: another version may lack them.

Without them a click takes longer, software rendering is less safe, and the demo cannot move the
mouse; nothing else is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import napari
from napari.layers import Labels, Layer
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QWidget

from napari_cfr_icl._errors import CfrIclError


def canvas_widget(viewer: napari.Viewer) -> QWidget:
    """The widget that shows the layers and receives the mouse.

    Raises
    ------
    CfrIclError
        When this napari gives no access to it.
    """
    widget: QWidget = _canvas(viewer).native
    return widget


def canvas_position(viewer: napari.Viewer, world: Sequence[float]) -> QPoint:
    """The place on that widget of a point in world coordinates, one for each axis."""
    view = _canvas(viewer).view
    missing = viewer.dims.ndim - len(world)
    row, col = (float(world[axis - missing]) for axis in viewer.dims.displayed)
    x, y, _, w = (view.transform * view.scene.transform).map([col, row, 0, 1])
    return QPoint(round(x / w), round(y / w))


def look_at(viewer: napari.Viewer, world: Sequence[float], side: float) -> None:
    """Center a square of the world, `side` wide, on a point with one coordinate for each axis."""
    # Older versions have the camera at the viewer, newer ones at its scene.
    camera = getattr(viewer, "scene", viewer).camera
    camera.center = (0.0, *(float(world[axis]) for axis in viewer.dims.displayed))
    canvas = canvas_widget(viewer)
    camera.zoom = min(canvas.width(), canvas.height()) / side
    # Only a drawing tells the layers what part of them is on the screen.
    canvas.repaint()


class RemovalGuard:
    """Makes the canvas's OpenGL context current whenever a layer is removed.

    Napari 0.9 frees a layer's graphics memory in whichever context is current, which may be Qt's
    own. Software rendering (virtual displays, remote desktops) then ends the process at the next
    drawing.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        viewer.layers.events.removing.connect(self._on_layer_removing)

    def close(self) -> None:
        """Disconnect from the viewer."""
        self._viewer.layers.events.removing.disconnect(self._on_layer_removing)

    def _on_layer_removing(self, _event: Any) -> None:
        # A window that is being closed has no canvas any more.
        with contextlib.suppress(AttributeError, RuntimeError, CfrIclError):
            canvas: Any = canvas_widget(self._viewer)
            canvas.makeCurrent()


def is_removing(viewer: napari.Viewer) -> bool:
    """True while listeners hear of a layer's removal: Qt's events may be handled by one of them.

    The list may be being cleared then, as by `viewer.close`, which ends when it is empty.
    """
    events = viewer.layers.events
    return any(
        getattr(emitter, "_emitting", False) for emitter in (events.removing, events.removed)
    )


def skip_extent(viewer: napari.Viewer, layer: Layer) -> None:
    """Keep the viewer from measuring all layers when the data or the affine of `layer` change.

    Napari does so twice at every click, a third of the time that it takes to add the point; and
    `layer` lies on the image anyway.
    """
    measure = getattr(viewer, "_on_layers_change", None)
    if measure is not None:
        layer.events.data.disconnect(measure)
        layer.events.affine.disconnect(measure)


def restore_extent(viewer: napari.Viewer, layer: Layer) -> None:
    """Undo `skip_extent`."""
    measure = getattr(viewer, "_on_layers_change", None)
    if measure is not None and layer in viewer.layers:
        layer.events.data.connect(measure)
        layer.events.affine.connect(measure)


def values_of(atom: Any) -> tuple[Any, Any]:
    """The ids before and after an edit in napari's history: an array each, or one number."""
    if hasattr(atom, "slice_key"):
        return atom.old_values, atom.new_value
    _, before, after = atom
    return before, after


def region_painter(layer: Labels, region: tuple[Any, ...]) -> Callable[..., None] | None:
    """Napari's function that paints a region in a tenth of the time, if it accepts `region`."""
    paint: Callable[..., None] | None = getattr(layer, "_paint_region_with_mask", None)
    try:
        signature(paint).bind(*region)  # type: ignore[arg-type]
    except TypeError:
        return None
    return paint


def _canvas(viewer: napari.Viewer) -> Any:
    try:
        return viewer.window._qt_viewer.canvas
    except AttributeError as error:
        raise CfrIclError(
            f"napari {napari.__version__} gives no access to its canvas, which the demo needs."
        ) from error
