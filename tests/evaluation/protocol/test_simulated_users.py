from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.evaluation.protocol.simulated_users import RealisticUser, RobotUser, user_for

GOLDEN = np.load(Path(__file__).parents[2] / "data" / "golden" / "clicker.npz")
SCENES = sorted({name.split("__")[0] for name in GOLDEN.files})


@pytest.mark.parametrize("scene", SCENES)
def test_robot_clicks_where_the_public_code_clicks(scene):
    truth, masks = GOLDEN[f"{scene}__gt"], GOLDEN[f"{scene}__preds"].astype(bool)
    clicks = Clicks()
    for mask in masks:
        clicks = clicks.added(RobotUser().next_click(truth, mask, clicks))

    expected = GOLDEN[f"{scene}__clicks"][:, :3]
    np.testing.assert_array_equal([(c.row, c.col, c.positive) for c in clicks], expected)


def truth_and_mask():
    truth = np.zeros((40, 60), np.int8)
    truth[5:16, 10:31] = 1
    return truth, np.zeros(truth.shape, bool)


def test_ignored_pixels_are_no_error():
    truth, mask = truth_and_mask()
    truth[:, 21:] = -1
    mask[:, 40:] = True

    click = RobotUser().next_click(truth, mask, Clicks())

    assert click == Click(10, 15, positive=True)


def test_border_of_the_image_is_the_border_of_an_error():
    truth = np.ones((5, 9), np.int8)

    click = RobotUser().next_click(truth, np.zeros((5, 9), bool), Clicks())

    assert click == Click(2, 2, positive=True)


def test_large_image_gives_the_same_click_as_its_corner():
    truth, mask = truth_and_mask()
    large = np.zeros((400, 300), np.int8)
    large[100:140, 200:260] = truth

    near = RobotUser().next_click(truth, mask, Clicks())
    far = RobotUser().next_click(large, np.zeros(large.shape, bool), Clicks())

    assert (far.row, far.col) == (near.row + 100, near.col + 200)


def test_realistic_clicks_scatter_inside_the_error_around_its_middle():
    truth, mask = truth_and_mask()
    truth[30:33, 50:53] = 1  # a smaller error elsewhere, never clicked first
    clicks = [RealisticUser(seed).next_click(truth, mask, Clicks()) for seed in range(200)]

    places = np.array([(c.row, c.col) for c in clicks])
    assert all(c.positive for c in clicks)
    assert truth[places[:, 0], places[:, 1]].all()
    assert places[:, 1].max() < 31
    assert len({tuple(place) for place in places.tolist()}) > 40
    assert places.mean(axis=0) == pytest.approx([10, 15], abs=1)
    assert places.std(axis=0) == pytest.approx([2.4, 2.9], abs=0.6)


def test_realistic_user_repeats_itself_and_not_its_last_click():
    truth, mask = truth_and_mask()
    first = RealisticUser(3).next_click(truth, mask, Clicks())
    clicks = Clicks([first])

    assert RealisticUser(3).next_click(truth, mask, Clicks()) == first
    assert RealisticUser(3).next_click(truth, mask, clicks) != first


def test_user_depends_on_the_object_alone():
    assert user_for("realistic", 1, "a/1") == user_for("realistic", 1, "a/1")
    assert user_for("realistic", 1, "a/1") != user_for("realistic", 1, "a/2")
    assert user_for("robot", 1, "a/1") == RobotUser()


def test_unknown_user_is_named():
    with pytest.raises(SettingsError, match="no user 'martian'"):
        user_for("martian", 0, "a/1")
    with pytest.raises(SettingsError, match="spread"):
        RealisticUser(spread=0)
