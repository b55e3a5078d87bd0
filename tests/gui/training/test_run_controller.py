"""Copies of layers for a training run: one at a time, and none that is out of date."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.training import run_controller
from napari_cfr_icl.gui.training.process import OUTPUT, error_of, mark_of, start_run
from napari_cfr_icl.gui.training.run_controller import RunController, last_run
from napari_cfr_icl.gui.training.run_monitor import RunMonitor
from napari_cfr_icl.gui.training.training_dock import CHECK_CANCELLED, STARTING, TrainingDock
from napari_cfr_icl.training import recipes
from training_collections import disks_picture

pytestmark = pytest.mark.bindings


class Copying:
    """Holds up the writing of layers at `gate`; remembers what was written, and the runs."""

    def __init__(self, monkeypatch):
        self.gate = threading.Event()
        self.begun = []
        self.written = []
        self.runs = []
        self.is_under_way = False
        real = LayerFiles.write

        def write(layers, folder, held_out):
            assert not self.is_under_way, "two copies at a time"
            self.is_under_way = True
            self.begun.append(folder)
            assert self.gate.wait(20)
            written = real(layers, folder, held_out)
            self.is_under_way = False
            self.written.append(written)
            return written

        monkeypatch.setattr(LayerFiles, "write", write)
        monkeypatch.setattr(run_controller, "start_run", lambda run, words: self.runs.append(run))


@pytest.fixture
def copying(monkeypatch):
    copying = Copying(monkeypatch)
    yield copying
    copying.gate.set()


@pytest.fixture
def wait(qtbot):
    return lambda until: qtbot.waitUntil(lambda: bool(until()), timeout=60_000)


@pytest.fixture
def runs(qapp):
    parent = QObject()
    runs = RunController(parent)
    yield runs
    runs.close()


def test_a_start_waits_for_the_copy_of_a_check_and_makes_its_own(
    runs, copying, wait, tmp_path, qapp
):
    collected, failed = [], []
    runs.collected.connect(collected.append)
    runs.failed.connect(failed.append)
    picture, labels = disks_picture(0)
    cells, run = LayerFiles("cells", {(): ImageSource(picture)}, labels), tmp_path / "run"
    runs.collect(cells, run)
    wait(lambda: bool(copying.begun))
    runs.start(cells, run, recipes.load_recipe("finetune"), "cpu")
    qapp.processEvents()
    assert len(copying.begun) == 1
    copying.gate.set()
    wait(lambda: copying.runs or failed)
    # What came of the first copy was sent before the second began.
    qapp.processEvents()
    assert failed == []
    assert copying.begun == [run / "cells"] * 2
    assert collected == []


@pytest.fixture
def dock(viewer, copying, tmp_path):
    """The dock with layers named."""
    picture, labels = disks_picture(0)
    viewer.add_image(picture, name="first")
    viewer.add_image(np.zeros_like(picture), name="second")
    viewer.add_labels(labels)
    dock = TrainingDock(viewer)
    dock.data.source.use_layers.click()
    dock.data.source.image.choose(viewer.layers["first"])
    dock.progress.folder.setText(str(tmp_path / "run"))
    dock.checked = []
    dock.checker.start = lambda words: dock.checked.append(words[2])
    yield dock
    dock.end()
    dock.deleteLater()


def test_other_layers_are_not_taken_for_those_that_were_being_copied(dock, viewer, copying, wait):
    dock.data.check.click()
    wait(lambda: bool(copying.begun))
    second = viewer.layers["second"]
    dock.data.source.image.choose(second)
    dock.data.source.image.layer_chosen.emit(second)
    copying.gate.set()
    wait(lambda: copying.written)
    assert dock.checked == []
    dock.data.check.click()
    wait(lambda: bool(dock.checked))
    assert dock.checked == [str(dock.progress.run / "second")]


def test_a_start_breaks_a_check_off_and_says_so(dock, copying, wait, qapp):
    dock.data.check.click()
    wait(lambda: bool(copying.begun))
    dock.progress.start.click()
    assert dock.data.summary.text() == CHECK_CANCELLED
    assert dock.data.check.isEnabled()
    copying.gate.set()
    wait(lambda: copying.runs)
    qapp.processEvents()
    assert dock.checked == []


def test_no_check_writes_over_the_copy_of_a_run_that_is_being_begun(dock, copying, wait):
    dock.progress.start.click()
    wait(lambda: bool(copying.begun))
    dock.data.check.click()
    assert dock.data.summary.text() == STARTING
    copying.gate.set()
    wait(lambda: bool(copying.runs))
    assert len(copying.begun) == 1
    # The run that nobody really started has failed by now.
    wait(lambda: dock.progress.start.isEnabled())
    dock.data.check.click()
    wait(lambda: bool(dock.checked))


# The program ends while the layers of a new run are being copied.
QUIT = """
import sys, threading, time
from pathlib import Path
import numpy as np
from qtpy.QtCore import QCoreApplication, QObject
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.training import process, run_controller
from napari_cfr_icl.training import recipes

def slow_write(*args):
    begun.set()
    time.sleep(1)
    return write(*args)

begun, write, run = threading.Event(), LayerFiles.write, Path(sys.argv[1])
LayerFiles.write = slow_write
run_controller.start_run = lambda run, words: (run / process.MARK).touch()
app, parent = QCoreApplication([]), QObject()
runs = run_controller.RunController(parent)
picture = np.ones((32, 32), np.uint8)
cells = LayerFiles("cells", {(): ImageSource(picture)}, picture)
runs.start(cells, run, recipes.load_recipe("finetune"), "cpu")
begun.wait()
runs.close()
"""


def test_a_run_that_is_being_started_when_the_program_quits_is_started(tmp_path):
    run = tmp_path / "run"
    subprocess.run([sys.executable, "-c", QUIT, str(run)], check=True, timeout=300)
    assert last_run() == run
    assert any((run / "cells").rglob("*.tif"))


def test_a_slow_disk_holds_up_neither_the_screen_nor_the_next_run(
    runs, wait, tmp_path, monkeypatch
):
    real, readers, seen = RunMonitor.read, [], []
    disk = threading.Event()

    def slow_read(monitor):
        readers.append(threading.current_thread())
        assert disk.wait(20)
        return real(monitor)

    monkeypatch.setattr(RunMonitor, "read", slow_read)
    runs.status_changed.connect(lambda status: seen.append((runs.run.name, status)))
    for name, loss in (("first", 1.0), ("second", 2.0)):
        (tmp_path / name).mkdir()
        line = json.dumps({"event": "step", "step": 1, "losses": [loss]})
        (tmp_path / name / "events.jsonl").write_text(line + "\n")
        runs.follow(tmp_path / name)
    wait(lambda: bool(readers))
    disk.set()
    wait(lambda: bool(seen))
    assert threading.main_thread() not in readers
    # What was being read of the first run is not shown as the second's.
    assert [(name, status.curves.losses) for name, status in seen] == [("second", {1: 2.0})]


def test_what_lies_in_the_working_folder_is_not_run(wait, tmp_path, monkeypatch):
    (tmp_path / "subprocess.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    start_run(run, ["--help"])
    mark = mark_of(run)
    wait(lambda: mark is None or not mark.is_alive)
    assert error_of(run) == ""
    assert "usage" in (run / OUTPUT).read_text().lower()
