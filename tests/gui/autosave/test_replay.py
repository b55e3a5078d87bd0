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
from napari_cfr_icl.gui.app.viewer_driver import SHIFT
from napari_cfr_icl.session.preferences import Preferences, save_preferences

SHAPE = (3, 90, 120)


@pytest.fixture
def hand(viewer, open_dock, tmp_path):
    """A dock on a stack from a file, with a small network in quick arithmetic."""
    rows, cols = np.mgrid[: SHAPE[1], : SHAPE[2]]
    pixels = np.random.default_rng(0).integers(0, 4000, SHAPE, np.uint16)
    pixels[:, np.hypot(rows - 40, cols - 50) < 20] += 20000
    pixels[1, 60:80, 80:110] += 9000
    tifffile.imwrite(tmp_path / "cells.tif", pixels, photometric="minisblack")
    save_preferences(Preferences(model=str(HRNET)))
    viewer.open(str(tmp_path / "cells.tif"), plugin="napari")
    hand = open_dock(viewer)
    hand.wait(lambda: hand.dock.controller.is_prepared)
    return hand


def work(hand):
    """Corrected, interrupted, moved and undone clicks, on two planes, in two contrasts."""
    hand.viewer.dims.set_current_step(0, 1)
    hand.click(40, 50)
    hand.wait(lambda: hand.session.state.answer is not None)
    hand.click(20, 90, positive=False)
    hand.click(48, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    hand.click(70, 95)
    hand.wait_for_answer()
    hand.drag((70, 95), (72, 90))
    hand.wait_for_answer()
    hand.dock.object.threshold.setValue(43)
    hand.type(Qt.Key.Key_W)
    hand.type(Qt.Key.Key_U)
    hand.type(Qt.Key.Key_U, SHIFT)
    hand.viewer.dims.set_current_step(0, 2)
    hand.viewer.layers["cells"].contrast_limits = (500, 15000)
    hand.click(30, 45)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)


@pytest.mark.slow
def test_dock_and_replay_agree_to_the_last_pixel(hand, tmp_path, monkeypatch):
    work(hand)
    labels = hand.dock.controller.workspace.labels.data
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    session = tmp_path / "work.cfrsession.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(session), ""))
    hand.dock.work.save.click()
    hand.wait(session.exists)
    program = Path(sys.executable).with_name("napari-cfr-icl")
    out = tmp_path / "again.tif"
    ended = subprocess.run(
        [program, "replay", session, "--out", out], capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert "3 objects; the labels are those of the session to the last pixel" in ended.stdout
    assert np.array_equal(tifffile.imread(out), labels)
