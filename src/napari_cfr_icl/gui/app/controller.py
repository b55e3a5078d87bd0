"""The controller of a dock: connects its requests, the mouse and the keys to the session."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import napari

from napari_cfr_icl.gui.autosave.autosave_manager import AutosaveManager
from napari_cfr_icl.gui.folder.folder_controller import FolderController
from napari_cfr_icl.gui.interaction.bindings import Keys, MouseMode
from napari_cfr_icl.gui.interaction.click_sync import ClickSync
from napari_cfr_icl.gui.interaction.engine_switch import EngineSwitch
from napari_cfr_icl.gui.interaction.finding_controller import FindingController
from napari_cfr_icl.gui.interaction.layer_choice import LayerChoice
from napari_cfr_icl.gui.interaction.open_docks import OpenDock, open_docks
from napari_cfr_icl.gui.interaction.pick_object import ObjectPicker
from napari_cfr_icl.gui.interaction.predictors import PredictorMaker, reporting
from napari_cfr_icl.gui.interaction.presenter import Presenter
from napari_cfr_icl.gui.interaction.propagation_controller import PropagationController
from napari_cfr_icl.gui.interaction.workspace import Workspace, plane_of
from napari_cfr_icl.gui.threads.gc_freeze import GcFreeze
from napari_cfr_icl.gui.threads.main_thread_bridge import MainThreadBridge
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.gui.widgets.single_shot import single_shot
from napari_cfr_icl.session.objects import ObjectState
from napari_cfr_icl.session.preferences import Preferences
from napari_cfr_icl.session.session import Session

PREPARE_PAUSE = 300
"""Milliseconds that the dock has to appear before torch is loaded in the background."""

REDRAW_PAUSE = 150
"""Milliseconds without a change of contrast before the mask is predicted again."""


class Controller:
    """Connects one dock, one viewer and one session.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    dock : SegmentDock
        The view.
    preferences : Preferences
        The user's choices of the last time.
    """

    def __init__(self, viewer: napari.Viewer, dock: SegmentDock, preferences: Preferences) -> None:
        self.viewer = viewer
        self.dock = dock
        self._has_prepared = False
        self._closed = False
        maker = PredictorMaker()
        self._build_session(maker, preferences)
        self._build_interaction(maker, preferences)
        self._connect()
        self.autosave = AutosaveManager(
            dock,
            self.session,
            self.workspace,
            lambda: getattr(maker, "record", None),
            self.presenter.attempt,
            self.presenter.show_trouble,
        )
        recorder = self.autosave.recorder
        self.folder = FolderController(
            dock, self.session, viewer, recorder, self.write, self.presenter.show_trouble
        )
        self._layers.begin()
        self._prepare.start()
        self.autosave.recovery.look()
        self._open_dock = OpenDock(dock, self.session, self.workspace)
        open_docks.add(self._open_dock)

    def _build_session(self, maker: PredictorMaker, preferences: Preferences) -> None:
        self._messages = MainThreadBridge(self.dock)
        self._made = MainThreadBridge(self.dock)
        self.session = Session(
            reporting(maker, self._made.arrived.emit),
            self._messages.arrived.emit,
            self._messages.wait_for_drawing,
        )
        self.session.protect = preferences.protect
        self._messages.connect(self.session.receive)

    def _build_interaction(self, maker: PredictorMaker, preferences: Preferences) -> None:
        dock, session = self.dock, self.session
        self._mode = MouseMode()
        self._keys = Keys(self._actions(), dock.keys.in_force)
        self.workspace = Workspace(self.viewer, self._keys, self._mode)
        self.presenter = Presenter(dock, session, self.workspace)
        self._switch = EngineSwitch(session, dock.engine, self.presenter.insist, preferences)
        self._made.connect(self._switch.receive)
        self._click_sync = ClickSync(session, self.workspace, self._mode, self.write)
        self._gc_freeze = GcFreeze(self.viewer.layers)
        attempt = self.presenter.attempt
        self._layers = LayerChoice(dock, session, self.workspace, attempt, self._show_state)
        self._picker = ObjectPicker(session, self.workspace, self.presenter, self.write)
        self._propagation = PropagationController(
            dock.stack,
            session,
            self.workspace,
            self.presenter,
            self._layers.home,
            self._layers.reveal,
        )
        find, home, show = lambda: maker.finder(), self._layers.home_on, self.presenter
        self.finding = FindingController(dock.finding, session, self.workspace, show, find, home)
        self.finding.mode = self._mode
        self._redraw = single_shot(dock, REDRAW_PAUSE, self._on_image_settled)
        # Once for a stroke of the brush, and not at all for the object that is being written.
        self._reshow = single_shot(dock, 0, self._on_labels_changed)
        self._prepare = single_shot(dock, PREPARE_PAUSE, self._on_prepare)

    @property
    def is_prepared(self) -> bool:
        """True once the model is loaded, or could not be."""
        return self._has_prepared and not (self.session.is_busy or self.session.is_preparing)

    def close(self) -> None:
        """Stop the work, end the thread, release the layers. The user's layers stay.

        Touches no widget: Qt may have deleted them already. If one part fails to close, the others
        are closed all the same.
        """
        if self._closed:
            return
        self._closed = True
        in_turn = (
            partial(open_docks.remove, self._open_dock),
            self._messages.close,
            self._made.close,
            self.dock.engine.fetch.close_work,
            self.folder.close,
            self.autosave.close,
            self._propagation.close,
            self.finding.close,
            self.presenter.close,
            self._disconnect,
            self.workspace.close,
            self._gc_freeze.close,
            self.session.close,
        )
        with ExitStack() as closings:
            for close in reversed(in_turn):
                closings.callback(close)

    def undo(self) -> None:
        """Take the last step back, and show its plane."""
        self.presenter.attempt(self.session.undo)
        self._layers.reveal()

    def redo(self) -> None:
        """Redo the undone step, and show its plane."""
        self.presenter.attempt(self.session.redo)
        self._layers.reveal()

    def write(self) -> None:
        """Write the current object and begin the next one."""
        self.presenter.attempt(self._write)

    def drop(self) -> None:
        """Drop the current object, or else the proposals."""
        drops = not self.session.state.is_empty
        self.presenter.attempt(self.session.drop if drops else self.finding.dismiss)

    def pick(self) -> None:
        """Make the object under the mouse the current one."""
        self.pick_at(self.viewer.cursor.position)

    def join(self) -> None:
        """Join the object under the mouse to the current one."""
        self.presenter.attempt(partial(self._picker.join, self.viewer.cursor.position))

    def split(self) -> None:
        """Split the current object, which was grabbed."""
        self.presenter.attempt(self._picker.split)

    def delete(self) -> None:
        """Delete the current object, or else the one under the mouse, from its labels."""
        self.presenter.attempt(partial(self._picker.delete, self.viewer.cursor.position))

    def pick_at(self, world: Sequence[float]) -> None:
        """Make the object at a point in world coordinates the current one."""
        self._mode.picks = False
        if not self.finding.correct(world):
            self.presenter.attempt(partial(self._picker.pick, world))

    def flip_sign(self) -> None:
        """Flip the sign of the next left click."""
        self._mode.positive = not self._mode.positive

    def hide(self) -> Generator[None, None, None]:
        """Hide the mask until the key is released."""
        self.workspace.preview.set_hidden(True)
        yield
        self.workspace.preview.set_hidden(False)

    def _actions(self) -> dict[str, Callable[[], Any]]:
        """The actions of the keys, by the names of `dock_keys.DOCK_KEYS`."""
        return {
            "write": self.write,
            "undo": self.undo,
            "redo": self.redo,
            "drop": self.drop,
            "grab": self.pick,
            "join": self.join,
            "split": self.split,
            "delete": self.delete,
            "next_sign": self.flip_sign,
            "find": self.dock.finding.search.click,
            "accept": self.dock.finding.accept.click,
            "hide": self.hide,
            "previous_plane": partial(self._step, -1),
            "next_plane": partial(self._step, 1),
            "fill_planes": self.dock.stack.fill.click,
            "previous_image": partial(self._go, -1),
            "next_image": partial(self._go, 1),
            "next_unfinished": partial(self._go, 1, unfinished=True),
        }

    def _connect(self) -> None:
        dock = self.dock
        dock.keys.changed.connect(self._on_keys_changed)
        dock.object.write_requested.connect(self.write)
        dock.object.undo_requested.connect(self.undo)
        dock.object.redo_requested.connect(self.redo)
        dock.object.drop_requested.connect(self.drop)
        dock.object.grab_requested.connect(self._on_pick_requested)
        dock.object.split_requested.connect(self.split)
        dock.object.delete_requested.connect(self.delete)
        dock.object.sign_requested.connect(self._on_sign_requested)
        dock.object.hide_requested.connect(self.workspace.preview.set_hidden)
        dock.object.threshold_changed.connect(self._on_threshold_changed)
        dock.object.protect_changed.connect(self._on_protect_changed)
        dock.stack.step_requested.connect(self._step)
        dock.stack.fill_requested.connect(self._fill)
        dock.stack.cancel_requested.connect(self.session.propagation.cancel)
        dock.engine.troubled.connect(self.presenter.show_trouble)
        dock.resume.clicked.connect(self.workspace.select_clicks)
        dock.use_shapes.clicked.connect(self._click_sync.read_shapes)
        dock.use_as_labels.clicked.connect(self._layers.use_as_labels)
        self._mode.events.connect(self._on_mode_changed)
        self._mode.picked.connect(self.pick_at)
        self._mode.drawn.connect(self._click_sync.read_stroke)
        self._click_sync.taking.connect(self._on_prepare)
        self._click_sync.refused.connect(self.presenter.refuse)
        for signal, listener in self._listeners():
            signal.connect(listener)

    def _listeners(self) -> list[tuple[Any, Callable[..., None]]]:
        """Signals that may outlive the dock, and their listeners."""
        session, workspace, dims = self.session, self.workspace, self.viewer.dims.events
        return [
            (session.object_changed, self._on_object_changed),
            (session.object_changed, self.presenter.show_state),
            (session.stepped, self.presenter.show_answer),
            (session.busy_changed, self.dock.show_busy),
            (session.preparing_changed, self._on_preparing_changed),
            (session.failed, self.presenter.show_trouble),
            (session.wrote, self.presenter.show_written),
            (session.timed, self.dock.engine.note_pass),
            (workspace.clicks_changed, self._click_sync.read),
            (workspace.preview.painted, self._click_sync.read_paint),
            (workspace.image_changed, self.presenter.show_channels),
            (workspace.image_changed, self._on_image_changed),
            (workspace.image_moved, self._layers.show_moved),
            (workspace.labels_changed, self._on_labels_drawn),
            (workspace.tool_changed, self._on_tool_changed),
            (dims.point, self._on_dims_changed),
            (dims.ndisplay, self._on_dims_changed),
            (dims.margin_left, self._on_thickness_changed),
            (dims.margin_right, self._on_thickness_changed),
        ]

    def _disconnect(self) -> None:
        self.dock.keys.close()
        self._layers.close()
        for signal, listener in self._listeners():
            signal.disconnect(listener)
        self.dock.image.close_events()
        self.dock.labels.close_events()

    def _write(self) -> None:
        if self.session.state.is_empty:
            self.finding.write_accepted()
        elif self.session.state.scene is not None:
            self.session.write(self._layers.home())

    def _show_state(self) -> None:
        self._propagation.show_stack()
        self.presenter.show_state()

    def _on_keys_changed(self) -> None:
        self._keys.change(self.dock.keys.in_force)
        self.presenter.show_hint()

    def _on_prepare(self) -> None:
        """Have the model loaded: soon after the dock has opened, or by a click before that."""
        if not (self._closed or self._has_prepared):
            self._has_prepared = True
            self._click_sync.taking.disconnect(self._on_prepare)
            self._switch.prepare()

    def _on_preparing_changed(self, preparing: bool) -> None:
        if preparing:
            self._gc_freeze.pause()
        else:
            self._gc_freeze.begin()
        self.presenter.show_preparing(preparing)

    def _on_pick_requested(self, picks: bool) -> None:
        self._mode.picks = picks
        if picks:
            self.dock.show_hint(messages.GRAB_NOW)

    def _on_sign_requested(self, positive: bool) -> None:
        self._mode.positive = positive

    def _on_mode_changed(self) -> None:
        self.dock.object.show_sign(self._mode.positive)
        self.dock.object.show_grabbing(self._mode.picks)

    def _on_threshold_changed(self, threshold: float) -> None:
        self.session.threshold = threshold
        self._on_labels_changed()

    def _on_protect_changed(self, protect: bool) -> None:
        self.session.protect = protect
        self._on_labels_changed()
        self._switch.protect(protect)

    def _on_labels_drawn(self) -> None:
        self._reshow.start()

    def _on_labels_changed(self) -> None:
        """Show the object's share of its mask, which has changed without a click."""
        if not (self._closed or self.session.state.is_empty):
            self.presenter.show_mask()
            self.presenter.show_hint()

    def _on_image_changed(self) -> None:
        self._redraw.start()

    def _on_image_settled(self) -> None:
        if self._closed:
            return
        if not self.workspace.fits_image:
            self._layers.use_reshaped_image()
        state = self.session.state
        if state.is_empty or not self.workspace.is_on_image(state):
            return
        self.session.show(self.workspace.scene(plane_of(state)))

    def _on_dims_changed(self) -> None:
        self._propagation.show_stack()
        self.presenter.fade()
        self._on_tool_changed()

    def _on_thickness_changed(self) -> None:
        if any(str(layer.projection_mode) != "none" for layer in self.workspace.channels):
            self.presenter.show_channels()
            self._on_image_changed()

    def _on_tool_changed(self) -> None:
        if self.workspace.takes_paint and self.session.state.is_empty:
            self.workspace.offer_canvas()
        self.presenter.show_hint()

    def _on_object_changed(self, state: ObjectState) -> None:
        if state.is_empty:
            # An object begins with a click on it; a sign left over would spoil that.
            self._mode.positive = True

    def _step(self, direction: int) -> None:
        self.presenter.attempt(partial(self._propagation.step, direction))

    def _fill(self, first: int, last: int) -> None:
        self.presenter.attempt(partial(self._propagation.fill, first, last))

    def _go(self, step: int, *, unfinished: bool = False) -> None:
        self.folder.leave(step, unfinished=unfinished)
