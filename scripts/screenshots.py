"""Make the pictures of the documentation: drives the real dock, so that they never go stale.

Run it with a display, or under a virtual one: scripts/with_display.sh --virtual python
scripts/screenshots.py [FOLDER]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import Qt

from napari_cfr_icl import samples
from napari_cfr_icl.gui.canvas import look_at
from napari_cfr_icl.gui.demo import open_sample, segment

if TYPE_CHECKING:
    from napari_cfr_icl.gui.hand import Hand

FOLDER = Path(__file__).parents[1] / "docs" / "images"


def photo(hand: Hand) -> None:
    """An object that is done, and one with a click on it and one beside it."""
    click(hand, 400, 380)
    hand.type(Qt.Key.Key_W)
    click(hand, 380, 200)
    click(hand, 120, 245)
    click(hand, 200, 330, positive=False)


def fluorescence(hand: Hand) -> None:
    """Some nuclei done, another under way."""
    truth = samples.load("nuclei").labels
    look_at(hand.viewer, (85, 270), 220)
    for number in (1, 8, 11):
        segment(hand, truth == number)
    click(hand, *np.argwhere(truth == 16).mean(axis=0))


def inner_loop(hand: Hand) -> None:
    """All steps of a click on a hard object."""
    inference = hand.dock.engine.inference
    inference.setCurrentIndex(inference.findData("a-cfr-4"))
    inference.activated.emit(inference.currentIndex())
    hand.wait_for_answer()
    click(hand, 300, 250)


def click(hand: Hand, row: float, col: float, positive: bool = True) -> None:
    """Click and wait for the mask."""
    hand.click(row, col, positive)
    hand.wait_for_answer()


PICTURES = {
    "dock-photo": ("photo", photo),
    "dock-fluorescence": ("fluorescence", fluorescence),
    "inner-loop": ("photo", inner_loop),
}


def main(folder: Path) -> None:
    """Make all pictures in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (key, act) in PICTURES.items():
        viewer = napari.Viewer()
        hand = open_sample(viewer, key)
        act(hand)
        viewer.screenshot(str(folder / f"{name}.png"), canvas_only=False, flash=False)
        viewer.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as choices:
        # Whatever the person at this machine has chosen, the pictures show the defaults.
        os.environ["CFR_ICL_CONFIG"] = choices
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
