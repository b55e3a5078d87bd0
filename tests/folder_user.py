"""What a person does who walks through a folder of images in a real dock."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QFileDialog

SHAPE = (120, 160)


def pixels(seed, kind=np.uint8):
    return np.random.default_rng(seed).integers(0, 200, SHAPE).astype(kind)


def walked(hand, folder, monkeypatch):
    """Open the folder with the real button, in a dock that was just opened."""
    hand.wait_for_answer()
    choose(monkeypatch, folder)
    go(hand, hand.dock.folder.open)
    return hand


def choose(monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(path))


def arrived(hand):
    walk = hand.dock.controller.folder
    hand.wait(lambda: not walk.is_going)
    hand.wait_for_answer()
    idle(hand)


def idle(hand):
    """Let what was asked for after the arrival, such as reading ahead, come to its end."""
    done = []
    hand.dock.controller.folder._files.do(lambda: None, done.append)
    hand.wait(lambda: bool(done))


def go(hand, button):
    button.click()
    arrived(hand)


def draw(hand, row=40, col=60):
    hand.click(row, col)
    hand.wait_for_answer()


def where(hand):
    return hand.dock.folder.where.text()


def labels(hand):
    return hand.dock.controller.workspace.labels.data
