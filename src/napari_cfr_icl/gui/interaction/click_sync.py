"""Points of the clicks layer as clicks of the current object, strokes, and paint on its mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from psygnal import Signal

from napari_cfr_icl._errors import ClickError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.prompts.gestures import Gesture
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.gui.interaction.bindings import MouseMode
from napari_cfr_icl.gui.interaction.workspace import Workspace, plane_of
from napari_cfr_icl.gui.layers.click_layer import Places
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.layers.strokes import Stroke, gestures_of
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.session import Session


class ClickSync:
    """Passes the points to the session as clicks, or has them put back.

    `taking` is emitted before clicks go to the session, `refused` with the reason where points
    have to be put back.

    Parameters
    ----------
    session : Session
        Receives the clicks.
    workspace : Workspace
        The layers.
    mode : MouseMode
        Reset after a click: the sign that the user chose is for one click.
    write : callable
        Writes the current object, because the user went on to another plane.
    """

    taking = Signal()
    refused = Signal(str)

    def __init__(
        self, session: Session, workspace: Workspace, mode: MouseMode, write: Callable[[], None]
    ) -> None:
        self._session = session
        self._workspace = workspace
        self._mode = mode
        self._write = write

    def read(self, worlds: Places) -> None:
        """Read all points, whatever changed them; they are in world coordinates."""
        image = self._workspace.image
        if image is None:
            return
        state = self._session.state
        if not state.is_empty and not self._workspace.is_on_image(state):
            self.refused.emit(messages.GONE_IMAGE)
            return
        every = [(np.asarray(image.world_to_data(world)), sign) for world, sign in worlds]
        places = [(place, sign) for place, sign in every if np.isfinite(place).all()]
        self._read_places(places)
        if len(places) < len(every):
            self.refused.emit(messages.NOWHERE)

    def _read_places(self, places: Places) -> None:
        state = self._session.state
        plane = self._plane_for(places)
        if plane is None:
            self.refused.emit(messages.NO_PLANE)
            return
        found, elsewhere = _clicks_on(places, plane)
        if elsewhere and not state.is_empty:
            plane = self._leave_for(places[elsewhere[-1]][0])
            if plane is None:
                self.refused.emit(messages.ELSEWHERE)
                return
            found, _ = _clicks_on(places, plane)
        self._take(found, plane)

    def read_paint(self) -> None:
        """Take the mask that the user has painted as that of the current object."""
        found, state = self._workspace.preview.mask, self._session.state
        if found is None:
            return
        mask, plane = found
        if self._session.propagation.is_filling:
            self.refused.emit(messages.FILLING)
        elif not state.is_empty and not self._workspace.is_on_image(state):
            self.refused.emit(messages.GONE_IMAGE)
        elif not state.is_empty and plane_of(state) != plane:
            self.refused.emit(messages.ELSEWHERE)
        else:
            scene = state.scene or self._workspace.scene(plane)
            own = mask.read(mask.window) & ~self._others_in(mask.window)
            self._session.take(state.painted(Patch(own, mask.window, mask.image_shape), scene))

    def _others_in(self, window: Window) -> NDArray[np.bool_]:
        """Pixels of the objects that are written with the current one, as they are shown."""
        pixels = np.zeros(window.shape, bool)
        for other in self._session.state.others:
            mask = other.mask(self._session.threshold)
            if mask is not None:
                pixels |= mask.read(window)
        return pixels

    def read_stroke(self, stroke: Stroke) -> None:
        """Take a stroke of the mouse as one step of the current object."""
        image, plane = self._workspace.image, self._workspace.plane
        if stroke.is_torn:
            self.refused.emit(messages.TORN)
        elif image is not None and plane is not None:
            gesture = stroke.gesture(image, plane)
            found = [] if gesture is None else [gesture]
            self._take_gestures(found, plane, another=stroke.is_another)
        else:
            self.refused.emit(messages.NO_PLANE)

    def read_shapes(self) -> None:
        """Take the chosen shapes of the active layer in the place of strokes, each an object."""
        layer = self._workspace.viewer.layers.selection.active
        image, plane = self._workspace.image, self._workspace.plane
        if image is None or plane is None or not isinstance(layer, Shapes):
            self.refused.emit(messages.NO_PLANE)
            return
        found = gestures_of(layer, image, plane, self._workspace.viewer.dims)
        if not found:
            self.refused.emit(messages.NO_SHAPE)
            return
        self._workspace.select_clicks()
        self._take_gestures(found, plane, another=len(found) > 1)

    def _take_gestures(
        self, gestures: Sequence[Gesture], plane: LayerPlane, *, another: bool
    ) -> None:
        """Take gestures as one step: for the current object, or each for another one."""
        state = self._session.state
        if not state.is_empty and not self._workspace.is_on_image(state):
            self.refused.emit(messages.GONE_IMAGE)
        elif not (state.is_empty or plane_of(state) == plane or self._leaves()):
            self.refused.emit(messages.ELSEWHERE)
        else:
            scene = self._workspace.scene(plane)
            try:
                drawn = [self._drawn(gesture, scene, another) for gesture in gestures]
            except ClickError as error:
                self.refused.emit(str(error))
                return
            self.taking.emit()
            self._mode.positive = True
            if another:
                drawn = [reduce(ObjectState.and_another, drawn, self._session.state)]
            for state in drawn:
                self._session.take(state)

    def _drawn(self, gesture: Gesture, scene: Scene, another: bool) -> ObjectState:
        # Imported where it is needed: it would delay the dock.
        from napari_cfr_icl.engine.prompts.prompt import prompt_of

        prompt = prompt_of(gesture, scene.shape)
        mask = prompt.previous if isinstance(prompt.previous, Patch) else None
        view = prompt.view or self._view_of(prompt.clicks)
        state = ObjectState() if another else self._session.state
        return state.drawn(prompt.clicks, mask, scene, view)

    def _take(self, clicks: Clicks, plane: LayerPlane) -> None:
        """Pass the clicks to the session, except those outside the image."""
        self.taking.emit()
        state = self._session.state
        scene = state.scene or self._workspace.scene(plane)
        inside = Clicks(click for click in clicks if scene.holds(click.row, click.col))
        if len(inside) > len(state.clicks):
            self._mode.positive = True
        self._session.set_clicks(inside, scene, self._view_of(inside))
        if len(inside) < len(clicks):
            self.refused.emit(messages.OUTSIDE)

    def _view_of(self, clicks: Clicks) -> Window | None:
        """The part of the plane on the screen, if the newest click is in it."""
        view = self._workspace.view
        if view is None or not clicks or not _holds(view, clicks[-1]):
            return None
        return view

    def _plane_for(self, places: Places) -> LayerPlane | None:
        """The plane of the current object; for a new object, that of the newest point."""
        if not self._session.state.is_empty:
            return plane_of(self._session.state)
        shown = self._workspace.plane
        if shown is None or not places or shown.at(places[-1][0]) is not None:
            return shown
        return self._workspace.plane_through(places[-1][0])

    def _leave_for(self, place: NDArray[np.float64]) -> LayerPlane | None:
        """Write the current object and return the plane of the new point; None if it must wait."""
        plane = self._workspace.plane_through(place)
        return plane if plane is not None and self._leaves() else None

    def _leaves(self) -> bool:
        """Write the current object, to go on elsewhere; False if it must wait."""
        if self._session.state.answer is not None:
            self._write()
        return self._session.state.is_empty


def _clicks_on(places: Places, plane: LayerPlane) -> tuple[Clicks, list[int]]:
    """The points on `plane` as clicks, and the indices of the others."""
    clicks, elsewhere = [], []
    for number, (place, positive) in enumerate(places):
        where = plane.at(place)
        if where is None:
            elsewhere.append(number)
        else:
            clicks.append(Click(*where, positive))
    return Clicks(clicks), elsewhere


def _holds(window: Window, click: Click) -> bool:
    rows = window.top - 0.5 <= click.row < window.bottom - 0.5
    return rows and window.left - 0.5 <= click.col < window.right - 0.5
