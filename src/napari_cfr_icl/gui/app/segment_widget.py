"""The widget "Segment with clicks" that the manifest names: the dock with its controller."""

from __future__ import annotations

import napari

from napari_cfr_icl.gui.app.controller import Controller
from napari_cfr_icl.gui.views.segment_dock import SegmentDock
from napari_cfr_icl.session.preferences import load_preferences


class SegmentWidget(SegmentDock):
    """Segment objects of an image layer by clicking on them.

    A class and no function: napari passes the viewer to widget classes only.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to work in; napari recognizes the parameter by its name.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        # Napari passes a proxy, whose layers are not identical with those in its events.
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        preferences = load_preferences()
        super().__init__(viewer.layers, preferences)
        self.controller = Controller(viewer, self, preferences)

    def close_work(self) -> None:
        """Stop the controller; touches no widget."""
        self.controller.close()
