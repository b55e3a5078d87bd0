import json

import numpy as np
import pytest

from napari_cfr_icl.engine import Click, Clicks, Patch, Window
from napari_cfr_icl.engine.settings import Zoom
from napari_cfr_icl.engine.zooming import (
    choose_window,
    expanded,
    first_window,
    keeps,
    object_box,
    overlap,
)

SHAPE = 300, 400


def _window(inclusive):
    top, bottom, left, right = inclusive
    return Window(top, left, bottom - top + 1, right - left + 1)


def _square(top, left, side, shape=SHAPE):
    values = np.zeros(shape, np.float32)
    values[top : top + side, left : left + side] = 0.9
    return Patch.from_full(values)


def test_boxes_of_the_public_code(golden):
    cases = json.loads((golden / "zoom_roi.json").read_text())["cases"]
    assert len(cases) == 60
    for case in cases:
        clicks = Clicks(Click(row, col, bool(sign)) for row, col, sign in case["clicks"])
        zoom = Zoom(expansion=case["expansion_ratio"], min_side=case["min_crop_size"])
        box = _window(case["mask_box"])
        mask = Patch(np.ones(box.shape, np.float32), box, tuple(case["size"]))
        around = object_box(mask, clicks)
        roi, other = _window(case["roi"]), _window(case["other_roi"])
        assert expanded(around, zoom, mask.image_shape) == roi
        assert overlap(roi, other) == pytest.approx(case["bbox_iou"], abs=1e-12)
        assert keeps(other, other, clicks, 0.5) == case["clicks_inside_other"]


def test_up_to_skip_clicks_the_whole_image_is_seen_unzoomed():
    zoom = Zoom(skip_clicks=1)
    one = Clicks([Click(110, 110)])
    mask = _square(100, 100, 20)
    assert choose_window(one, mask, None, zoom, SHAPE) is None
    two = one.added(Click(5, 5, positive=False))
    assert choose_window(two, mask, None, zoom, SHAPE) == Window(10, 10, 201, 201)


def test_without_an_object_the_view_is_seen():
    clicks, whole = Clicks([Click(50, 50)]), Window(0, 0, 300, 400)
    empty = _square(0, 0, 0)
    assert choose_window(clicks, None, None, Zoom(), SHAPE) == whole
    assert choose_window(clicks, empty, None, Zoom(), SHAPE) == whole
    assert choose_window(clicks, empty, None, Zoom(skip_clicks=0), SHAPE) is None


def test_a_window_stays_while_it_serves():
    zoom = Zoom(min_side=20)
    clicks = Clicks([Click(110, 110)])
    stored = Window(90, 90, 40, 40)
    assert choose_window(clicks, _square(102, 102, 20), stored, zoom, SHAPE) == stored
    small = choose_window(clicks, _square(108, 108, 4), stored, zoom, SHAPE)
    assert small == Window(100, 100, 21, 21)
    outside = clicks.added(Click(129, 110))
    assert choose_window(outside, _square(102, 102, 20), stored, zoom, SHAPE) != stored


def test_an_object_that_is_cut_off_gets_a_wider_window():
    zoom = Zoom(min_side=20, growth=2.0)
    clicks, stored = Clicks([Click(110, 110)]), Window(100, 100, 40, 40)
    inside = choose_window(clicks, _square(105, 105, 30), stored, zoom, SHAPE)
    assert inside == stored
    cut_off = choose_window(clicks, _square(100, 105, 30), stored, zoom, SHAPE)
    assert cut_off == Window(72, 78, 85, 85)
    at_the_border = Window(0, 100, 40, 40)
    clicks = Clicks([Click(10, 110)])
    assert choose_window(clicks, _square(0, 105, 30), at_the_border, zoom, SHAPE) == at_the_border


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(False, Window(0, 0, 36, 36)), (True, Window(0, 0, 61, 61))],
    ids=["cut off", "moved inside"],
)
def test_a_window_at_the_border(shift, expected):
    zoom = Zoom(min_side=60, shift=shift)
    assert expanded(Window(0, 0, 11, 11), zoom, (300, 400)) == expected


def test_a_window_is_never_larger_than_allowed():
    zoom = Zoom(max_side=100, shift=True)
    assert max(expanded(Window(10, 10, 250, 30), zoom, (300, 400)).shape) <= 101


def test_the_first_window_on_a_large_image_lies_around_the_click():
    zoom = Zoom(first_side=100, max_side=150)
    large = (20_000, 10_000)
    assert first_window(Clicks([Click(500, 600)]), large, zoom, None) == Window(450, 550, 100, 100)
    assert first_window(Clicks([Click(3, 9_999)]), large, zoom, None) == Window(0, 9_900, 100, 100)
    assert first_window(Clicks([Click(5, 5)]), (80, 90), zoom, None) == Window(0, 0, 80, 90)
    view = Window(400, 500, 120, 5_000)
    assert first_window(Clicks([Click(500, 600)]), large, zoom, view) == Window(400, 525, 120, 150)
    assert first_window(Clicks([Click(500, 600)]), large, Zoom(), view) == Window.whole(large)
