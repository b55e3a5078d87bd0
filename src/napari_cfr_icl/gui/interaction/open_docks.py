"""The open docks "Segment with clicks", for the docks that work with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakSet

import napari
from psygnal import Signal

from napari_cfr_icl.gui.interaction.workspace import Workspace
from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.session.preferences import Preferences, load_preferences, save_preferences
from napari_cfr_icl.session.session import Session


@dataclass(frozen=True, eq=False)
class OpenDock:
    """An open dock and the objects behind it.

    Parameters
    ----------
    view : SegmentDock
        The widget; `view.engine` holds the model and the settings in use.
    session : Session
        The clicks and masks of the current object.
    workspace : Workspace
        The layers, and with them the viewer.
    """

    view: SegmentDock
    session: Session
    workspace: Workspace


class OpenDocks:
    """Registry of the open docks of all viewers; holds them weakly.

    `opened` and `closed` are emitted with the `OpenDock` that came or went.
    """

    opened = Signal(OpenDock)
    closed = Signal(OpenDock)

    def __init__(self) -> None:
        self._docks: WeakSet[OpenDock] = WeakSet()

    def add(self, dock: OpenDock) -> None:
        """Register a dock that was opened."""
        self._docks.add(dock)
        self.opened.emit(dock)

    def remove(self, dock: OpenDock) -> None:
        """Remove a dock that was closed."""
        self._docks.discard(dock)
        self.closed.emit(dock)

    def of(self, viewer: napari.Viewer) -> OpenDock | None:
        """The dock of a viewer, or None while none is open."""
        return next((dock for dock in self._docks if dock.workspace.viewer is viewer), None)


open_docks = OpenDocks()


def current_preferences(viewer: napari.Viewer) -> Preferences:
    """The choices shown in the viewer's dock, or the saved ones while none is open."""
    dock = open_docks.of(viewer)
    return load_preferences() if dock is None else dock.view.engine.preferences


def choose_preset(viewer: napari.Viewer, name: str) -> None:
    """Segment with an unmodified preset from now on."""
    chosen = replace(current_preferences(viewer), preset=name, inference="", every_click=False)
    _choose(viewer, chosen)


def choose_model(viewer: napari.Viewer, name: str) -> None:
    """Segment with a model from now on."""
    _choose(viewer, replace(current_preferences(viewer), model=name))


def _choose(viewer: napari.Viewer, chosen: Preferences) -> None:
    dock = open_docks.of(viewer)
    if dock is None:
        save_preferences(chosen)
        return
    dock.view.engine.show_preferences(chosen)
    dock.view.engine.chosen.emit(chosen)
