"""How long the screen keeps its user waiting while the network works: gaps of the event loop.

A timer of the screen's thread beats every 5 ms. The longest time between two beats is the longest
that a mouse click would have waited. The bar is 50 ms on a machine that does nothing else. "Work"
is what the screen's thread did itself in that time, however busy the machine. The first line is
napari's own share: the same clicks and masks of the same size on its layers, with neither dock nor
network.

    scripts/with_display.sh --virtual python benchmarks/heartbeat.py [--window 800 600]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from event_loop_monitor import EventLoopMonitor
from napari_cfr_icl import samples
from napari_cfr_icl.gui.app.viewer_driver import PLUGIN, ViewerDriver, let_happen
from napari_cfr_icl.gui.layers.napari_private import canvas_position, canvas_widget
from napari_cfr_icl.gui.training.process import mark_of
from napari_cfr_icl.training import recipes

if TYPE_CHECKING:
    from collections.abc import Callable

WIDGET = "Segment with clicks"
Size = tuple[int, int]
"""Width and height of a window in pixels."""

BAR = 50
SIDE = 512
WINDOW = (1500, 950)
"""Width and height in pixels, unless --window says otherwise. The time of a drawing without a
graphics card grows with them."""

LONG = 600.0
"""Seconds that a search or a training may take to begin on a busy machine."""

HELD, SETTLED = 60, 150
"""Milliseconds that a button is down, and between a click and what comes next."""

# PyQt's type stubs take these functions for methods.
_EVENTS: Any = QTest


@dataclass(frozen=True)
class Row:
    """One line of the table; milliseconds."""

    what: str
    beats: int
    p50: float
    p99: float
    longest: float
    work: float
    over: int


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=50)
    parser.add_argument("--planes", type=int, default=50)
    parser.add_argument("--window", type=int, nargs=2, default=WINDOW, metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args()
    window: Size = tuple(options.window)
    clicks, planes = options.clicks, options.planes
    alone = f"{clicks} points and masks, napari alone"
    rows = [measure(alone, lambda: napari_alone(window, clicks))]
    rows += [measure("loading the model", lambda: load(window))]
    rows += [measure(f"{clicks} clicks, 512 x 512", lambda: click(window, clicks))]
    rows += [measure(f"{clicks} clicks, 2000 x 2000", lambda: click(window, clicks, 2000))]
    rows += [measure(f"filling {planes} planes", lambda: fill(window, planes))]
    rows += [measure("an image of the folder is read ahead", lambda: read_ahead(window))]
    with tempfile.TemporaryDirectory() as folder:
        nuclei = tiles(Path(folder) / "nuclei")
        rows += [measure("the tuning dock searches", lambda: search(window, nuclei))]
        rows += [measure("a training runs in its process", lambda: train(window, nuclei))]
    print("| while | beats | p50 ms | p99 ms | longest ms | longest work ms | over 50 ms |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.what} | {row.beats} | {row.p50:.1f} | {row.p99:.1f} | {row.longest:.0f} "
            f"| {row.work:.0f} | {row.over} |"
        )


def measure(what: str, act: Callable[[], EventLoopMonitor]) -> Row:
    """The gaps of a case's monitor."""
    monitor = act()
    gaps, over = monitor.gaps, sum(gap > BAR for gap in monitor.gaps)
    middle, late = np.quantile(gaps, (0.5, 0.99))
    return Row(what, len(gaps), middle, late, max(gaps), max(monitor.work), over)


def napari_alone(window: Size, count: int, side: int = 512) -> EventLoopMonitor:
    """Points added with the mouse, each followed by a new mask in a layer of labels."""
    viewer = napari.Viewer()
    viewer.window.resize(*window)
    viewer.add_image(photo(side))
    labels = viewer.add_labels(np.zeros((side, side), np.uint8))
    viewer.add_points(ndim=2).mode = "add"
    monitor, generator = EventLoopMonitor(), np.random.default_rng(0)
    let_happen(SETTLED)
    monitor.start()
    for place in generator.uniform(0.1 * side, 0.9 * side, (count, 2)):
        click_slowly(viewer, canvas_position(viewer, place))
        let_happen(SETTLED)
        labels.data = (generator.random((side, side)) < 0.5).astype(np.uint8)
        let_happen(SETTLED)
    monitor.stop()
    viewer.close()
    return monitor


def click_slowly(viewer: napari.Viewer, place: QPoint, positive: bool = True) -> None:
    """Press and release as a finger does: the screen may draw in between."""
    button = Qt.MouseButton.LeftButton if positive else Qt.MouseButton.RightButton
    none, canvas = Qt.KeyboardModifier.NoModifier, canvas_widget(viewer)
    _EVENTS.mousePress(canvas, button, none, place)
    let_happen(HELD)
    _EVENTS.mouseRelease(canvas, button, none, place)


def load(window: Size) -> EventLoopMonitor:
    """The dock is open, and the model is loaded and warmed behind it."""
    driver, monitor = opened(window, photo(SIDE)), EventLoopMonitor()
    # The first drawing of new layers, for which Mesa makes its programs, comes before.
    let_happen(SETTLED)
    monitor.start()
    driver.wait(lambda: driver.dock.controller.is_prepared)
    return ended(driver, monitor)


def click(window: Size, count: int, side: int = 512) -> EventLoopMonitor:
    """Clicks here and there, every tenth of them followed by W."""
    driver, monitor = opened(window, photo(side)), EventLoopMonitor()
    driver.wait(lambda: driver.dock.controller.is_prepared)
    places = np.random.default_rng(0).uniform(0.1 * side, 0.9 * side, (count, 2))
    monitor.start()
    for number, (row, col) in enumerate(places, 1):
        click_slowly(driver.viewer, driver.place(row, col), positive=number % 4 != 3)
        driver.wait_for_answer()
        # Else two events were one gap: those of Qt's tests do not come through its queue.
        let_happen(SETTLED)
        if number % 10 == 0:
            driver.type(Qt.Key.Key_W)
            let_happen(SETTLED)
    return ended(driver, monitor)


def fill(window: Size, planes: int) -> EventLoopMonitor:
    """An object is filled through many planes."""
    sample = samples.load("stack")
    middle = sample.image[8]
    stack = np.repeat(middle[np.newaxis], planes + 1, axis=0)
    driver, monitor = opened(window, stack, contrast_limits=(140, 900)), EventLoopMonitor()
    driver.wait(lambda: driver.dock.controller.is_prepared)
    driver.viewer.dims.set_current_step(0, 0)
    label = int(np.bincount(sample.labels[8][sample.labels[8] > 0]).argmax())
    driver.click(*np.argwhere(sample.labels[8] == label).mean(axis=0))
    driver.wait_for_answer()
    monitor.start()
    driver.dock.stack.fill.click()
    driver.wait_for_answer()
    return ended(driver, monitor)


def read_ahead(window: Size, side: int = 8000, seconds: int = 5) -> EventLoopMonitor:
    """The first image of a folder is on the screen, and the second, a large one, is being read."""
    driver, monitor = opened(window, photo(SIDE)), EventLoopMonitor()
    # Loading the model has a row of its own.
    driver.wait(lambda: driver.dock.controller.is_prepared)
    with tempfile.TemporaryDirectory() as folder:
        # A small one first: that napari takes half a second to draw a large one is no part of this.
        for number, size in enumerate((SIDE, side)):
            image = photo(size)
            tifffile.imwrite(Path(folder) / f"{number}.tif", image, compression="zlib")
        opener, panel = driver.dock.controller.folder, driver.dock.folder
        opener.open(Path(folder))
        driver.wait(lambda: panel.where.text().startswith("1 of") and not opener.is_going)
        # Nor is its first drawing; the second one takes longer to read than this.
        let_happen(SETTLED)
        monitor.start()
        let_happen(1000 * seconds)
        return ended(driver, monitor)


def search(window: Size, nuclei: Path, seconds: int = 30) -> EventLoopMonitor:
    """A search is under way in the tuning dock."""
    driver, monitor = opened(window, photo(SIDE)), EventLoopMonitor()
    dock = driver.open_beside("Tune refinement")
    dock.tabs.setCurrentIndex(1)
    dock.search_panel.source.use_folder.click()
    dock.search_panel.source.path.setText(str(nuclei))
    dock.search_panel.start.click()
    driver.wait(lambda: dock.search_panel.bar.value() > 0, LONG)
    monitor.start()
    let_happen(1000 * seconds)
    monitor.stop()
    dock.end()
    return ended(driver, monitor)


def train(window: Size, nuclei: Path, seconds: int = 30) -> EventLoopMonitor:
    """A training makes its steps, and its curves are drawn."""
    driver, monitor = opened(window, photo(SIDE)), EventLoopMonitor()
    dock = driver.open_beside("Train a model")
    shorter = ["data.side=96", "schedule.batch=2", "schedule.steps=1000", "validation.every=20"]
    few = ["validation.objects=2", "validation.max_clicks=3", "validation.gate_objects=5"]
    options = recipes.with_assignments(dock.settings.options(), [*shorter, *few])
    dock.settings.form.show_options(options)
    dock.data.source.use_folder.click()
    dock.data.source.path.setText(str(nuclei))
    dock.progress.folder.setText(str(nuclei.parent / "run"))
    dock.progress.start.click()
    driver.wait(lambda: dock.runs.status is not None, LONG)
    driver.wait(lambda: max(dock.runs.status.curves.rounds, default=0) >= 1, LONG)
    monitor.start()
    let_happen(1000 * seconds)
    monitor.stop()
    mark_of(dock.runs.run).kill()
    dock.end()
    return ended(driver, monitor)


def tiles(folder: Path) -> Path:
    """The field of nuclei and its labels in nine pieces, as a collection."""
    sample = samples.load("nuclei")
    for part, values in (("images", sample.image), ("labels", sample.labels)):
        (folder / part).mkdir(parents=True)
        rows, cols = (side // 3 for side in values.shape[:2])
        for number in range(9):
            top, left = (number // 3) * rows, (number % 3) * cols
            tile = values[top : top + rows, left : left + cols]
            tifffile.imwrite(folder / part / f"field-{number}.tif", tile)
    return folder


def photo(side: int) -> np.ndarray:
    """A photograph, repeated to fill a square."""
    picture = samples.load("astronaut").image
    times = -(-side // picture.shape[0])
    return np.tile(picture, (times, times, 1))[:side, :side]


def opened(window: Size, image: np.ndarray, **options: object) -> ViewerDriver:
    """A viewer with an image and the dock."""
    viewer = napari.Viewer()
    viewer.window.resize(*window)
    viewer.add_image(image, **options)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    return ViewerDriver(viewer, dock)


def ended(driver: ViewerDriver, monitor: EventLoopMonitor) -> EventLoopMonitor:
    """Stop the monitor, then close everything."""
    monitor.stop()
    print(driver.dock.hint.text())
    driver.viewer.close()
    driver.session.close(timeout=60)
    return monitor


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as choices:
        os.environ["NAPARI_CFR_ICL_CONFIG"] = choices
        main()
