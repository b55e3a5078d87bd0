"""A person at work until the process is killed: objects one after the other, each step reported.

Run as: python killed_dock.py IMAGE. Every line that it prints is true when it is printed.
"""

from __future__ import annotations

import random
import sys
import zlib

import napari
import numpy as np
from qtpy.QtCore import Qt

from disk_predictor import DiskPredictor
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.app.viewer_driver import ViewerDriver

ROWS, COLS, GAP = 8, 12, 16


def checksum(labels: np.ndarray, most: int) -> int:
    """Of the labels up to an id."""
    return zlib.crc32(np.where(labels <= most, labels, 0).astype(np.uint16).tobytes())


def say(*words: object) -> None:
    """Report at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(path: str) -> None:
    chance = random.Random(0)
    controller.PredictorMaker = lambda: lambda choice: DiskPredictor(passes=2)
    viewer = napari.Viewer()
    viewer.window.resize(1100, 800)
    viewer.open(path, plugin="napari")
    _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Segment with clicks")
    driver = ViewerDriver(viewer, dock)
    driver.wait(lambda: dock.controller.is_prepared)
    say("ready")
    for number in range(ROWS * COLS):
        row, col = GAP // 2 + GAP * (number // COLS), GAP // 2 + GAP * (number % COLS)
        for extra in range(chance.randint(1, 3)):
            driver.click(row + 2 * extra, col)
            driver.wait_for_answer()
            say("clicked", number, extra + 1)
        driver.type(Qt.Key.Key_W)
        labels = np.asarray(dock.controller.workspace.labels.data)
        say("wrote", number + 1, checksum(labels, number + 1))


if __name__ == "__main__":
    main(sys.argv[1])
