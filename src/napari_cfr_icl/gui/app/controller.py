"""The one listener between the screen and the session.

Wishes of the dock, the mouse and the keys become calls of the session; what the session tells
becomes what is on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import napari

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.gui.autosave.autosave_manager import AutosaveManager
from napari_cfr_icl.gui.folder.folder_controller import FolderController
from napari_cfr_icl.gui.interaction.bindings import Keys
from napari_cfr_icl.gui.interaction.click_sync import ClickSync
from napari_cfr_icl.gui.interaction.engine_switch import EngineSwitch
from napari_cfr_icl.gui.interaction.layer_choice import LayerChoice
from napari_cfr_icl.gui.interaction.open_docks import OpenDock, open_docks
from napari_cfr_icl.gui.interaction.pick_object import ObjectPicker
from napari_cfr_icl.gui.interaction.predictors import PredictorMaker, Tried, telling
from napari_cfr_icl.gui.interaction.presenter import Presenter, plane_of
from napari_cfr_icl.gui.interaction.propagation_controller import PropagationController
from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.layers.label_target import LabelStore
from napari_cfr_icl.gui.threads.gc_freeze import GcFreeze
from napari_cfr_icl.gui.threads.main_thread_bridge import MainThreadBridge
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.preferences import Preferences
from napari_cfr_icl.session.runner import Message, Prepared, Preparing
from napari_cfr_icl.session.session import Session

if TYPE_CHECKING:
    from napari_cfr_icl.gui.views.segment_dock import SegmentDock

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
        self._next_is_positive = True
        self._next_grabs = False
        self._has_asked = False
        self._closed = False
        self._courier = MainThreadBridge(self._on_message, dock)
        maker = PredictorMaker()
        deliver = self._courier.deliver
        self.session = Session(telling(maker, deliver), deliver, self._courier.wait_for_drawing)
        self.session.protect = preferences.protect
        self._keys = Keys(self._actions(), dock.keys.in_force)
        self.workspace = Workspace(viewer, self._keys, lambda: self._next_is_positive, self._catch)
        self.screen = Presenter(dock, self.session, self.workspace)
        self._switch = EngineSwitch(self.screen, preferences)
        self._reader = ClickSync(self.screen, self.write)
        self._set_aside = GcFreeze(viewer.layers)
        self._layers = LayerChoice(self.screen, self._reader.read, self._show_state)
        self._grabber = ObjectPicker(viewer, self.screen, self.write)
        self._walk = PropagationController(self.screen, self._home, self._layers.reveal)
        self._redraw = single_shot(dock, REDRAW_PAUSE, self._on_image_settled)
        self._prepare = single_shot(dock, PREPARE_PAUSE, self._on_prepare)
        self._connect()
        self.autosave = AutosaveManager(
            dock,
            self.session,
            self.workspace,
            lambda: getattr(maker, "record", None),
            self.screen.attempt,
            self.screen.show_trouble,
        )
        self.folder = FolderController(self.screen, self.autosave.recorder, self.write)
        dock.image.choose(dock.image.layer)
        self._layers.use_image(dock.image.layer)
        self._prepare.start()
        self.autosave.recovery.look()
        self._open_dock = OpenDock(dock, self.session, self.workspace)
        open_docks.add(self._open_dock)

    @property
    def is_prepared(self) -> bool:
        """Whether the model is loaded, or it was tried in vain."""
        return self._has_asked and not (self.session.is_busy or self.session.is_preparing)

    def close(self) -> None:
        """Stop the work, end the thread, let go of the layers. The user's layers stay.

        Touches no widget: Qt may have deleted them already. All is closed, also where one part of
        it fails.
        """
        if self._closed:
            return
        self._closed = True
        open_docks.remove(self._open_dock)
        in_turn = (
            self._courier.close,
            self.dock.engine.fetch.close_work,
            self.folder.close,
            self.autosave.close,
            self._walk.close,
            self.screen.close,
            self._disconnect,
            self.workspace.close,
            self._set_aside.close,
            self.session.close,
        )
        with ExitStack() as closings:
            for close in reversed(in_turn):
                closings.callback(close)

    def undo(self) -> None:
        """Take the last step back, and go to where that was."""
        self.screen.attempt(self.session.undo)
        self._layers.reveal()

    def redo(self) -> None:
        """Do the undone step again, and go to where that was."""
        self.screen.attempt(self.session.redo)
        self._layers.reveal()

    def write(self) -> None:
        """Write the current object and begin the next one."""
        self.screen.attempt(self._write)

    def drop(self) -> None:
        """Forget the current object."""
        self.screen.attempt(self.session.drop)

    def grab(self) -> None:
        """Make the object under the mouse the current one."""
        self._grab_at(self.viewer.cursor.position)

    def step_back(self) -> None:
        """Take the current object to the plane before."""
        self._step(-1)

    def step_on(self) -> None:
        """Take the current object to the plane after."""
        self._step(1)

    def flip_sign(self) -> None:
        """Let the next left click have the other sign."""
        self._set_sign(not self._next_is_positive)

    def hide(self) -> Generator[None, None, None]:
        """Hide the mask until the key is released."""
        self._set_hidden(True)
        yield
        self._set_hidden(False)

    def _actions(self) -> dict[str, Callable[[], Any]]:
        """What the keys do, by the names of `dock_keys.DOCK_KEYS`."""
        return {
            "write": self.write,
            "undo": self.undo,
            "redo": self.redo,
            "drop": self.drop,
            "grab": self.grab,
            "next_sign": self.flip_sign,
            "hide": self.hide,
            "previous_plane": self.step_back,
            "next_plane": self.step_on,
        }

    def _connect(self) -> None:
        dock, session, workspace = self.dock, self.session, self.workspace
        dock.keys.changed.connect(self._on_keys_changed)
        dock.object.write_requested.connect(self.write)
        dock.object.undo_requested.connect(self.undo)
        dock.object.redo_requested.connect(self.redo)
        dock.object.drop_requested.connect(self.drop)
        dock.object.grab_requested.connect(self._set_grabbing)
        dock.object.sign_requested.connect(self._set_sign)
        dock.object.hide_requested.connect(self._set_hidden)
        dock.object.threshold_changed.connect(self._on_threshold_changed)
        dock.object.protect_changed.connect(self._on_protect_changed)
        dock.stack.step_requested.connect(self._step)
        dock.stack.fill_requested.connect(self._fill)
        dock.stack.cancel_requested.connect(self.session.propagation.cancel)
        dock.engine.troubled.connect(self.screen.show_trouble)
        session.object_changed.connect(self._on_object_changed)
        session.busy_changed.connect(dock.show_busy)
        session.preparing_changed.connect(self.screen.show_preparing)
        session.failed.connect(self.screen.show_trouble)
        session.timed.connect(dock.engine.note_pass)
        self._reader.taking.connect(self._on_prepare)
        self._reader.added.connect(self._on_click_added)
        workspace.clicks_changed.connect(self._reader.read)
        workspace.image_changed.connect(self.screen.show_channels)
        workspace.image_changed.connect(self._on_image_changed)
        workspace.tool_changed.connect(self.screen.show_hint)
        dock.resume.clicked.connect(workspace.select_clicks)
        self.viewer.dims.events.point.connect(self._on_dims_changed)
        self.viewer.dims.events.ndisplay.connect(self._on_dims_changed)

    def _disconnect(self) -> None:
        self.dock.keys.close()
        self._layers.close()
        self.viewer.dims.events.point.disconnect(self._on_dims_changed)
        self.viewer.dims.events.ndisplay.disconnect(self._on_dims_changed)
        for signal in (
            self.session.object_changed,
            self.session.busy_changed,
            self.session.preparing_changed,
            self.session.failed,
            self.session.timed,
            self.workspace.clicks_changed,
            self.workspace.image_changed,
            self.workspace.tool_changed,
        ):
            signal.disconnect()
        self.dock.image.close_events()
        self.dock.labels.close_events()

    def _write(self) -> None:
        if self.session.state.scene is not None:
            self.session.write(self._home())

    def _home(self) -> LabelStore:
        """Where the current object is written; one without labels of its own, on its image."""
        state = self.session.state
        if isinstance(state.origin, LabelStore):
            if state.origin.layer not in self.viewer.layers:
                raise OutputError(self.dock.keys.in_words(messages.GONE_LABELS))
            return state.origin
        if not self.screen.is_on_image(state):
            raise OutputError(self.dock.keys.in_words(messages.GONE_IMAGE))
        if self.workspace.labels is None:
            self.dock.labels.choose(self.workspace.make_labels())
        return self.workspace.store(plane_of(state))

    def _on_keys_changed(self) -> None:
        self._keys.change(self.dock.keys.in_force)
        self.screen.show_hint()

    def _on_prepare(self) -> None:
        """Have the model ready before the first click."""
        if not self._closed:
            self._has_asked = True
            self._switch.prepare()

    def _on_message(self, message: Message) -> None:
        if self._closed:
            return
        if isinstance(message, Preparing):
            self._set_aside.pause()
        elif isinstance(message, Prepared):
            self._set_aside.begin()
        if isinstance(message, Tried):
            self._switch.receive(message)
        else:
            self.session.receive(message)

    def _grab_at(self, world: Sequence[float]) -> None:
        self._set_grabbing(False)
        self.screen.attempt(lambda: self._grabber.grab(world))

    def _catch(self, world: Sequence[float]) -> bool:
        """Take a press for a grab, if the button said so."""
        grabs = self._next_grabs
        if grabs:
            self._grab_at(world)
        return grabs

    def _set_grabbing(self, grabbing: bool) -> None:
        self._next_grabs = grabbing
        self.dock.object.show_grabbing(grabbing)
        if grabbing:
            self.dock.show_hint(messages.GRAB_NOW)

    def _step(self, direction: int) -> None:
        self.screen.attempt(lambda: self._walk.step(direction))

    def _fill(self, last: int) -> None:
        self.screen.attempt(lambda: self._walk.fill(last))

    def _set_sign(self, positive: bool) -> None:
        self._next_is_positive = positive
        self.dock.object.show_sign(positive)

    def _on_click_added(self) -> None:
        self._set_sign(True)

    def _set_hidden(self, hidden: bool) -> None:
        self.workspace.preview.set_hidden(hidden)

    def _on_threshold_changed(self, threshold: float) -> None:
        self.session.threshold = threshold
        self.screen.show_object()

    def _on_protect_changed(self, protect: bool) -> None:
        self.session.protect = protect
        self._switch.protect(protect)

    def _on_image_changed(self) -> None:
        self._redraw.start()

    def _on_image_settled(self) -> None:
        if self._closed:
            return
        if not self.workspace.fits_image:
            self._layers.use_reshaped_image()
        state = self.session.state
        if state.is_empty or not self.screen.is_on_image(state):
            return
        self.session.show(self.workspace.scene(plane_of(state)))

    def _on_dims_changed(self) -> None:
        self._walk.show_stack()
        self.screen.show_hint()

    def _on_object_changed(self, state: ObjectState) -> None:
        if state.is_empty:
            # An object begins with a click on it; a sign that was left over would spoil that.
            self._set_sign(True)
        self._show_state()

    def _show_state(self) -> None:
        self._walk.show_stack()
        self.screen.show_state()
