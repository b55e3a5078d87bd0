"""Napari viewers for the tests: opened, emptied for the next test, closed."""

from __future__ import annotations

import gc
from unittest.mock import patch

import napari
from napari._qt.qt_viewer import QtViewer
from napari.settings import get_settings
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

SIZE = 1100, 800


class Viewers:
    """Opens viewers and closes those that are left."""

    def __init__(self) -> None:
        self._open: list[napari.Viewer] = []

    def open(self) -> napari.Viewer:
        """A viewer on the screen, as large as the tests expect."""
        get_settings().reset()
        viewer = napari.Viewer(show_welcome_screen=False)
        viewer.window.resize(*SIZE)
        self._open.append(viewer)
        return viewer

    @property
    def last(self) -> napari.Viewer | None:
        """The viewer that was opened last, if any."""
        return self._open[-1] if self._open else None

    def close(self) -> None:
        """Close what the tests have left open."""
        for viewer in self._open:
            window = getattr(viewer.window, "_qt_window", None)
            if window is not None:
                with patch.object(window, "_save_current_window_settings"):
                    viewer.close()
        self._open.clear()
        gc.unfreeze()
        gc.collect()


def all_are_gone() -> bool:
    """Whether nothing holds what was on the screen, in any viewer that was closed."""
    left = len(QtViewer._instances)
    QtViewer._instances.clear()
    return not left


def empty(viewer: napari.Viewer) -> None:
    """Take away what a test has put into the viewer, and look at it as in the beginning."""
    viewer.window.remove_dock_widget("all")
    viewer.layers.clear()
    get_settings().reset()
    viewer.dims.ndisplay = 2
    viewer.dims.reset()
    getattr(viewer, "scene", viewer).camera.reset()  # napari 0.9 moved it into the scene
    viewer.theme = get_settings().appearance.theme
    viewer.window.resize(*SIZE)
    process_events()
    # Napari and the dock collect garbage at each of the next test's steps. Removing the layers has
    # collected this test's; what is left stays as long as the viewer.
    gc.freeze()


def process_events() -> None:
    """Let Qt do what was put off: deletions, too, which no nested event loop does."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
