import pytest

from napari_cfr_icl import _errors
from napari_cfr_icl.engine import Click, Clicks

A, B, C = Click(1, 2), Click(3, 4, positive=False), Click(5.5, 6)


def test_clicks_are_split_by_sign_in_the_order_they_were_made():
    clicks = Clicks([A, B, C])
    assert clicks.positives == (A, C)
    assert clicks.negatives == (B,)


def test_changes_give_new_clicks_and_leave_the_old_ones():
    clicks = Clicks([A, B])
    assert clicks.added(C) == Clicks([A, B, C])
    assert clicks.without(0) == Clicks([B])
    assert clicks.moved(1, 8, 9) == Clicks([A, Click(8, 9, positive=False)])
    assert clicks == Clicks([A, B])
    assert len({clicks, Clicks([A, B]), Clicks([A])}) == 2


def test_a_slice_of_clicks_is_clicks():
    assert Clicks([A, B, C])[:2] == Clicks([A, B])
    assert Clicks([A, B, C])[-1] is C


@pytest.mark.parametrize("bad", [float("nan"), float("inf")], ids=["nan", "infinite"])
def test_a_click_at_no_place_is_refused(bad):
    with pytest.raises(_errors.ClickError, match="finite"):
        Click(bad, 3)


def test_pairs_of_numbers_are_no_clicks():
    with pytest.raises(TypeError, match=r"Click\(row, column\), not of \(3, 4\)"):
        Clicks([A, (3, 4)])
