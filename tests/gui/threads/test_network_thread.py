"""The screen's thread never runs torch, and goes on answering while the real model works."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from torch.overrides import TorchFunctionMode

from event_loop_monitor import EventLoopMonitor
from napari_cfr_icl import samples

pytestmark = pytest.mark.bindings

# The thread of the network is another one, so what is seen here ran in the thread of the screen.


class Watch(TorchFunctionMode):
    """Keeps the names of all functions of torch that are called in the thread that entered it.

    Not a dispatch mode: that one imports triton, whose LLVM and that of a software OpenGL do not
    live in one process.
    """

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.append(getattr(func, "__name__", str(func)))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def driver(viewer, open_dock):
    """A dock on the sample stack with the real default model, ready."""
    sample = samples.load("stack")
    viewer.add_image(sample.image, name="stack", contrast_limits=(140, 900))
    driver = open_dock(viewer)
    driver.wait(lambda: driver.dock.controller.is_prepared)
    truth = sample.labels[8]
    label = int(np.bincount(truth[truth > 0]).argmax())
    viewer.dims.set_current_step(0, 8)
    driver.middle = np.argwhere(truth == label).mean(axis=0)
    return driver


def work(driver):
    """Everything that asks the network or shows its answers."""
    row, col = driver.middle
    driver.click(row, col)
    driver.wait_for_answer()
    driver.click(row + 20, col + 20, positive=False)
    driver.wait_for_answer()
    driver.dock.object.threshold.setValue(40)
    driver.type(Qt.Key.Key_K)
    driver.wait_for_answer()
    driver.dock.stack.last.setValue(13)
    driver.dock.stack.fill.click()
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_W)
    driver.dock.engine.inference.value = "a-cfr-4"
    driver.wait_for_answer()


@pytest.mark.slow
def test_the_thread_of_the_screen_runs_no_torch(driver):
    with Watch() as watch:
        work(driver)
    assert watch.seen == []
    assert driver.dock.controller.workspace.labels.data.any()


def test_the_watch_sees_what_runs_in_its_thread():
    """Without this, a watch that saw nothing would pass the test above."""
    with Watch() as watch:
        torch.ones(2) + 1
    assert any("add" in name for name in watch.seen)


@pytest.mark.slow
def test_the_screen_goes_on_answering_while_the_model_works(driver):
    monitor, passes = EventLoopMonitor(), []
    driver.session.stepped.connect(passes.append)
    driver.session.propagation.filled.connect(passes.append)
    monitor.start()
    work(driver)
    monitor.stop()
    # Nothing about milliseconds, which depend on the machine. But a screen that waited for the
    # network would not beat at all during a pass, and a pass lasts for several beats.
    assert len(passes) >= 5
    assert len(monitor.gaps) > 2 * len(passes)


@pytest.mark.slow
def test_torch_is_imported_in_the_thread_of_the_network():
    code = """
        import sys, threading

        class Witness:
            def find_spec(self, name, path=None, target=None):
                if name == "torch":
                    print(threading.current_thread().name)

        import napari
        from napari_cfr_icl.gui.app.viewer_driver import ViewerDriver
        viewer = napari.Viewer(show=False)
        sys.meta_path.insert(0, Witness())
        _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Segment with clicks")
        assert "torch" not in sys.modules
        ViewerDriver(viewer, dock).wait(lambda: dock.controller.is_prepared)
        viewer.close()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["cfr-icl-network"]
