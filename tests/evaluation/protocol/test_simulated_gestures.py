"""Simulated hands draw an object with the errors that they are said to make."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import polygon

from napari_cfr_icl.evaluation.protocol.options import Protocol
from napari_cfr_icl.evaluation.protocol.simulated_gestures import (
    JITTER,
    LASSO_IOU,
    begun_with,
    gesture_for,
)

SHAPE = (120, 160)


def ellipse(row=60, col=80, height=20, width=50):
    rows, cols = np.indices(SHAPE)
    return ((rows - row) / height) ** 2 + ((cols - col) / width) ** 2 <= 1


@pytest.mark.parametrize("seed", range(4))
def test_a_box_is_off_by_a_tenth_at_most(seed):
    box = gesture_for("box", ellipse(), np.random.default_rng(seed))
    sides = np.array([box.top, box.left, box.bottom, box.right])
    errors = np.abs(sides - [40, 30, 100, 130] + np.array([0, 0, 20, 0]))
    assert (errors <= JITTER * np.array([41, 101, 41, 101])).all()
    assert errors.max() > 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("truth", [ellipse(), ellipse(col=10)], ids=["inside", "at the border"])
def test_a_lasso_has_the_iou_that_it_is_drawn_to(seed, truth):
    lasso = gesture_for("lasso", truth, np.random.default_rng(seed))
    drawn = np.zeros(SHAPE, bool)
    drawn[polygon(*np.array(lasso.points).T, SHAPE)] = True
    found = np.count_nonzero(drawn & truth) / np.count_nonzero(drawn | truth)
    assert found == pytest.approx(LASSO_IOU, abs=0.08)


def test_a_scribble_runs_along_the_middle():
    points = np.array(gesture_for("scribble", ellipse(), np.random.default_rng(0)).points)
    assert np.abs(points[:, 0] - 60).max() <= 1
    assert np.ptp(points[:, 1]) > 40
    assert (np.diff(points[:, 1]) > 0).all() or (np.diff(points[:, 1]) < 0).all()


def test_the_same_object_gets_the_same_gesture():
    truth = ellipse().astype(np.int8)
    made = [begun_with(Protocol(gesture="lasso"), truth, key).clicks for key in ("a", "a", "b")]
    assert made[0] == made[1] != made[2]
    assert begun_with(Protocol(), truth, "a") is None
