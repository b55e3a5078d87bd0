"""The demo: sample images with the dock open, or, without a display, a simulated user.

The simulated user works on the same dock with real mouse and key events until the mask is good
enough; its clicks and times are printed, its pictures and labels are saved in a folder.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
import tifffile
from numpy.typing import NDArray
from qtpy.QtCore import Qt

from napari_cfr_icl import samples
from napari_cfr_icl._errors import CfrIclError, OutputError
from napari_cfr_icl.engine.finding.proposals import Proposal
from napari_cfr_icl.evaluation.protocol.metrics import iou
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.gui.app.viewer_driver import PLUGIN, SHIFT, ViewerDriver
from napari_cfr_icl.gui.layers.napari_private import canvas_widget, look_at

WIDGET = "Segment with clicks"
WINDOW = (1500, 950)
GOOD_ENOUGH = 0.9
MOST_CLICKS = 6

LONGEST_SEARCH = 600.0
"""Seconds that a search may take on a busy machine."""

FOUND = 0.5
"""IoU above which a proposal is an object."""


@dataclass(frozen=True, slots=True)
class Task:
    """Objects of one sample that the simulated user segments.

    Parameters
    ----------
    sample : str
        Its name in `samples.load`.
    key : str
        Its name in napari's menu of samples.
    objects : tuple of int
        Ids in the sample's ground truth.
    look_at : float
        Side in pixels of the view around an object; 0 for the whole image.
    finds : bool
        Whether the others of their kind are found then.
    """

    sample: str
    key: str
    objects: tuple[int, ...]
    look_at: float = 0
    finds: bool = False


TASKS = (
    Task("astronaut", "photo", (1, 2)),
    Task("nuclei", "fluorescence", (1, 2, 5, 8, 11, 16, 21, 23), 200, finds=True),
)


@dataclass(frozen=True, slots=True)
class Segmented:
    """The effort to segment one object, and the result.

    Parameters
    ----------
    clicks : int
        Number of clicks.
    overlap : float
        IoU of the written object with the ground truth, 0 to 1.
    first, last : float
        Milliseconds from the press to the first mask and to the refined mask on the screen, the
        median over the clicks.
    """

    clicks: int
    overlap: float
    first: float
    last: float


def run(folder: Path) -> None:
    """Show the demo; on a virtual display, save pictures and labels in `folder`.

    Raises
    ------
    CfrIclError
        When there is no display at all.
    """
    if os.environ.get("NAPARI_CFR_ICL_VIRTUAL_DISPLAY", "0") not in ("", "0"):
        drive(folder)
        return
    displays = (os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and not any(displays):
        raise CfrIclError(
            "There is no display; with Xvfb installed, "
            "NAPARI_CFR_ICL_VIRTUAL_DISPLAY=1 xvfb-run -a napari-cfr-icl demo needs none."
        )
    show()


def show() -> None:
    """Open napari on the sample images with the dock ready, until the user closes it."""
    viewer = napari.Viewer()
    for task in reversed(TASKS):
        viewer.open_sample(PLUGIN, task.key)
    viewer.layers[0].visible = False
    viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    napari.run()


def drive(folder: Path) -> None:
    """Have the simulated user work through all tasks.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error}.") from error
    print("sample         object  clicks    IoU  first mask   refined", flush=True)
    for task in TASKS:
        drive_sample(task, folder)
    print(f"Pictures and labels are in {folder.resolve()}.")


def drive_sample(task: Task, folder: Path) -> None:
    """Segment the objects of one sample in a viewer of its own, and print a line for each."""
    viewer = napari.Viewer()
    try:
        driver = open_sample(viewer, task.key)
        truth = samples.load(task.sample).labels
        for number in task.objects:
            if task.look_at:
                centre = np.argwhere(truth == number).mean(axis=0)
                look_at(viewer, centre, task.look_at)
            done = segment(driver, truth == number)
            print(
                f"{task.sample:<14}{number:>7}{done.clicks:>8}{done.overlap:>7.3f}"
                f"{done.first:>9.0f} ms{done.last:>7.0f} ms",
                flush=True,
            )
        viewer.reset_view()
        if task.finds:
            print(find_rest(driver, truth), flush=True)
        viewer.screenshot(str(folder / f"{task.key}.png"), canvas_only=False, flash=False)
        tifffile.imwrite(folder / f"{task.key}.tif", labels_of(driver))
    finally:
        viewer.close()


def open_sample(viewer: napari.Viewer, key: str) -> ViewerDriver:
    """Open a sample with the dock, and wait until the model is ready."""
    viewer.window.resize(*WINDOW)
    viewer.open_sample(PLUGIN, key)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    driver = ViewerDriver(viewer, dock)
    driver.wait(lambda: dock.controller.is_prepared)
    return driver


def segment(driver: ViewerDriver, truth: NDArray[np.bool_]) -> Segmented:
    """Click until the mask is good enough, then write it with a key."""
    robot, wanted = RobotUser(), truth.astype(np.int8)
    first: list[float] = []
    last: list[float] = []
    mask = np.zeros_like(truth)
    while len(first) < MOST_CLICKS and iou(wanted, mask) < GOOD_ENOUGH:
        click = robot.next_click(wanted, mask, driver.session.state.clicks)
        began = time.perf_counter()
        driver.click(click.row, click.col, click.positive)
        driver.wait(lambda: driver.session.state.answer is not None)
        first.append(_milliseconds_until_drawn(driver, began))
        driver.wait_for_answer()
        last.append(_milliseconds_until_drawn(driver, began))
        patch = driver.session.mask
        mask = np.zeros_like(truth) if patch is None else patch.full()
    before = labels_of(driver).copy()
    driver.type(Qt.Key.Key_W)
    written = (labels_of(driver) != before).astype(bool)
    return Segmented(
        len(first), float(iou(wanted, written)), statistics.median(first), statistics.median(last)
    )


def find_rest(driver: ViewerDriver, truth: NDArray[Any]) -> str:
    """Find and accept the others with two keys; returns a sentence on what was found.

    Parameters
    ----------
    driver : ViewerDriver
        With finished objects.
    truth : ndarray of int, shape (rows, columns)
        Ids of all objects.
    """
    finding = driver.dock.controller.finding
    first: list[float] = []
    before, began = labels_of(driver).copy(), time.perf_counter()

    def note(outcome: object) -> None:
        if isinstance(outcome, Proposal):
            first.append(time.perf_counter() - began)

    finding.search.stepped.connect(note)
    driver.type(Qt.Key.Key_R)
    driver.wait(lambda: not finding.search.is_under_way, LONGEST_SEARCH)
    seconds = time.perf_counter() - began
    finding.search.stepped.disconnect(note)
    driver.type(Qt.Key.Key_R, SHIFT)
    labels = labels_of(driver)
    new = [labels == label for label in np.unique(labels[(labels > 0) & (before == 0)])]
    wanted = set(np.unique(truth)) - set(np.unique(truth[before > 0])) - {0}
    others = [truth == label for label in wanted]
    met = sum(any(iou(one.astype(np.int8), mask) > FOUND for mask in new) for one in others)
    return (
        f"The rest: {met} found, {len(others) - met} missed, {len(new) - met} wrong with two keys; "
        f"the first proposal after {min(first, default=seconds):.1f} s, all after {seconds:.1f} s."
    )


def labels_of(driver: ViewerDriver) -> NDArray[Any]:
    """The array of the labels layer that the dock writes into."""
    labels = driver.dock.controller.workspace.labels
    if labels is None:
        raise RuntimeError("the dock has no labels layer")
    return np.asarray(labels.data)


def _milliseconds_until_drawn(driver: ViewerDriver, began: float) -> float:
    """Draw the canvas now; return the milliseconds since `began`."""
    canvas_widget(driver.viewer).repaint()
    return 1000 * (time.perf_counter() - began)
