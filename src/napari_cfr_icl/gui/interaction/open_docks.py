"""The dock "Segment with clicks" of a viewer, for the docks that work with it."""

from __future__ import annotations

from dataclasses import replace

import napari

from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.session.preferences import Preferences, load_preferences, save_preferences


def segment_dock(viewer: napari.Viewer) -> SegmentDock | None:
    """The viewer's dock, or None while it is not open."""
    found = viewer.window.dock_widgets.values()
    return next((widget for widget in found if isinstance(widget, SegmentDock)), None)


def current_preferences(viewer: napari.Viewer) -> Preferences:
    """What is chosen in the dock; what was chosen last where it is not open."""
    dock = segment_dock(viewer)
    return load_preferences() if dock is None else dock.engine.preferences


def choose_preset(viewer: napari.Viewer, name: str) -> None:
    """Segment with a preset from now on, exactly as it is."""
    chosen = replace(current_preferences(viewer), preset=name, inference="", every_click=False)
    _choose(viewer, chosen)


def choose_model(viewer: napari.Viewer, name: str) -> None:
    """Segment with a model from now on."""
    _choose(viewer, replace(current_preferences(viewer), model=name))


def _choose(viewer: napari.Viewer, chosen: Preferences) -> None:
    dock = segment_dock(viewer)
    if dock is None:
        save_preferences(chosen)
        return
    dock.engine.show_preferences(chosen)
    dock.engine.chosen.emit(chosen)
