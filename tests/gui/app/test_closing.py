"""The dock ends cleanly, however it ends, also in the middle of work; and any layer may go."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from psygnal import EmitLoopError
from qtpy.QtCore import Qt
from qtpy.QtGui import QOpenGLContext

from disk_predictor import DiskPredictor
from napari_cfr_icl.autosave.journal import journals_folder
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.interaction.open_docks import open_docks
from napari_cfr_icl.gui.layers.napari_private import canvas_widget

pytestmark = [pytest.mark.own_viewer, pytest.mark.bindings]

SHAPE = (90, 120)
THREAD = "cfr-icl-network"


def network_threads():
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD]


@pytest.fixture
def slow(monkeypatch):
    """Answers wait for permission before every pass."""
    gate = threading.Semaphore(0)
    predictor = DiskPredictor(passes=2, may_step=gate)
    monkeypatch.setattr(controller, "PredictorMaker", lambda: lambda choice: predictor)
    yield gate
    gate.release(1000)


@pytest.fixture
def busy(viewer, open_dock, slow):
    """A dock in the middle of a prediction."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey")
    driver = open_dock(viewer)
    driver.click(40, 60)
    assert driver.session.is_busy
    return driver


def test_closing_the_dock_mid_work_ends_the_thread_and_leaves_the_layers(busy, slow):
    slow.release(1000)
    busy.viewer.window.remove_dock_widget(busy.dock)
    busy.wait(lambda: not network_threads())
    assert [layer.name for layer in busy.viewer.layers] == ["grey", "objects", "clicks"]


def test_closing_the_viewer_mid_work_ends_the_thread(busy, slow):
    slow.release(1000)
    busy.viewer.close()
    busy.wait(lambda: not network_threads())


def test_one_part_that_cannot_be_closed_keeps_none_of_the_others_open(busy, slow, monkeypatch):
    slow.release(1000)
    trouble = OSError("the disk is gone")

    def fail():
        raise trouble

    monkeypatch.setattr(busy.dock.controller.folder, "close", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        busy.dock.controller.close()
    busy.wait(lambda: not network_threads())
    assert busy.dock.controller.workspace.image is None


def test_a_listener_that_fails_keeps_no_part_open(busy, slow):
    def fail(_):
        raise OSError("the disk is gone")

    open_docks.closed.connect(fail)
    with pytest.raises(EmitLoopError):
        busy.dock.controller.close()
    open_docks.closed.disconnect(fail)
    busy.wait(lambda: not network_threads())
    assert busy.dock.controller.workspace.image is None


def test_the_keys_are_given_back(busy, slow):
    slow.release(1000)
    busy.viewer.window.remove_dock_widget(busy.dock)
    assert not busy.viewer.layers["clicks"].keymap
    assert not busy.viewer.layers["objects"].keymap


def test_a_reopened_dock_takes_up_the_clicks(busy, slow, open_dock):
    slow.release(1000)
    busy.viewer.window.remove_dock_widget(busy.dock)
    again = open_dock(busy.viewer)
    again.wait(lambda: again.session.state.answer is not None)
    assert [(round(c.row), round(c.col)) for c in again.session.state.clicks] == [(40, 60)]
    assert [layer.name for layer in busy.viewer.layers][:2] == ["grey", "objects"]


@pytest.mark.parametrize("name", ["grey", "objects", "clicks", "current object"])
def test_any_layer_may_be_removed(viewer, open_dock, disks, name):
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="other")
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey")
    driver = open_dock(viewer)
    driver.click(40, 60)
    driver.wait_for_answer()
    viewer.layers.remove(name)
    workspace = driver.dock.controller.workspace
    driver.wait(lambda: None not in (workspace.image, workspace.clicks))
    driver.click(20, 30)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    assert driver.dock.controller.workspace.labels.data[20, 30] == 1


def test_all_layers_may_be_removed_at_once(viewer, open_dock, disks):
    viewer.add_image(np.zeros(SHAPE, np.uint8))
    driver = open_dock(viewer)
    driver.click(40, 60)
    viewer.layers.clear()
    driver.wait(lambda: driver.dock.hint.text() == "Open an image to begin.")
    assert driver.session.state.is_empty


@pytest.mark.slow
def test_a_program_that_ends_while_the_model_loads_ends_cleanly():
    code = """
        from napari_cfr_icl.gui.interaction.predictors import EngineChoice, PredictorMaker
        from napari_cfr_icl.session.preferences import Preferences
        from napari_cfr_icl.session.runner import Preparing
        from napari_cfr_icl.session.session import Session
        import threading

        begun = threading.Event()

        def deliver(message):
            if isinstance(message, Preparing):
                begun.set()

        session = Session(PredictorMaker(), deliver)
        session.use_engine(EngineChoice.of(Preferences()))
        begun.wait()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_a_program_that_ends_with_an_open_dock_ends_cleanly_and_keeps_the_work():
    code = """
        import napari
        import numpy as np
        from qtpy.QtCore import Qt

        from disk_predictor import DiskPredictor
        from napari_cfr_icl.gui.app import controller
        from napari_cfr_icl.gui.app.viewer_driver import ViewerDriver

        predictor = DiskPredictor(passes=2)
        controller.PredictorMaker = lambda: lambda choice: predictor
        viewer = napari.Viewer()
        viewer.add_image(np.zeros((90, 120), np.uint8))
        _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Segment with clicks")
        driver = ViewerDriver(viewer, dock)
        driver.click(40, 60)
        driver.wait_for_answer()
        driver.type(Qt.Key.Key_W)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(journals_folder().glob("*.jsonl"))) == 1


def test_what_a_removed_layer_held_is_freed_in_the_canvas_context(viewer, open_dock, disks):
    """Mesa's software renderer ends the process otherwise, at one of the next drawings."""
    layer = viewer.add_image(np.zeros(SHAPE, np.uint8))
    open_dock(viewer).wait_for_answer()
    canvas = canvas_widget(viewer)
    canvas.doneCurrent()
    current = []
    viewer.layers.events.removed.connect(lambda: current.append(QOpenGLContext.currentContext()))
    viewer.layers.remove(layer)
    assert current[0] == canvas.context()
