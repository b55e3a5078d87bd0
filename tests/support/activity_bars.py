"""The bars in napari's corner for what goes on, as a person sees and cancels them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from qtpy.QtGui import QMovie
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel, QProgressBar, QWidget

from napari_cfr_icl.gui.app.viewer_driver import LEFT

if TYPE_CHECKING:
    import napari


def bars(viewer: napari.Viewer) -> dict[str, QtLabeledProgressBar]:
    """The bars that are there, by what they say goes on."""
    dialog = viewer.window._qt_window._activity_dialog
    found = dialog.findChildren(QtLabeledProgressBar)
    shown = [bar for bar in found if not bar.isHidden()]
    return {bar.description_label.text().rstrip(": "): bar for bar in shown}


def cancel(viewer: napari.Viewer, what: str) -> None:
    """Open the corner and press the Cancel of one bar, with the mouse."""
    dialog = viewer.window._qt_window._activity_dialog
    if not dialog.isVisible():
        QTest.mouseClick(dialog._toggleButton._activityBtn, LEFT)
    button = bars(viewer)[what].cancel_button
    assert button.isVisible()
    QTest.mouseClick(button, LEFT)


def moving(viewer: napari.Viewer) -> list[QWidget]:
    """The parts of the window that are animated: spinners, and bars of an unknown total."""
    window = viewer.window._qt_window
    spinners = [label for label in window.findChildren(QLabel) if label.movie() is not None]
    return [
        *(s for s in spinners if s.movie().state() == QMovie.MovieState.Running),
        *(b for b in window.findChildren(QProgressBar) if not b.isHidden() and not b.maximum()),
    ]
