import numpy as np
import pytest

from napari_cfr_icl.engine import Patch, Window
from napari_cfr_icl.engine.windows import enclosing, iou


def test_a_window_cuts_what_its_slices_say():
    window = Window(1, 2, 3, 4)
    plane = np.arange(60).reshape(6, 10)
    assert plane[window.slices].shape == window.shape == (3, 4)
    assert plane[window.slices][0, 0] == 12
    assert (window.bottom, window.right) == (4, 6)


def test_windows_meet_or_do_not():
    assert Window(0, 0, 4, 4).intersection(Window(2, 3, 5, 5)) == Window(2, 3, 2, 1)
    assert Window(0, 0, 4, 4).intersection(Window(4, 0, 2, 2)) is None
    assert enclosing([Window(0, 5, 2, 2), Window(3, 1, 1, 1)]) == Window(0, 1, 4, 6)


def test_windows_keep_their_centre():
    assert Window(10, 20, 4, 6).about(8, 3) == Window(8, 21, 8, 3)
    assert Window(1, 1, 3, 3).grown(2, 1) == Window(-1, 0, 7, 5)


def test_iou_of_masks_in_different_windows():
    rows = [Patch(np.ones((2, 4), bool), Window(top, 0, 2, 4), (9, 4)) for top in (0, 1, 5)]
    assert [iou(rows[0], other) for other in rows] == pytest.approx([1, 1 / 3, 0])
    nothing = Patch(np.zeros((1, 1), bool), Window(0, 0, 1, 1), (9, 4))
    assert iou(nothing, nothing) == 1


def test_a_window_without_pixels_is_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        Window(0, 0, 0, 4)


def test_a_patch_is_zero_outside_its_window():
    patch = Patch(np.array([[1, 2], [3, 4]]), Window(1, 1, 2, 2), (4, 4))
    assert patch.full().tolist() == [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]
    assert patch.read(Window(0, 0, 2, 3)).tolist() == [[0, 0, 0], [0, 1, 2]]
    assert patch.read(Window(3, 3, 1, 1)).tolist() == [[0]]
    assert patch.at(2, 2) == 4
    assert patch.at(1.4, 1.6) == 2
    assert patch.at(3, 1) == 0


def test_bounds_are_the_box_of_what_is_true():
    values = np.zeros((5, 6))
    values[1, 2] = values[3, 4] = 0.6
    patch = Patch(values, Window(10, 20, 5, 6), (100, 100))
    assert patch.threshold(0.5).bounds() == Window(11, 22, 3, 3)
    assert patch.threshold(0.6).bounds() is None


def test_values_must_fill_the_window():
    with pytest.raises(ValueError, match="do not fill"):
        Patch(np.zeros((2, 3)), Window(0, 0, 3, 2), (9, 9))
