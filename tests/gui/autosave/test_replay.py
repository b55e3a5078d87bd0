"""Two routes to one answer: what the dock made with a real network, `replay` makes again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from checkpoints import HRNET
from napari_cfr_icl.gui.app.viewer_driver import CONTROL, SHIFT
from napari_cfr_icl.session.preferences import Preferences, save_preferences

SHAPE = (3, 90, 120)
ALT = Qt.KeyboardModifier.AltModifier


@pytest.fixture
def driver(viewer, open_dock, tmp_path):
    """A dock on a stack from a file, with a small network in quick arithmetic."""
    rows, cols = np.mgrid[: SHAPE[1], : SHAPE[2]]
    pixels = np.random.default_rng(0).integers(0, 4000, SHAPE, np.uint16)
    pixels[:, np.hypot(rows - 40, cols - 50) < 20] += 20000
    pixels[1, 60:80, 80:110] += 9000
    tifffile.imwrite(tmp_path / "cells.tif", pixels, photometric="minisblack")
    save_preferences(Preferences(model=str(HRNET)))
    viewer.open(str(tmp_path / "cells.tif"), plugin="napari")
    driver = open_dock(viewer)
    driver.wait(lambda: driver.dock.controller.is_prepared)
    return driver


def work(driver):
    """Corrected, interrupted, moved and undone clicks, on two planes, in two contrasts."""
    driver.viewer.dims.set_current_step(0, 1)
    driver.click(40, 50)
    driver.wait(lambda: driver.session.state.answer is not None)
    driver.click(20, 90, positive=False)
    driver.click(48, 60)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    driver.click(70, 95)
    driver.wait_for_answer()
    driver.drag((70, 95), (72, 90))
    driver.wait_for_answer()
    driver.dock.object.threshold.setValue(43)
    driver.type(Qt.Key.Key_W)
    driver.type(Qt.Key.Key_U)
    driver.type(Qt.Key.Key_U, SHIFT)
    driver.draw([(58, 78), (70, 100), (82, 112)], CONTROL)
    driver.wait_for_answer()
    driver.click(75, 85)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    for place in ((10, 10), (10, 100)):
        driver.click(*place, modifier=ALT)
    driver.type(Qt.Key.Key_W)
    driver.wait(lambda: driver.session.state.is_empty)
    driver.viewer.dims.set_current_step(0, 2)
    driver.viewer.layers["cells"].contrast_limits = (500, 15000)
    driver.click(30, 45)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)


@pytest.mark.slow
def test_dock_and_replay_agree_to_the_last_pixel(driver, tmp_path, monkeypatch):
    work(driver)
    labels = driver.dock.controller.workspace.labels.data
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4, 5, 6}
    session = tmp_path / "work.cfrsession.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(session), ""))
    driver.dock.work.save.click()
    driver.wait(session.exists)
    program = Path(sys.executable).with_name("napari-cfr-icl")
    out = tmp_path / "again.tif"
    ended = subprocess.run(
        [program, "replay", session, "--out", out], capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert "6 objects; the labels are those of the session to the last pixel" in ended.stdout
    assert np.array_equal(tifffile.imread(out), labels)
