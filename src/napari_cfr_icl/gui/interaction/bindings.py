"""Mouse and keys on our own layers; nothing is bound to the viewer or to other layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar
from weakref import WeakSet

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from psygnal import Signal, SignalGroupDescriptor

from napari_cfr_icl.gui.layers.click_layer import ClickLayer
from napari_cfr_icl.gui.layers.placement import Place
from napari_cfr_icl.gui.layers.strokes import Stroke

GRAB_DISTANCE = 7.0
"""Distance from a click, in pixels of the screen, within which the mouse holds it."""

STILL = 3.0
"""Distance, in pixels of the screen, that a press may move without being a drag."""

LEFT, RIGHT = 1, 2
BACKGROUND_MODIFIERS = ("Control", "Meta")

DRAWN = 5.0
"""Distance, in pixels of the screen, from which a press with a modifier draws: less than that is a
click, and napari adds its point."""


@dataclass
class MouseMode:
    """The meaning of the next left press on the clicks layer.

    `events` is emitted when it changed, `picked` with the world coordinates of a press that picks
    an object, `drawing` with the `Stroke` so far, and None at its end, and `drawn` with the whole.

    Parameters
    ----------
    positive : bool
        Whether it is a click on the object; otherwise on the background.
    picks : bool
        Whether it picks an existing object instead of adding a click.
    judge : callable or None
        Takes the place of a press in the world, and whether its button is that for the object;
        returns the action of a click there, or None for a click that adds a point.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
    picked: ClassVar[Signal] = Signal(object)
    drawing: ClassVar[Signal] = Signal(object)
    drawn: ClassVar[Signal] = Signal(Stroke)
    positive: bool = True
    picks: bool = False
    judge: Callable[[Any, bool], Callable[[], None] | None] | None = None


class ClickMouse:
    """The mouse on the clicks layer while napari's own "add points" tool is active.

    A left click adds a click on the object, a right click (or one with Control) on the background:
    napari adds the point, this class decides its sign. A press on a click holds it: dragging moves
    it, and the mask follows on the release. A drag with Control draws a box, one with Shift a
    stroke (with the right button, or Control as well, on the background): napari's camera leaves
    drags with a modifier alone. With Alt a click or a box is another object.

    Parameters
    ----------
    clicks : ClickLayer
        The layer.
    mode : MouseMode
        The meaning of a left press.
    """

    def __init__(self, clicks: ClickLayer, mode: MouseMode) -> None:
        self._clicks = clicks
        self._mode = mode
        clicks.points.mouse_drag_callbacks.append(self._on_press)
        clicks.points.events.mode.connect(self._on_points_mode)

    def close(self) -> None:
        """Disconnect from the layer."""
        self._clicks.points.events.mode.disconnect(self._on_points_mode)
        self._clicks.points.mouse_drag_callbacks.remove(self._on_press)

    def _on_points_mode(self) -> None:
        # Napari appends the tool's own callback; ours must come after it, so that the point that
        # the tool adds on a release comes before the release is seen here.
        callbacks = self._clicks.points.mouse_drag_callbacks
        callbacks.remove(self._on_press)
        callbacks.append(self._on_press)

    def _on_press(self, layer: Layer, event: Any) -> Generator[None, None, None]:
        if layer.mode != "add":
            return
        if event.button == LEFT and self._mode.picks:
            self._mode.picked.emit(event.position)
            yield from self._swallow(event)
            return
        modified = any(name in event.modifiers for name in BACKGROUND_MODIFIERS)
        strokes, background = "Shift" in event.modifiers, event.button == RIGHT or modified
        another = event.button == LEFT and "Alt" in event.modifiers
        plain = event.button == LEFT and not (background or strokes or another)
        act = None
        judges = event.button in (LEFT, RIGHT) and not (strokes or another)
        if judges and self._mode.judge is not None:
            act = self._mode.judge(event.position, not background)
        if act is not None and not (modified and event.button == LEFT):
            yield from self._judge(act, event)
            return
        held = self._click_under(event) if plain else None
        if held is not None:
            yield from self._drag(held, event)
        elif another:
            box = Stroke(positive=True, is_box=True, is_another=True)
            still = box.to(event.pos, event.position, event.dims_displayed)
            yield from self._draw(event, box, partial(self._mode.drawn.emit, still))
        elif event.button in (LEFT, RIGHT):
            positive = self._mode.positive != background
            self._clicks.set_next_sign(positive)
            if strokes or (modified and event.button == LEFT):
                yield from self._draw(event, Stroke(positive, is_box=not strokes), act)

    def _swallow(self, event: Any) -> Generator[None, None, None]:
        """Keep the tool from adding a point until the button is released."""
        self._clicks.accepts_points = False
        yield
        while event.type == "mouse_move":
            yield
        self._clicks.accepts_points = True

    def _draw(
        self, event: Any, stroke: Stroke, act: Callable[[], None] | None
    ) -> Generator[None, None, None]:
        """Draw a stroke; a press without a drag is a click, or `act` in its place."""
        start, is_drawn = np.array(event.pos), False
        place = Place.of(self._clicks.points)
        self._clicks.accepts_points = act is None
        while True:
            is_drawn |= bool(np.linalg.norm(np.array(event.pos) - start) >= DRAWN)
            stroke = stroke.to(event.pos, event.position, event.dims_displayed)
            if event.type == "mouse_release":
                break
            if is_drawn:
                # One that ends where it began would be a click, too.
                self._clicks.accepts_points = False
                self._mode.drawing.emit(stroke)
            yield
        self._clicks.accepts_points = True
        self._mode.drawing.emit(None)
        if is_drawn:
            is_torn = Place.of(self._clicks.points) != place
            self._mode.drawn.emit(replace(stroke, is_torn=is_torn))
        elif act is not None:
            act()

    def _judge(self, act: Callable[[], None], event: Any) -> Generator[None, None, None]:
        """Act at the release, unless the picture was dragged."""
        start = np.array(event.pos)
        yield from self._swallow(event)
        if np.linalg.norm(np.array(event.pos) - start) <= STILL:
            act()

    def _drag(self, held: int, event: Any) -> Generator[None, None, None]:
        points, start, moved = self._clicks.points, np.array(event.pos), False
        # The tool adds a point even where it was pressed on one.
        self._clicks.accepts_points = False
        # Not `event.handled`: napari delays moves in quick succession, the camera pans before.
        points.mouse_pan = False
        yield
        while event.type == "mouse_move":
            self._clicks.move(held, event.position)
            moved = True
            yield
        self._clicks.accepts_points = True
        points.mouse_pan = True
        # A press without a drag selects the click, so that the Delete key removes it.
        points.selected_data = {held}
        # Some moves never come, so the last word is the release's.
        if moved or np.linalg.norm(np.array(event.pos) - start) > STILL:
            self._clicks.move(held, event.position)
            self._clicks.tell()

    def _click_under(self, event: Any) -> int | None:
        """The nearest click within reach of the mouse, on the plane that is shown."""
        points = self._clicks.points
        if not len(points.data):
            return None
        world = np.array([points.data_to_world(place) for place in points.data])
        mouse = np.asarray(event.position, float)[-points.ndim :]
        missing = len(event.position) - points.ndim
        shown = [axis - missing for axis in event.dims_displayed]
        distances = np.linalg.norm((world - mouse)[:, shown], axis=1) * event.camera_zoom
        distances[~self._in_plane(mouse, shown)] = np.inf
        nearest = int(np.argmin(distances))
        return nearest if distances[nearest] <= GRAB_DISTANCE else None

    def _in_plane(self, mouse: NDArray[np.float64], shown: list[int]) -> NDArray[np.bool_]:
        points = self._clicks.points
        other = [axis for axis in range(points.ndim) if axis not in shown]
        here = np.asarray(points.world_to_data(mouse))
        near: NDArray[np.bool_] = (np.abs(points.data - here)[:, other] < 0.5).all(axis=1)
        return near


class Keys:
    """The keys on our layers.

    Parameters
    ----------
    actions : dict of str to callable
        The actions by name. A generator function goes on when its key is released.
    keys : mapping of str to str
        The key of every name.
    """

    def __init__(self, actions: dict[str, Callable[[], Any]], keys: Mapping[str, str]) -> None:
        self._actions = actions
        self._keys = dict(keys)
        self._bound: WeakSet[Layer] = WeakSet()

    def change(self, keys: Mapping[str, str]) -> None:
        """Bind other keys, on all layers."""
        layers = list(self._bound)
        self.release(layers)
        self._keys = dict(keys)
        self.bind(layers)

    def bind(self, layers: Iterable[Layer]) -> None:
        """Bind all keys on these layers, in place of other bindings."""
        for layer in layers:
            self._bound.add(layer)
            for name, action in self._actions.items():
                layer.bind_key(self._keys[name], _for_layer(action), overwrite=True)

    def take_over_undo(self, layer: Layer) -> None:
        """Have napari's keys for undo and redo on a layer act as ours do."""
        for key, name in ("Control-Z", "undo"), ("Control-Shift-Z", "redo"):
            layer.bind_key(key, _for_layer(self._actions[name]), overwrite=True)

    def release(self, layers: Iterable[Layer]) -> None:
        """Unbind them."""
        for layer in layers:
            self._bound.discard(layer)
            for name in self._actions:
                layer.bind_key(self._keys[name], None, overwrite=True)


def _for_layer(action: Callable[[], Any]) -> Callable[[Layer], Any]:
    """A key callback: napari passes the layer, and resumes a generator when its key is released."""
    if not inspect.isgeneratorfunction(action):
        return lambda layer: action()

    def hold(layer: Layer) -> Generator[None, None, None]:
        yield from action()

    return hold
