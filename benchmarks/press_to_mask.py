"""Time from the press of the mouse to the mask on the screen, with the real model and real events.

The second image is a pyramid whose levels are computed when they are read, as those of a file are.

    scripts/with_display.sh --virtual python benchmarks/press_to_mask.py [--clicks 20]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import dask.array as da
import napari
import numpy as np
from qtpy.QtCore import Qt

from napari_cfr_icl import samples
from napari_cfr_icl.gui.app.viewer_driver import PLUGIN, ViewerDriver
from napari_cfr_icl.gui.layers.napari_private import canvas_widget, look_at

WIDGET = "Segment with clicks"
SIDE = 512
HUGE = 20_000


def main() -> None:
    """Measure on both images and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=20)
    clicks = parser.parse_args().clicks
    photo = samples.load("astronaut").image
    print("| image | first mask p50 ms | p95 ms | refined mask p50 ms | p95 ms |")
    print("|---|---|---|---|---|")
    measure(f"{SIDE} x {SIDE}", photo, clicks)
    measure(f"{HUGE} x {HUGE}, lazy pyramid", pyramid(photo), clicks)


def pyramid(photo: np.ndarray) -> list[da.Array]:
    """The photograph, repeated to a huge square, at falling resolutions."""
    levels = []
    for power in range(6):
        tile = photo[:: 2**power, :: 2**power]
        times = -(-HUGE // SIDE)
        whole = da.tile(da.from_array(tile, chunks=tile.shape), (times, times, 1))
        side = HUGE // 2**power
        levels.append(whole[:side, :side])
    return levels


def measure(name: str, image: object, clicks: int) -> None:
    """Click here and there, each time on a new object, and print the line."""
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    viewer.add_image(image, rgb=True, multiscale=isinstance(image, list))
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    driver = ViewerDriver(viewer, dock)
    driver.wait(lambda: dock.controller.is_prepared)
    look_at(viewer, (SIDE / 2, SIDE / 2), SIDE)
    first, last = [], []
    for row, col in np.random.default_rng(0).uniform(50, SIDE - 50, (clicks + 1, 2)):
        began = time.perf_counter()
        driver.click(row, col)
        driver.wait(lambda: driver.session.state.answer is not None)
        first.append(drawn(driver, began))
        driver.wait_for_answer()
        last.append(drawn(driver, began))
        driver.type(Qt.Key.Key_Q)
    cells = [
        f"{np.quantile(times[1:], share):.0f}" for times in (first, last) for share in (0.5, 0.95)
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)
    viewer.close()
    driver.session.close(timeout=60)


def drawn(driver: ViewerDriver, began: float) -> float:
    """Draw the canvas now; tell how many milliseconds ago `began` was."""
    canvas_widget(driver.viewer).repaint()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as choices:
        os.environ["NAPARI_CFR_ICL_CONFIG"] = choices
        main()
