"""Reads the points of the clicks layer: which of them are clicks of the current object."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.interaction.presenter import Presenter, plane_of
from napari_cfr_icl.gui.layers.click_layer import Places, clicks_on
from napari_cfr_icl.gui.layers.planes import LayerPlane
from napari_cfr_icl.gui.views import messages


class ClickSync:
    """Hands the points to the session as clicks, or puts them back and says why not.

    `taking` is emitted before clicks go to the session, `added` when they are more than before.

    Parameters
    ----------
    screen : Presenter
        Knows the layers and the session, and says what was refused.
    write : callable
        Writes the current object, because the user went on to another plane.
    """

    taking = Signal()
    added = Signal()

    def __init__(self, screen: Presenter, write: Callable[[], None]) -> None:
        self._screen = screen
        self._session = screen.session
        self._workspace = screen.workspace
        self._write = write

    def read(self) -> None:
        """Read the points once more, whatever was done to them."""
        image, clicks = self._workspace.image, self._workspace.clicks
        if image is None or clicks is None:
            return
        state = self._session.state
        if not state.is_empty and not self._screen.is_on_image(state):
            self._screen.refuse(messages.GONE_IMAGE)
            return
        places = clicks.places(image)
        plane = self._plane_for(places)
        if plane is None:
            self._screen.refuse(messages.NO_PLANE)
            return
        found, elsewhere = clicks_on(places, plane)
        if elsewhere and not self._session.state.is_empty:
            plane = self._leave_for(places[elsewhere[-1]][0])
            if plane is None:
                self._screen.refuse(messages.ELSEWHERE)
                return
            found, _ = clicks_on(places, plane)
        self._take(found, plane)

    def _take(self, clicks: Clicks, plane: LayerPlane) -> None:
        """Hand the clicks to the session, but those outside the image."""
        self.taking.emit()
        scene = self._session.state.scene or self._workspace.scene(plane)
        inside = Clicks(click for click in clicks if scene.holds(click.row, click.col))
        if len(inside) > len(self._session.state.clicks):
            self.added.emit()
        self._session.set_clicks(inside, scene, self._view_of(inside))
        if len(inside) < len(clicks):
            self._screen.refuse(messages.OUTSIDE)

    def _view_of(self, clicks: Clicks) -> Window | None:
        """What the user is looking at, if that is where the newest click is."""
        view = self._workspace.view
        if view is None or not clicks or not _holds(view, clicks[-1]):
            return None
        return view

    def _plane_for(self, places: Places) -> LayerPlane | None:
        """The plane of the current object, or for a new one that of the newest point."""
        if not self._session.state.is_empty:
            return plane_of(self._session.state)
        return self._workspace.plane_through(places[-1][0]) if places else self._workspace.plane

    def _leave_for(self, place: NDArray[np.float64]) -> LayerPlane | None:
        """Write the current object, because the user went on on another plane; None if it waits."""
        plane = self._workspace.plane_through(place)
        if plane is None or self._session.state.answer is None:
            return None
        self._write()
        return plane if self._session.state.is_empty else None


def _holds(window: Window, click: Click) -> bool:
    rows = window.top - 0.5 <= click.row < window.bottom - 0.5
    return rows and window.left - 0.5 <= click.col < window.right - 0.5
