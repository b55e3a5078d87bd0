"""Kill -9 at any moment: after a restart no object is missing, and at most the last click."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from killed_dock import COLS, GAP, ROWS, checksum

MOMENTS = int(os.environ.get("NAPARI_CFR_ICL_KILLS", "3"))
"""How many moments are tried."""

LONGEST = 4.0
"""Seconds of work before the latest kill."""

SCRIPT = Path(__file__).parents[2] / "support" / "killed_dock.py"


def work_until_killed(image, moment):
    """Kill the worker `moment` seconds after it was ready; returns what it had reported."""
    worker = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(image)], stdout=subprocess.PIPE, text=True
    )
    reported = []
    for line in worker.stdout:
        if not reported:
            assert line == "ready\n"
            timer = threading.Timer(moment, worker.kill)
            timer.start()
        reported.append(line.split())
    worker.stdout.close()
    worker.wait()
    timer.join()
    return reported[1:]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "cells.tif"
    shape = (ROWS * GAP, COLS * GAP)
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, shape, np.uint8))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(MOMENTS))
def test_nothing_that_was_committed_is_missing(seed, image, viewer, open_dock, disks):
    moment = random.Random(seed).uniform(0.05, LONGEST)
    reported = work_until_killed(image, moment)
    written = [line for line in reported if line[0] == "wrote"]
    count = int(written[-1][1]) if written else 0
    clicks = int(reported[-1][2]) if reported and reported[-1][0] == "clicked" else 0

    viewer.open(str(image), plugin="napari")
    driver = open_dock(viewer)
    if count or clicks > 1:
        driver.wait(lambda: not driver.dock.offer.isHidden())
        driver.dock.offer.restore.click()
        driver.wait(lambda: bool(driver.dock.work.said.text()))
        driver.wait_for_answer()
    labels = np.asarray(driver.dock.controller.workspace.labels.data)
    # The worker may have got on after its last report, by one step.
    assert labels.max() in (count, count + 1), (moment, reported[-3:])
    if count:
        assert checksum(labels, count) == int(written[-1][2])
    if labels.max() == count:
        assert len(driver.session.state.clicks) >= clicks - 1
