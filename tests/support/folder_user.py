"""What a person does who walks through a folder of images in a real dock."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QFileDialog

SHAPE = (120, 160)


def pixels(seed, kind=np.uint8):
    return np.random.default_rng(seed).integers(0, 200, SHAPE).astype(kind)


def walked(driver, folder, monkeypatch):
    """Open the folder with the real button, in a dock that was just opened."""
    driver.wait_for_answer()
    choose(monkeypatch, folder)
    go(driver, driver.dock.folder.open)
    return driver


def choose(monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(path))


def arrived(driver):
    controller = driver.dock.controller.folder
    driver.wait(lambda: not controller.is_going)
    driver.wait_for_answer()
    idle(driver)


def idle(driver):
    """Let what was asked for after the arrival, such as reading ahead, come to its end."""
    done = []
    driver.dock.controller.folder._files.do(lambda: None, done.append)
    driver.wait(lambda: bool(done))


def go(driver, button):
    button.click()
    arrived(driver)


def draw(driver, row=40, col=60):
    driver.click(row, col)
    driver.wait_for_answer()


def where(driver):
    return driver.dock.folder.where.text()


def labels(driver):
    return driver.dock.controller.workspace.labels.data
