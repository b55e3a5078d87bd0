"""The Points layer with the clicks of the current object, whose sign is a feature.

A change of the points from any side (the mouse, the Delete key, pasting, a script) is reported to
the session once, and a change by the session (undo, the next object) is shown here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import LayerList
from napari.layers import Labels, Layer, Points
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from psygnal import SignalInstance
from qtpy.QtCore import QTimer

from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.gui.layers.placement import transform_of
from napari_cfr_icl.gui.layers.planes import LayerPlane

Places = list[tuple[NDArray[np.float64], bool]]
"""Points, each with its sign."""

FEATURE = "positive"
GREEN, RED = "#2ecc40", "#ff3b30"
_SYMBOLS = {True: "disc", False: "cross"}
_COLOURS = {True: (GREEN, "#ffe600"), False: (RED, "#ffffff")}
"""Colours of clicks on the object and on the background, and others for channels like these."""

LEAST_DIFFERENCE = 0.9
"""How far, summed over red, green and blue, a click's colour is from those of the channels."""

SIZE_ON_SCREEN = 13
TAG = "cfr_icl"
OVERLAYS = ("clicks", "preview")
_FALSE = frozenset({"false", "0", "0.0", "negative", "background", "no"})


class ClickLayer:
    """The clicks as points of one layer.

    Parameters
    ----------
    points : napari.layers.Points
        The layer, as `make_click_layer` makes it or as the user chose it.
    changed : psygnal.SignalInstance
        Emitted with the `Places` of all points in the world when anyone but this class changed
        them.
    """

    def __init__(self, points: Points, changed: SignalInstance) -> None:
        self.points = points
        self.changed = changed
        self.accepts_points = True
        self._writing = False
        self._added = False
        self._read = len(points.data)
        self._read_signs = self.signs
        self._closed = False
        self._next_sign = True
        self._looks = {sign: (_SYMBOLS[sign], _COLOURS[sign][0]) for sign in _SYMBOLS}
        points.events.data.connect(self._on_points_data)
        points.events.set_data.connect(self._on_points_drawn)
        points.events.features.connect(self._on_points_features)
        self._style()

    def close(self) -> None:
        """Stop listening to the layer."""
        self._closed = True
        self.points.events.set_data.disconnect(self._on_points_drawn)
        self.points.events.data.disconnect(self._on_points_data)
        self.points.events.features.disconnect(self._on_points_features)

    @property
    def signs(self) -> list[bool]:
        """The sign of each point: true on the object, also without a feature."""
        if FEATURE not in self.points.features:
            return [True] * len(self.points.data)
        return [_is_positive(value) for value in self.points.features[FEATURE]]

    def stand_out(self, colours: list[NDArray[np.float64]]) -> None:
        """Take colours that can be told from these: red, green and blue of each channel."""

        def differs(name: str) -> bool:
            own = transform_color(name)[0, :3]
            return all(np.abs(own - colour).sum() > LEAST_DIFFERENCE for colour in colours)

        looks = {
            sign: (_SYMBOLS[sign], next(filter(differs, names), names[0]))
            for sign, names in _COLOURS.items()
        }
        if looks != self._looks:
            self._looks = looks
            with self._quiet():
                self._style()
                self._set_next_look(self._next_sign)

    def set_next_sign(self, positive: bool) -> None:
        """Set the sign of the next point."""
        self._next_sign = positive
        defaults = self.points.feature_defaults
        if FEATURE not in defaults or bool(defaults[FEATURE].iloc[0]) != positive:
            self.points.feature_defaults = {FEATURE: positive}
        # Napari gives the look of the next point to all that are selected.
        if not self.points.selected_data:
            self._set_next_look(positive)

    def tell(self) -> None:
        """Emit `changed`."""
        worlds = [np.asarray(self.points.data_to_world(place)) for place in self.points.data]
        self.changed.emit(list(zip(worlds, self.signs, strict=True)))

    def show(self, clicks: Clicks, image: Layer, plane: LayerPlane) -> None:
        """Show these clicks, on a plane of `image`; does nothing if they are shown."""
        wanted = self._data_of(clicks, image, plane)
        signs = [click.positive for click in clicks]
        same = wanted.shape == self.points.data.shape and signs == self.signs
        if same and np.allclose(wanted, self.points.data, atol=1e-6):
            return
        with self._quiet():
            self.points.selected_data = set()
            self.points.data = wanted
            self.points.features = {FEATURE: np.array(signs, bool)}
        self._style()

    def clear(self) -> None:
        """Remove all points."""
        if len(self.points.data):
            with self._quiet():
                self.points.selected_data = set()
                self.points.data = np.empty((0, self.points.ndim))

    def move(self, index: int, world: Any) -> None:
        """Move a point without a signal, while it is being dragged."""
        if index >= len(self.points.data):
            return
        data = self.points.data.copy()
        data[index] = self.points.world_to_data(world)
        with self._quiet():
            self.points.data = data

    def _data_of(self, clicks: Clicks, image: Layer, plane: LayerPlane) -> NDArray[np.float64]:
        points = self.points
        data = [
            points.world_to_data(image.data_to_world(plane.coordinates(click.row, click.col)))
            for click in clicks
        ]
        return np.array(data, float).reshape(len(clicks), points.ndim)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before
            self._note_read()

    def _style(self) -> None:
        """Discs on the object, crosses on the background."""
        signs = self.signs
        if not signs:
            return
        # Napari redraws at every assignment, also of what is there already.
        symbols, names = zip(*(self._looks[sign] for sign in signs), strict=True)
        colours = transform_color(list(names))
        if [str(symbol) for symbol in self.points.symbol] == list(symbols) and all(
            np.allclose(there, colours)
            for there in (self.points.face_color, self.points.border_color)
        ):
            return
        # Setting `symbol` for all points, not `current_symbol`: that one changes selected points.
        self.points.symbol = list(symbols)
        self.points.face_color = colours
        # Napari draws borders for the size before `canvas_size_limits`: when zoomed in they cover
        # small points altogether, so they have to be of the same colour.
        self.points.border_color = colours

    def _set_next_look(self, positive: bool) -> None:
        """Set the look of the next point in advance, which saves three drawings."""
        symbol, colour = self._looks[positive]
        if str(self.points.current_symbol) != symbol:
            self.points.current_symbol = symbol
        for name in ("current_face_color", "current_border_color"):
            # Napari tells the opacity too: #2ecc40ff.
            if not str(getattr(self.points, name)).startswith(colour):
                setattr(self.points, name, colour)

    def _on_points_data(self, event: Any) -> None:
        # Napari tells before and after every change: ADDING and ADDED, and so on.
        if self._writing or str(event.action) not in ("added", "removed", "changed"):
            return
        if str(event.action) == "added" and not self.accepts_points:
            with self._quiet():
                self.points.remove([len(self.points.data) - 1])
            return
        self._added = str(event.action) == "added"
        self._style()
        self._note_read()
        self.tell()

    def _on_points_drawn(self) -> None:
        # Napari tells nothing of points that are pasted; it only draws them.
        if len(self.points.data) != self._read:
            # A change that is told is told after it is drawn, and is none by then.
            QTimer.singleShot(0, self._on_look)

    def _on_look(self) -> None:
        if not self._closed and len(self.points.data) != self._read:
            self._note_read()
            self.tell()

    def _on_points_features(self) -> None:
        if self._writing:
            return
        if self._added:
            # Napari selects a point that was just added, and draws the selection over its colour.
            self._added = False
            self.points.selected_data = set()
        self._style()
        # They also come after every point that is added, which was told already.
        if self.signs != self._read_signs:
            self._note_read()
            self.tell()

    def _note_read(self) -> None:
        self._read, self._read_signs = len(self.points.data), self.signs


def is_objects(layer: Layer) -> bool:
    """True for a Labels layer other than the preview of the current object."""
    return isinstance(layer, Labels) and not is_preview(layer)


def is_preview(layer: Layer) -> bool:
    """True for the preview of the current object."""
    return bool(layer.metadata.get(TAG) == "preview")


def raise_overlays(layers: LayerList, preview: Layer | None, clicks: Layer) -> None:
    """Move the mask, and then the clicks, above all layers that are none of these."""
    for own in (preview, clicks):
        above = [] if own not in layers else layers[layers.index(own) + 1 :]
        if any(layer is preview or layer.metadata.get(TAG) not in OVERLAYS for layer in above):
            layers.move(layers.index(own), len(layers))


def make_click_layer(image: Layer) -> Points:
    """An empty clicks layer with the transform of `image`."""
    points = Points(
        ndim=image.ndim,
        name="clicks",
        features={FEATURE: np.empty(0, bool)},
        feature_defaults={FEATURE: True},
        size=SIZE_ON_SCREEN,
        metadata={TAG: "clicks"},
        **transform_of(image),
    )
    points.canvas_size_limits = (SIZE_ON_SCREEN, SIZE_ON_SCREEN)
    return points


def _is_positive(value: Any) -> bool:
    """The sign from a feature as tables have it: True, 1, "True", "negative", a missing value."""
    if isinstance(value, str):
        return value.strip().lower() not in _FALSE
    if isinstance(value, float) and np.isnan(value):
        return True
    return bool(value)
