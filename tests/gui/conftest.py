"""A real viewer with the real dock, driven with real mouse and key events."""

from __future__ import annotations

import napari.settings
import pytest
from napari.utils.notifications import notification_manager

import autosave_user
from disk_predictor import DiskPredictor
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.app.viewer_driver import ViewerDriver

CLOSING_PATIENCE = 60.0

# PySide6 gives back references to None that it never took, and before Python 3.12 the process
# ends when none is left. A million more outlast the tests.
_SPARE_NONES = [None] * 1_000_000


@pytest.fixture(autouse=True)
def own_preferences(tmp_path, monkeypatch):
    """No test reads or writes what the person at this machine has chosen."""
    monkeypatch.setenv("NAPARI_CFR_ICL_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("NAPARI_CFR_ICL_DATA", str(tmp_path / "data"))
    if hasattr(napari.settings, "get_plugin_settings"):
        # As napari's own fixture does, which wants a plugin manager without plugins besides.
        napari.settings._clear_plugin_settings_cache()
        monkeypatch.setattr(napari.settings, "_CFG_PATH", str(tmp_path / "settings.yaml"))
        yield
        napari.settings._clear_plugin_settings_cache()
    else:
        yield


@pytest.fixture
def open_dock(make_napari_viewer):
    """Open the dock as napari's menu does; it is closed and its thread ended after the test."""
    docks = []

    def make(viewer):
        _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Segment with clicks")
        docks.append(dock.controller)
        return ViewerDriver(viewer, dock)

    yield make
    for opened in docks:
        opened.close()
        assert opened.session.close(timeout=CLOSING_PATIENCE)


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer that is shown, so that the canvas has a size."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1100, 800)
    return viewer


@pytest.fixture
def disks(monkeypatch):
    """Docks that are opened from now on answer each click with a disk, in two passes."""
    predictor = DiskPredictor(passes=2)
    monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: predictor)
    return predictor


@pytest.fixture
def said():
    """The sentences of all notifications from now on."""
    count = len(notification_manager.records)
    return lambda: [record.message for record in notification_manager.records[count:]]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folder of journals."""
    monkeypatch.setenv("NAPARI_CFR_ICL_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "journals"


@pytest.fixture
def start(viewer, open_dock, disks, data):
    """A dock on an image, ready for clicks."""

    def start(pixels=None, **options):
        pixels = autosave_user.picture() if pixels is None else pixels
        viewer.add_image(pixels, name="grey", contrast_limits=(0, 255), **options)
        return autosave_user.opened(open_dock, viewer)

    return start
