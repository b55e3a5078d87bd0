"""Make the pictures of the documentation: drives the real dock, so that they never go stale.

Run it with a display, or under a virtual one: scripts/with_display.sh --virtual python
scripts/screenshots.py [FOLDER [NAME...]]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea

from napari_cfr_icl import samples
from napari_cfr_icl.autosave.journal import journals_folder
from napari_cfr_icl.autosave.journal import unfinished as list_unfinished
from napari_cfr_icl.gui.app.demo import open_sample, segment
from napari_cfr_icl.gui.app.viewer_driver import PLUGIN, let_happen
from napari_cfr_icl.gui.layers.napari_private import look_at
from napari_cfr_icl.gui.training.process import mark_of
from napari_cfr_icl.gui.tuning.inspector_panel import STEPS_SHOWN
from napari_cfr_icl.gui.widgets.section import Section
from napari_cfr_icl.training import recipes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_cfr_icl.gui.app.viewer_driver import ViewerDriver

LONG = 1800.0
"""Seconds that a search or a run may take on a slow machine."""

SETTLED = 500
"""Milliseconds that a dock may take to lay itself out anew."""

FOLDER = Path(__file__).parents[1] / "docs" / "images"


def photo(driver: ViewerDriver) -> None:
    """An object that is done, and one with a click on it and one beside it."""
    click(driver, 400, 380)
    driver.type(Qt.Key.Key_W)
    click(driver, 380, 200)
    click(driver, 120, 245)
    click(driver, 200, 330, positive=False)


def fluorescence(driver: ViewerDriver) -> None:
    """Some nuclei done, another under way."""
    truth = samples.load("nuclei").labels
    look_at(driver.viewer, (85, 270), 220)
    for number in (1, 8, 11):
        segment(driver, truth == number)
    click(driver, *np.argwhere(truth == 16).mean(axis=0))


def inner_loop(driver: ViewerDriver) -> None:
    """All steps of a click on a hard object."""
    driver.dock.engine.inference.value = "a-cfr-4"
    driver.wait_for_answer()
    click(driver, 337, 172)


def grab(driver: ViewerDriver) -> None:
    """A nucleus of an older segmentation, two of them taken for one: grabbed and corrected."""
    truth = samples.load("nuclei").labels
    older = np.where(np.isin(truth, (8, 11)), 8, truth)
    driver.viewer.add_labels(older, name="last year", opacity=0.4)
    driver.viewer.layers.move(len(driver.viewer.layers) - 1, 1)
    driver.dock.controller.workspace.select_clicks()
    kept, wrong = (np.argwhere(truth == number).mean(axis=0) for number in (8, 11))
    look_at(driver.viewer, (kept + wrong) / 2, 160)
    driver.hover(*kept)
    driver.type(Qt.Key.Key_G)
    click(driver, *wrong, positive=False)


def find(driver: ViewerDriver) -> None:
    """Three nuclei done, the rest proposed, one of them rejected and one accepted."""
    truth = samples.load("nuclei").labels
    for number in (1, 8, 11):
        segment(driver, truth == number)
    driver.type(Qt.Key.Key_R)
    driver.wait(lambda: not driver.dock.controller.finding.search.is_under_way, LONG)
    look_at(driver.viewer, (170, 300), 330)
    for number, good in ((2, True), (16, False)):
        driver.click(*np.argwhere(truth == number).mean(axis=0), positive=good)


def click(driver: ViewerDriver, row: float, col: float, positive: bool = True) -> None:
    """Click and wait for the mask."""
    driver.click(row, col, positive)
    driver.wait_for_answer()


def tuning_look(driver: ViewerDriver) -> None:
    """The inner loop of a click, and a threshold that was dragged."""
    dock = driver.open_beside("Tune refinement")
    click(driver, 337, 172)
    driver.wait(
        lambda: (
            dock.inspector.inspection is not None and dock.inspector.inspection.steps == STEPS_SHOWN
        )
    )
    dock.inspector_panel.steps.setValue(6)
    dock.inspector_panel.unit.setCurrentText("px")
    dock.inspector_panel.threshold.setValue(0.8 * min(dock.inspector.inspection.changes[:3]))
    dock.inspector_panel.scrubber.setValue(2)


def tuning_search(driver: ViewerDriver) -> None:
    """A search on some nuclei, when it is over."""
    truth = samples.load("nuclei").labels
    driver.viewer.add_labels(truth, name="finished", opacity=0.4)
    dock = driver.open_beside("Tune refinement")
    dock.tabs.setCurrentIndex(1)
    dock.search_panel.source.labels.setCurrentText("finished")
    dock.search_panel.fields["objects_per_picture"].value = 6
    dock.search_panel.fields["max_clicks"].value = 6
    dock.search_panel.start.click()
    driver.wait(lambda: not dock.searches.is_running, LONG)


def training(driver: ViewerDriver) -> None:
    """A short run on tiles of the field of nuclei, while it is under way."""
    place = Path(tempfile.mkdtemp())
    sample = samples.load("nuclei")
    for part, values in (("images", sample.image), ("labels", sample.labels)):
        (place / "nuclei" / part).mkdir(parents=True)
        rows, cols = (side // 3 for side in values.shape[:2])
        for number in range(9):
            top, left = (number // 3) * rows, (number % 3) * cols
            tile = values[top : top + rows, left : left + cols]
            tifffile.imwrite(place / "nuclei" / part / f"field-{number}.tif", tile)
    (place / "nuclei" / "labels" / "field-8.tif").unlink()
    dock = driver.open_beside("Train a model")
    dock.data.source.use_folder.click()
    dock.data.source.path.setText(str(place / "nuclei"))
    dock.data.check.click()
    driver.wait(lambda: dock.settings.suggest.isEnabled() and dock.data.check.isEnabled(), LONG)
    driver.wait(lambda: bool(dock.settings.suggestion.text()), LONG)
    driver.wait(lambda: not dock.suggester.is_running, LONG)
    shorter = ["data.side=96", "schedule.batch=2", "schedule.steps=40", "validation.every=4"]
    few = ["validation.objects=2", "validation.max_clicks=3", "validation.gate_objects=5"]
    options = recipes.with_assignments(dock.settings.options(), [*shorter, *few])
    dock.settings.form.show_options(options)
    dock.progress.folder.setText(str(place / "runs" / "nuclei"))
    dock.progress.start.click()
    driver.wait(lambda: dock.runs.status is not None, LONG)
    driver.wait(lambda: max(dock.runs.status.curves.rounds, default=0) >= 12, LONG)
    dock.data.setMaximumHeight(260)
    mark_of(dock.runs.run).kill()
    scroll = dock.findChild(QScrollArea)
    scroll.verticalScrollBar().setValue(scroll.verticalScrollBar().maximum())


def unfinished(driver: ViewerDriver) -> None:
    """What is offered after napari was killed in the middle of an object."""
    truth = samples.load("nuclei").labels
    for number in (1, 8, 11):
        segment(driver, truth == number)
    click(driver, *np.argwhere(truth == 16).mean(axis=0))
    left = journals_folder() / "20260101.jsonl"
    driver.wait(lambda: "clicks" in journal_of_this_run().splitlines()[-1])
    content = journal_of_this_run()
    driver.viewer.window.remove_dock_widget(driver.dock)
    driver.wait(lambda: bool(list_unfinished()))
    for path in left.parent.iterdir():
        path.unlink()
    left.write_text(content, encoding="utf-8")
    driver.viewer.layers.clear()
    driver.viewer.open_sample(PLUGIN, "fluorescence")
    dock = driver.open_beside("Segment with clicks")
    driver.wait(lambda: not dock.offer.isHidden())
    driver.wait(lambda: dock.controller.is_prepared)


def journal_of_this_run() -> str:
    """What is in the journal of the only dock that is open."""
    return next(journals_folder().glob("*.jsonl")).read_text(encoding="utf-8")


def image_folder(driver: ViewerDriver) -> None:
    """The second of a folder of images, the first being finished."""
    place = Path(tempfile.mkdtemp()) / "plate 3"
    place.mkdir()
    image = samples.load("nuclei").image
    for number in range(4):
        top, left = 180 * (number // 2), 240 * (number % 2)
        tifffile.imwrite(
            place / f"well {number + 7}.tif", image[top : top + 260, left : left + 340]
        )
    driver.viewer.layers.clear()
    folder, panel = driver.dock.controller.folder, driver.dock.folder
    folder.open(place)
    driver.wait(lambda: panel.where.text().startswith("1 of") and not folder.is_going)
    panel.finished.click()
    panel.next.click()
    driver.wait(lambda: panel.where.text().startswith("2 of") and not folder.is_going)
    for section in driver.dock.findChildren(Section):
        section.set_open(section.isAncestorOf(panel) or section.isAncestorOf(driver.dock.work))
    scroll = driver.dock.findChild(QScrollArea)
    driver.wait(lambda: scroll.verticalScrollBar().value() == 0)
    scroll.ensureWidgetVisible(panel)


PICTURES = {
    "dock-photo": ("photo", photo),
    "dock-fluorescence": ("fluorescence", fluorescence),
    "inner-loop": ("photo", inner_loop),
    "grab": ("fluorescence", grab),
    "find": ("fluorescence", find),
    "tuning-look": ("photo", tuning_look),
    "tuning-search": ("fluorescence", tuning_search),
    "unfinished-work": ("fluorescence", unfinished),
    "image-folder": ("fluorescence", image_folder),
    "training-dock": ("fluorescence", training),
}


def main(folder: Path, names: Sequence[str] = ()) -> None:
    """Make all pictures in `folder`, or those that are named."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        # Whatever the person at this machine has chosen, the pictures show the defaults; and none
        # shows the offer of the work that the one before it left unfinished.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
            os.environ["NAPARI_CFR_ICL_CONFIG"] = os.environ["NAPARI_CFR_ICL_DATA"] = own
            take(folder / f"{name}.png", *PICTURES[name])


def take(file: Path, key: str, act: Callable[[ViewerDriver], None]) -> None:
    """Open a sample with the dock, act on it, and keep what is on the screen."""
    viewer = napari.Viewer()
    act(open_sample(viewer, key))
    let_happen(SETTLED)
    viewer.screenshot(str(file), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, sys.argv[2:])
