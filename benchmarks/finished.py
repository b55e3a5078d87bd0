"""Gestures that finished objects need: merging, splitting, deleting, and a nucleus whole in 3-D.

Each is done in a real viewer with mouse and key events, with the action for it and by clicks alone.
A gesture is a click, a key, or a tick in the dock; IoU is that of the worst object in the end.

    scripts/with_display.sh --virtual python benchmarks/finished.py
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import Qt
from scipy.ndimage import gaussian_filter

from napari_cfr_icl.gui.app.viewer_driver import SHIFT, ViewerDriver

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GOAL, MOST = 0.85, 12
RADIUS, PLANES = 26, 9
MIDDLES = (96, 80), (96, 130)
"""Two nuclei that touch, as (row, column)."""


class Person(ViewerDriver):
    """Counts what it does."""

    gestures = 0

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier):
        """Press a key, and wait for what comes of it."""
        self.gestures += 1
        self.type(key, modifier)
        self.wait_for_answer()

    def mark(self, row: float, col: float, positive: bool = True) -> None:
        """Click, and wait for the mask."""
        self.gestures += 1
        self.click(row, col, positive=positive)
        self.wait_for_answer()

    def over(self, place: tuple[int, int], key: Qt.Key, *modifier: Qt.KeyboardModifier) -> None:
        """Press a key over a place."""
        self.hover(*place)
        self.key(key, *modifier)

    def correct(self, truth: NDArray[np.bool_]) -> None:
        """Click where the mask is most wrong until it is good."""
        from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser

        for _ in range(MOST):
            mask = self.session.mask
            shown = np.zeros(truth.shape, bool) if mask is None else mask.full()
            if iou(shown, truth) >= GOAL:
                return
            click = RobotUser().next_click(truth.astype(np.int8), shown, self.session.state.clicks)
            self.mark(click.row, click.col, click.positive)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Overlap of two masks."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def worst(labels: NDArray[np.int_], truths: list[NDArray[np.bool_]]) -> float:
    """The lowest IoU of the true objects with the best of the labels."""
    ids = [i for i in np.unique(labels) if i]
    return min(max((iou(labels == i, truth) for i in ids), default=0.0) for truth in truths)


def nuclei() -> tuple[NDArray[np.float64], list[NDArray[np.bool_]]]:
    """A picture of two nuclei that touch, and their masks."""
    rows, cols = np.indices((192, 210))
    truths = [(rows - r) ** 2 + (cols - c) ** 2 <= RADIUS**2 for r, c in MIDDLES]
    noise = np.random.default_rng(0).normal(0, 6, rows.shape)
    light = sum(gaussian_filter(truth * (90.0 + 25 * n), 3) for n, truth in enumerate(truths))
    truths[1] &= ~truths[0]
    return light + 20 + noise, truths


def stack() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A nucleus over nine planes of fifteen, and its mask."""
    planes, rows, cols = np.indices((15, 192, 210))
    half = PLANES / 2
    distance = ((planes - 7) / half) ** 2
    truth = distance + ((rows - 96) ** 2 + (cols - 100) ** 2) / RADIUS**2 <= 1
    noise = np.random.default_rng(1).normal(0, 6, truth.shape)
    return gaussian_filter(truth * 110.0, (0.7, 3, 3)) + 20 + noise, truth


def fragments(truth: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """A nucleus in four pieces, as another program may leave it."""
    rows, cols = np.indices(truth.shape)
    return np.where(truth, 1 + (rows > MIDDLES[0][0]) + 2 * (cols > MIDDLES[0][1]), 0).astype("u2")


def merge(person: Person, truths: list[NDArray[np.bool_]]) -> None:
    """Grab a piece, join the three others, write."""
    (row, col), step = MIDDLES[0], 8
    person.over((row - step, col - step), Qt.Key.Key_G)
    for place in ((row - step, col + step), (row + step, col - step), (row + step, col + step)):
        person.over(place, Qt.Key.Key_G, SHIFT)
    person.key(Qt.Key.Key_W)


def merge_by_clicks(person: Person, truths: list[NDArray[np.bool_]]) -> None:
    """Grab a piece, switch the protection off, click the rest, write."""
    person.over((MIDDLES[0][0] - 8, MIDDLES[0][1] - 8), Qt.Key.Key_G)
    person.dock.object.protect.click()
    person.gestures += 1
    person.correct(truths[0])
    person.key(Qt.Key.Key_W)
    person.dock.object.protect.click()
    person.gestures += 1


def split(person: Person, truths: list[NDArray[np.bool_]]) -> None:
    """Grab the object, click each part, split."""
    person.over(MIDDLES[0], Qt.Key.Key_G)
    for place in MIDDLES:
        person.mark(*place)
    person.key(Qt.Key.Key_W, SHIFT)


def split_by_clicks(person: Person, truths: list[NDArray[np.bool_]]) -> None:
    """Grab the object, correct it to one part, write; click the other, write."""
    person.over(MIDDLES[0], Qt.Key.Key_G)
    person.correct(truths[0])
    person.key(Qt.Key.Key_W)
    person.correct(truths[1])
    person.key(Qt.Key.Key_W)


def delete(person: Person, truths: list[NDArray[np.bool_]]) -> None:
    """One key over the object."""
    person.over(MIDDLES[1], Qt.Key.Key_Q, SHIFT)


def whole(person: Person, truth: NDArray[np.bool_]) -> None:
    """Click the middle plane, fill both ways."""
    person.viewer.dims.set_point(0, 7)
    person.correct(truth[7])
    person.key(Qt.Key.Key_K, SHIFT)
    person.wait(lambda: not person.session.propagation.is_under_way)


def whole_by_clicks(person: Person, truth: NDArray[np.bool_]) -> None:
    """Click and write the object on each of its planes."""
    for plane in np.flatnonzero(truth.any((1, 2))):
        person.viewer.dims.set_point(0, int(plane))
        person.gestures += 1
        person.correct(truth[plane])
        person.key(Qt.Key.Key_W)


def measure(
    name: str,
    does: Callable[..., None],
    picture: NDArray[np.float64],
    ids: NDArray[np.uint16] | None,
    truth: list[NDArray[np.bool_]] | NDArray[np.bool_],
) -> None:
    """Do it in a new viewer and print a line."""
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    viewer.add_image(picture, name="nuclei")
    if ids is not None:
        viewer.add_labels(ids, name="cells")
    _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Segment with clicks")
    person = Person(viewer, dock)
    person.wait(lambda: dock.controller.is_prepared)
    if ids is not None:
        dock.labels.choose(viewer.layers["cells"])
        dock.labels.layer_chosen.emit(viewer.layers["cells"])
    does(person, truth)
    labels = np.asarray(dock.controller.workspace.labels.data)
    # Plane by plane a nucleus gets an id on each.
    labels, truths = (labels, truth) if isinstance(truth, list) else (labels > 0, [truth])
    print(f"| {name} | {person.gestures} | {worst(labels, truths):.3f} |", flush=True)
    viewer.close()


def main() -> None:
    """Print a table."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print("| what | gestures | IoU |\n|---|---|---|", flush=True)
    picture, truths = nuclei()
    both = (truths[0] | truths[1]).astype(np.uint16)
    two = truths[0] + 2 * truths[1].astype(np.uint16)
    first = [truths[0]]
    measure("merge four fragments", merge, picture, fragments(truths[0]), first)
    measure("the same by clicks", merge_by_clicks, picture, fragments(truths[0]), first)
    measure("split two nuclei", split, picture, both, truths)
    measure("the same by clicks", split_by_clicks, picture, both, truths)
    measure("delete one", delete, picture, two.astype(np.uint16), first)
    planes, truth = stack()
    measure("a nucleus of nine planes", whole, planes, None, truth)
    measure("the same by clicks", whole_by_clicks, planes, None, truth)


if __name__ == "__main__":
    main()
