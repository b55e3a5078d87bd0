"""A real viewer with the real dock, driven with real mouse and key events."""

from __future__ import annotations

import os

import napari.settings
import pytest
from napari.utils.notifications import notification_manager
from npe2 import PluginManager

import autosave_user
from disk_predictor import DiskPredictor
from dock_user import DockUser
from napari_cfr_icl.gui.app import controller
from viewers import Viewers, all_are_gone, empty

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


@pytest.fixture(scope="session", autouse=True)
def display(xvfb):
    """A display of this process alone, with a software renderer, wherever Xvfb is to be had."""
    if xvfb is not None:
        os.environ.pop("WAYLAND_DISPLAY", None)
        os.environ.update(
            QT_QPA_PLATFORM="xcb",
            XDG_SESSION_TYPE="x11",
            LIBGL_ALWAYS_SOFTWARE="1",
            NAPARI_CFR_ICL_VIRTUAL_DISPLAY="1",
        )


@pytest.fixture(scope="session", autouse=True)
def napari_for_tests(qapp):
    """Napari without the thread that writes its status line, its plugins looked for once.

    It looks through all installed packages for the settings of plugins, and each test wants them.
    """
    found = PluginManager.instance().discover()
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None)
        patches.setattr(PluginManager, "discover", lambda *_, **__: found)
        yield


@pytest.fixture(scope="module")
def shared_viewer(request, qapp):
    """The viewer that the tests of a module share, opened when it is asked for."""
    yield from closed_in_the_end(request)


@pytest.fixture
def open_viewer(request, shared_viewer):
    """Open viewers that the test may close."""
    shared_viewer.close()
    for viewers in closed_in_the_end(request):
        yield viewers.open


def closed_in_the_end(request):
    viewers = Viewers()
    yield viewers
    viewers.close()
    # The traceback of a failure holds what it was about.
    assert all_are_gone() or request.session.testsfailed


@pytest.fixture
def viewer(request, shared_viewer):
    """An empty viewer that is shown, so that the canvas has a size.

    The tests of a module share one, because opening it takes longer than most of them. What is
    marked own_viewer has one to itself.
    """
    if request.node.get_closest_marker("own_viewer"):
        yield request.getfixturevalue("open_viewer")()
    else:
        viewer = shared_viewer.last or shared_viewer.open()
        yield viewer
        empty(viewer)


@pytest.fixture
def open_dock(viewer):
    """Open the dock as napari's menu does; it is closed and its thread ended after the test."""
    docks = []

    def make(viewer):
        _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Segment with clicks")
        docks.append(dock.controller)
        return DockUser(viewer, dock)

    yield make
    for opened in docks:
        opened.close()
        assert opened.session.close(timeout=CLOSING_PATIENCE)


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
