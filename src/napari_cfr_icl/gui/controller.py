"""The one listener between the screen and the session.

Wishes of the dock, the mouse and the keys become calls of the session; what the session tells
becomes what is on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui import wording
from napari_cfr_icl.gui.bindings import Keys
from napari_cfr_icl.gui.click_layer import TAG, Places, clicks_on
from napari_cfr_icl.gui.courier import Courier
from napari_cfr_icl.gui.notices import show_error
from napari_cfr_icl.gui.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.predictors import EngineChoice, PredictorMaker
from napari_cfr_icl.gui.workspace import Workspace
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.preferences import Preferences, save_preferences
from napari_cfr_icl.session.runner import Message
from napari_cfr_icl.session.session import Session

if TYPE_CHECKING:
    from napari_cfr_icl.gui.segment_dock import SegmentDock

PREPARE_PAUSE = 300
"""Milliseconds that the dock has to appear before torch is loaded in the background."""

REDRAW_PAUSE = 150
"""Milliseconds without a change of contrast before the mask is predicted anew."""


class Controller:
    """Connects one dock, one viewer and one session.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    dock : SegmentDock
        The view.
    preferences : Preferences
        What the user chose last time.
    """

    def __init__(self, viewer: napari.Viewer, dock: SegmentDock, preferences: Preferences) -> None:
        self.viewer = viewer
        self.dock = dock
        self._preferences = preferences
        self._next_is_positive = True
        self._preparing = False
        self._has_asked = False
        self._closed = False
        self._courier = Courier(self._on_message, dock)
        self.session = Session(PredictorMaker(), self._courier.deliver)
        self.session.protect = preferences.protect
        self.workspace = Workspace(viewer, self._keys(), lambda: self._next_is_positive)
        self._redraw = _single_shot(dock, REDRAW_PAUSE, self._on_image_settled)
        self._repair = _single_shot(dock, 0, self._on_repair)
        self._prepare = _single_shot(dock, PREPARE_PAUSE, self._on_prepare)
        self._connect()
        dock.image.choose(dock.image.layer)
        self._use_image(dock.image.layer)
        self._prepare.start()

    @property
    def is_prepared(self) -> bool:
        """Whether the model is loaded, or it was tried in vain."""
        return self._has_asked and not self.session.is_busy

    def close(self) -> None:
        """Stop the work, end the thread, let go of the layers. The user's layers stay.

        Touches no widget: Qt may have deleted them already.
        """
        if self._closed:
            return
        self._closed = True
        self._courier.close()
        self._disconnect()
        self.workspace.close()
        self.session.close()

    def undo(self) -> None:
        """Take the last step back, and go to where that was."""
        self._try(self.session.undo)
        self._reveal()

    def redo(self) -> None:
        """Do the undone step again, and go to where that was."""
        self._try(self.session.redo)
        self._reveal()

    def write(self) -> None:
        """Write the current object and begin the next one."""
        self._try(self._write)

    def drop(self) -> None:
        """Forget the current object."""
        self._try(self.session.drop)

    def flip_sign(self) -> None:
        """Let the next left click have the other sign."""
        self._set_sign(not self._next_is_positive)

    def hide(self) -> Generator[None, None, None]:
        """Hide the mask until the key is released."""
        self._set_hidden(True)
        yield
        self._set_hidden(False)

    def _keys(self) -> Keys:
        return Keys(
            {
                "W": self.write,
                "U": self.undo,
                "Shift-U": self.redo,
                "Q": self.drop,
                "N": self.flip_sign,
                "H": self.hide,
            }
        )

    def _connect(self) -> None:
        dock, session, workspace = self.dock, self.session, self.workspace
        dock.image.layer_chosen.connect(self._on_image_chosen)
        dock.labels.layer_chosen.connect(self._on_labels_chosen)
        dock.object.write_requested.connect(self.write)
        dock.object.undo_requested.connect(self.undo)
        dock.object.redo_requested.connect(self.redo)
        dock.object.drop_requested.connect(self.drop)
        dock.object.sign_requested.connect(self._set_sign)
        dock.object.hide_requested.connect(self._set_hidden)
        dock.object.threshold_changed.connect(self._on_threshold_changed)
        dock.object.protect_changed.connect(self._on_protect_changed)
        dock.engine.chosen.connect(self._on_engine_chosen)
        session.object_changed.connect(self._on_object_changed)
        session.busy_changed.connect(dock.show_busy)
        session.preparing_changed.connect(self._on_preparing_changed)
        session.failed.connect(show_error)
        workspace.clicks_changed.connect(self._on_clicks_changed)
        workspace.image_changed.connect(self._on_image_changed)
        self.viewer.layers.events.removed.connect(self._on_layer_removed)
        self.viewer.dims.events.point.connect(self._on_dims_changed)
        self.viewer.dims.events.ndisplay.connect(self._on_dims_changed)

    def _disconnect(self) -> None:
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.dims.events.point.disconnect(self._on_dims_changed)
        self.viewer.dims.events.ndisplay.disconnect(self._on_dims_changed)
        for signal in (
            self.session.object_changed,
            self.session.busy_changed,
            self.session.preparing_changed,
            self.session.failed,
            self.workspace.clicks_changed,
            self.workspace.image_changed,
        ):
            signal.disconnect()
        self.dock.image.close_events()
        self.dock.labels.close_events()

    def _try(self, call: Callable[[], None]) -> None:
        """Do what the user asked for; a trouble of theirs becomes one sentence."""
        try:
            call()
        except CfrIclError as error:
            show_error(error)

    def _write(self) -> None:
        state = self.session.state
        if state.scene is None:
            return
        if self.workspace.labels is None:
            self.dock.labels.choose(self.workspace.make_labels())
        self.session.write(self.workspace.store(_plane_of(state)))

    def _on_prepare(self) -> None:
        """Have the model ready before the first click."""
        if not self._closed:
            self._has_asked = True
            self.session.use_engine(EngineChoice.of(self._preferences))

    def _on_message(self, message: Message) -> None:
        if not self._closed:
            self.session.receive(message)

    def _on_image_chosen(self, image: Image | None) -> None:
        if image is self.workspace.image:
            return
        self.session.drop()
        self._use_image(image)

    def _use_image(self, image: Image | None) -> None:
        self.workspace.use_image(image)
        if image is not None and not self._labels_fit(image):
            self.dock.labels.choose(self.workspace.make_labels())
        if self.session.state.is_empty:
            # Clicks that an earlier dock left behind are taken up.
            self._on_clicks_changed()
        self._show_state()

    def _labels_fit(self, image: Image) -> bool:
        """Whether there is a labels layer of ours, or one that was chosen, of the image's shape."""
        for layer in (self.workspace.labels, *reversed(self.viewer.layers)):
            if not isinstance(layer, Labels) or layer.multiscale:
                continue
            ours = layer is self.workspace.labels or layer.metadata.get(TAG) == "objects"
            if ours and data_shape(layer) == data_shape(image):
                if layer is not self.workspace.labels:
                    self.workspace.use_labels(layer)
                self.dock.labels.choose(layer)
                return True
        return False

    def _on_labels_chosen(self, layer: Labels | None) -> None:
        self.workspace.use_labels(layer)
        self.workspace.select_clicks()

    def _set_sign(self, positive: bool) -> None:
        self._next_is_positive = positive
        self.dock.object.show_sign(positive)

    def _set_hidden(self, hidden: bool) -> None:
        self.workspace.preview.set_hidden(hidden)

    def _on_threshold_changed(self, threshold: float) -> None:
        self.session.threshold = threshold
        self._show_object()

    def _on_protect_changed(self, protect: bool) -> None:
        self.session.protect = protect
        self._keep(replace(self._preferences, protect=protect))

    def _on_engine_chosen(self, chosen: Preferences) -> None:
        self._keep(replace(chosen, protect=self._preferences.protect))
        self.session.use_engine(EngineChoice.of(chosen))

    def _keep(self, preferences: Preferences) -> None:
        self._preferences = preferences
        save_preferences(preferences)

    def _on_clicks_changed(self) -> None:
        """Read the points once more, whatever was done to them."""
        image, clicks = self.workspace.image, self.workspace.clicks
        if image is None or clicks is None:
            return
        places = clicks.places(image)
        plane = self._plane_for(places)
        if plane is None:
            self._refuse(wording.NO_PLANE)
            return
        found, elsewhere = clicks_on(places, plane)
        if elsewhere and not self.session.state.is_empty:
            plane = self._leave_for(places[elsewhere[-1]][0])
            if plane is None:
                self._refuse(wording.ELSEWHERE)
                return
            found, _ = clicks_on(places, plane)
        self._take(found, plane)

    def _take(self, clicks: Clicks, plane: LayerPlane) -> None:
        """Hand the clicks to the session, but those outside the image."""
        self._on_prepare()
        scene = self.session.state.scene or self.workspace.scene(plane)
        inside = Clicks(click for click in clicks if scene.holds(click.row, click.col))
        if len(inside) > len(self.session.state.clicks):
            self._set_sign(True)
        self.session.set_clicks(inside, scene, self._view_of(inside))
        if len(inside) < len(clicks):
            self._refuse(wording.OUTSIDE)

    def _view_of(self, clicks: Clicks) -> Window | None:
        """What the user is looking at, if that is where the newest click is."""
        view = self.workspace.view
        if view is None or not clicks or not _holds(view, clicks[-1]):
            return None
        return view

    def _plane_for(self, places: Places) -> LayerPlane | None:
        """The plane of the current object, or for a new one that of the newest point."""
        if not self.session.state.is_empty:
            return _plane_of(self.session.state)
        return self.workspace.plane_through(places[-1][0]) if places else self.workspace.plane

    def _leave_for(self, place: NDArray[np.float64]) -> LayerPlane | None:
        """Write the current object, because the user went on on another plane; None if it waits."""
        plane = self.workspace.plane_through(place)
        if plane is None or self.session.state.answer is None:
            return None
        self.write()
        return plane if self.session.state.is_empty else None

    def _refuse(self, why: str) -> None:
        """Put the points back to what the session knows, and say why."""
        self._show_object()
        self.dock.show_hint(why)

    def _on_image_changed(self) -> None:
        self._redraw.start()

    def _on_image_settled(self) -> None:
        state = self.session.state
        if self._closed or state.is_empty or not self._is_on_image(state):
            return
        self.session.show(self.workspace.scene(_plane_of(state)))

    def _on_layer_removed(self, event: Any) -> None:
        self.workspace.forget(event.value)
        if self.workspace.image is None or self.workspace.clicks is None:
            self.session.drop()
            self._repair.start()
        self._show_state()

    def _on_repair(self) -> None:
        """Make a new clicks layer, now that napari is done with removing the old one."""
        image = self.workspace.image
        if not self._closed and image is not None and self.workspace.clicks is None:
            self._use_image(image)

    def _on_dims_changed(self) -> None:
        self._show_hint()

    def _on_object_changed(self, state: ObjectState) -> None:
        self._show_state()

    def _on_preparing_changed(self, preparing: bool) -> None:
        self._preparing = preparing
        self._show_hint()

    def _show_state(self) -> None:
        session = self.session
        self._show_object()
        self.dock.object.show_possible(
            undo=session.can_undo, redo=session.can_redo, current=not session.state.is_empty
        )
        self.dock.loop.show_answer(session.state.answer)
        self._show_hint()

    def _show_object(self) -> None:
        state = self.session.state
        if state.scene is None or not self._is_on_image(state):
            self.workspace.show_object(Clicks(), None, None)
        else:
            self.workspace.show_object(state.clicks, self.session.mask, _plane_of(state))

    def _show_hint(self) -> None:
        state = self.session.state
        if self.workspace.image is None:
            self.dock.show_hint(wording.NO_IMAGE)
        elif state.scene is not None and not self._is_on_image(state):
            self.dock.show_hint(wording.GONE_IMAGE)
        elif self.workspace.plane is None:
            self.dock.show_hint(wording.NO_PLANE)
        else:
            mask = self.session.mask
            found = mask is not None and bool(mask.values.any())
            self.dock.show_hint(wording.hint(state, preparing=self._preparing, found=found))

    def _reveal(self) -> None:
        """Go to the image and the plane of the current object."""
        state = self.session.state
        if state.scene is None:
            return
        image_id, plane = state.scene.plane
        image = next((layer for layer in self.viewer.layers if layer.unique_id == image_id), None)
        if image is None:
            return
        if image is not self.workspace.image:
            self.dock.image.choose(image)
            self._use_image(image)
        self.workspace.reveal(plane)

    def _is_on_image(self, state: ObjectState) -> bool:
        image = self.workspace.image
        return (
            image is not None
            and state.scene is not None
            and state.scene.plane[0] == image.unique_id
        )


def _holds(window: Window, click: Click) -> bool:
    rows = window.top - 0.5 <= click.row < window.bottom - 0.5
    return rows and window.left - 0.5 <= click.col < window.right - 0.5


def _single_shot(parent: QObject, pause: int, call: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(pause)
    timer.timeout.connect(call)
    return timer


def _plane_of(state: ObjectState) -> LayerPlane:
    """The plane that an object lies on; scenes are made by `images.scene_of`."""
    if state.scene is None:
        raise ValueError("the object is nowhere yet")
    plane: LayerPlane = state.scene.plane[1]
    return plane
