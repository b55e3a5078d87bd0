"""Work is kept while it is done, whichever way the labels change."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt

from autosave_user import SHAPE, journals_of, labels, picture, work_at, write
from napari_cfr_icl.autosave.journal import read_journal
from napari_cfr_icl.gui.app.viewer_driver import SHIFT


def test_nothing_is_offered_and_nothing_kept_at_first(start, data):
    hand = start()
    assert hand.dock.offer.isHidden()
    assert not list(data.glob("*.jsonl"))


def test_each_step_is_in_the_journal(start):
    hand = start()
    hand.click(40, 60)
    hand.wait_for_answer()
    assert [(round(c.row), round(c.col)) for c in work_at(hand).current.clicks] == [(40, 60)]
    hand.click(60, 60, positive=False)
    hand.wait_for_answer()
    assert [c.positive for c in work_at(hand).current.clicks] == [True, False]
    hand.type(Qt.Key.Key_W)
    work = work_at(hand)
    assert work.current is None
    assert np.array_equal(work.final_labels(0), labels(hand).data)
    hand.click(80, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_Q)
    assert work_at(hand).current is None


def test_an_object_is_on_the_disk_as_soon_as_the_key_is_up(start):
    hand = start()
    write(hand, 40, 60)
    (path,) = journals_of(hand)
    assert read_journal(path).object_count == 1


def test_undo_redo_painting_and_naparis_own_undo_are_in_the_journal(start):
    hand = start()
    walk = [
        lambda: write(hand, 40, 60),
        lambda: write(hand, 44, 64),
        lambda: hand.type(Qt.Key.Key_U),
        lambda: hand.type(Qt.Key.Key_U, SHIFT),
        lambda: labels(hand).fill((40, 60), 9),
        lambda: labels(hand).undo(),
        lambda: labels(hand).redo(),
        lambda: labels(hand).paint((100, 100), 5),
        lambda: hand.type(Qt.Key.Key_U),
        lambda: hand.type(Qt.Key.Key_U),
        lambda: hand.type(Qt.Key.Key_Q),
        lambda: write(hand, 20, 20),
        lambda: labels(hand).undo(),
    ]
    for number, act in enumerate(walk):
        act()
        hand.wait_for_answer()
        assert np.array_equal(work_at(hand).final_labels(0), labels(hand).data), number


def test_an_object_that_comes_back_by_redo_keeps_its_clicks(start):
    hand = start()
    write(hand, 40, 60)
    hand.type(Qt.Key.Key_U)
    work = work_at(hand)
    assert work.object_count == 0
    assert len(work.current.clicks) == 1
    hand.type(Qt.Key.Key_U, SHIFT)
    assert work_at(hand).object_count == 1


def test_replaced_labels_begin_anew(start):
    hand = start()
    write(hand, 40, 60)
    other = np.zeros(SHAPE, np.uint8)
    other[100:110, 100:110] = 77
    labels(hand).data = other
    write(hand, 20, 20)
    assert np.array_equal(work_at(hand).final_labels(0), labels(hand).data)
    assert work_at(hand).final_labels(0)[105, 105] == 77


def test_a_walk_through_a_stack_is_in_the_journal(start):
    hand = start(np.stack([picture(i) for i in range(5)]))
    hand.click(40, 60)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_K)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    hand.wait_for_answer()
    kept = work_at(hand)
    assert len(np.unique(np.nonzero(labels(hand).data)[0])) == 2
    assert np.array_equal(kept.final_labels(0), labels(hand).data)
    hand.type(Qt.Key.Key_U)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_U)
    hand.wait_for_answer()
    assert np.array_equal(work_at(hand).final_labels(0), labels(hand).data)
