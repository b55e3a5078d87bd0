"""Work that was left unfinished is offered and put back, and nothing is lost on the way."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from autosave_user import (
    cellpose,
    crash,
    labels,
    opened,
    picture,
    settle,
    slow_disk,
    told,
    work_at,
    write,
)
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave import journal_writer
from napari_cfr_icl.autosave.journal import read_journal
from napari_cfr_icl.gui.autosave import recovery


def test_after_a_crash_everything_is_offered_and_restored(start, open_dock, viewer, data):
    hand = start(scale=(0.5, 0.5))
    write(hand, 40, 60)
    write(hand, 60, 100)
    hand.click(90, 30)
    hand.click(94, 30, positive=False)
    hand.wait_for_answer()
    before, mask = labels(hand).data.copy(), hand.session.mask.full()
    crash(hand, data, viewer)

    viewer.add_image(picture(), name="again", contrast_limits=(0, 255), scale=(0.5, 0.5))
    hand = opened(open_dock, viewer)
    hand.wait(lambda: not hand.dock.offer.isHidden())
    text = hand.dock.offer.text.text()
    assert text.startswith("Unfinished work from ")
    assert text.endswith(": 2 objects and one under way.")
    hand.dock.offer.restore.click()
    hand.wait(lambda: len(hand.session.state.clicks) == 2)
    hand.wait_for_answer()
    assert np.array_equal(labels(hand).data, before)
    assert [c.positive for c in hand.session.state.clicks] == [True, False]
    assert hand.session.mask.full().sum() == mask.sum()
    assert hand.dock.offer.isHidden()
    # It is kept on, in one journal, and the ids go on.
    hand.type(Qt.Key.Key_W)
    work = work_at(hand)
    assert work.object_count == 3
    assert labels(hand).data[86, 30] == 3
    assert np.array_equal(work.final_labels(0), labels(hand).data)
    hand.wait(lambda: len(list(data.glob("*.jsonl"))) == 1)


def test_an_offer_can_be_discarded(start, open_dock, viewer, data):
    hand = start()
    write(hand, 40, 60)
    crash(hand, data, viewer)
    viewer.add_image(picture(), contrast_limits=(0, 255))
    hand = opened(open_dock, viewer)
    hand.wait(lambda: not hand.dock.offer.isHidden())
    hand.dock.offer.discard.click()
    assert hand.dock.offer.isHidden()
    settle(hand)
    assert not list(data.glob("*.jsonl"))
    assert not labels(hand).data.any()


def test_another_image_gets_no_offer_but_one_with_a_file_is_opened(
    start, open_dock, viewer, data, tmp_path
):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, picture(1))
    viewer.open(str(path), plugin="napari")
    hand = opened(open_dock, viewer)
    write(hand, 40, 60)
    before = labels(hand).data.copy()
    crash(hand, data, viewer)
    hand = start()
    hand.wait(lambda: not hand.dock.offer.isHidden())
    assert "Unfinished work on cells from " in hand.dock.offer.text.text()
    assert hand.dock.offer.restore.text() == "Open and restore"
    hand.dock.offer.restore.click()
    hand.wait(lambda: labels(hand) is not None and np.array_equal(labels(hand).data, before))
    assert hand.dock.image.currentText() == "cells"
    settle(hand)
    assert hand.dock.offer.isHidden()


def test_without_its_file_an_image_is_not_offered(start, open_dock, viewer, data):
    hand = start(picture(1))
    write(hand, 40, 60)
    crash(hand, data, viewer)
    assert start().dock.offer.isHidden()


def test_closing_and_opening_the_dock_needs_no_restoring(start, open_dock, viewer, data):
    hand = start()
    write(hand, 40, 60)
    settle(hand)
    viewer.window.remove_dock_widget(hand.dock)
    again = opened(open_dock, viewer)
    assert again.dock.offer.isHidden()
    write(again, 80, 100)
    assert np.array_equal(work_at(again).final_labels(0), labels(again).data)
    again.wait(lambda: len(list(data.glob("*.jsonl"))) == 1)


def test_an_object_of_other_labels_is_kept_with_them(start, open_dock, viewer, data):
    hand = start()
    write(hand, 20, 20)
    others = cellpose(hand).data.copy()
    hand.dock.controller._grab_at((70, 70))
    assert hand.session.state.label == 12
    hand.click(90, 100)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)
    changed = viewer.layers["cellpose"].data.copy()
    ours = labels(hand).data.copy()
    assert (changed != others).any()
    work = work_at(hand)
    assert np.array_equal(work.final_labels(0), ours)
    assert np.array_equal(work.final_labels(1), changed)
    crash(hand, data, viewer)
    hand = start()
    hand.wait(lambda: not hand.dock.offer.isHidden())
    hand.dock.offer.restore.click()
    hand.wait(lambda: bool(hand.dock.work.said.text()))
    assert np.array_equal(labels(hand).data, ours)
    assert np.array_equal(viewer.layers["cellpose"].data, changed)


def offered(start):
    """A dock on the same image, with the offer on the screen."""
    hand = start()
    hand.wait(lambda: not hand.dock.offer.isHidden())
    return hand


def restored(hand):
    hand.dock.offer.restore.click()
    hand.wait(lambda: bool(hand.dock.work.said.text()))
    hand.wait_for_answer()


def choose_image(hand, layer):
    hand.dock.image.choose(layer)
    hand.dock.image.layer_chosen.emit(layer)


@pytest.fixture
def two_images(start, open_dock, viewer, data):
    """A dock on the image B; on A, which is open as well, work was left unfinished."""
    hand = start()
    write(hand, 40, 60)
    crash(hand, data, viewer)
    for seed, name in enumerate("AB"):
        viewer.add_image(picture(seed), name=name, contrast_limits=(0, 255))
    hand = opened(open_dock, viewer)
    assert hand.dock.controller.workspace.image.name == "B"
    assert hand.dock.offer.isHidden()
    return hand


def test_an_offer_that_comes_late_is_for_its_own_image(two_images, viewer):
    hand = two_images
    with slow_disk(hand):
        choose_image(hand, viewer.layers["A"])
        choose_image(hand, viewer.layers["B"])
    assert hand.dock.offer.isHidden()
    choose_image(hand, viewer.layers["A"])
    hand.wait(lambda: not hand.dock.offer.isHidden())


def test_work_is_not_put_onto_an_image_chosen_meanwhile(two_images, viewer, data):
    hand = two_images
    choose_image(hand, viewer.layers["A"])
    hand.wait(lambda: not hand.dock.offer.isHidden())
    notification_manager.records.clear()
    with slow_disk(hand):
        hand.dock.offer.restore.click()
        choose_image(hand, viewer.layers["B"])
    assert len(told()) == 1
    assert "belongs to A, which is not shown any more" in told()[0]
    assert not labels(hand).data.any()
    choose_image(hand, viewer.layers["A"])
    hand.wait(lambda: not hand.dock.offer.isHidden())
    restored(hand)
    assert labels(hand).data[40, 60] == 1


def test_work_that_cannot_be_kept_anew_stays_where_it_was(
    start, open_dock, viewer, data, monkeypatch
):
    hand = start()
    write(hand, 40, 60)
    crash(hand, data, viewer)
    (before,) = data.glob("*.jsonl")
    hand = offered(start)

    def full(*args):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(journal_writer.Journal, "append", full)
    notification_manager.records.clear()
    restored(hand)
    settle(hand)
    assert labels(hand).data[40, 60] == 1
    assert told() == ["The disk is full. A crash would lose what you do from now on."]
    assert list(data.glob("*.jsonl")) == [before]
    assert read_journal(before).object_count == 1


def test_the_journal_of_a_closed_dock_stays_until_there_is_another(
    start, open_dock, viewer, data, monkeypatch
):
    hand = start()
    write(hand, 40, 60)
    settle(hand)
    (before,) = data.glob("*.jsonl")
    viewer.window.remove_dock_widget(hand.dock)
    hand = opened(open_dock, viewer)

    def full(*args):
        raise OutputError("The disk is full.")

    monkeypatch.setattr(journal_writer.Journal, "append", full)
    write(hand, 80, 100)
    settle(hand)
    assert read_journal(before).object_count == 1


def test_restoring_leaves_what_was_drawn_meanwhile(start, viewer, data, monkeypatch):
    hand = start()
    write(hand, 40, 60)
    before = labels(hand).data.copy()
    crash(hand, data, viewer)
    hand = offered(start)
    looked, gate = threading.Event(), threading.Event()

    def slow(*args, real=recovery.labels_of):
        found = real(*args)
        looked.set()
        gate.wait()
        return found

    monkeypatch.setattr(recovery, "labels_of", slow)
    hand.dock.offer.restore.click()
    hand.wait(looked.is_set)
    write(hand, 80, 100)
    drawn = labels(hand).data.copy()
    gate.set()
    hand.wait(lambda: bool(hand.dock.work.said.text()))
    assert drawn[80, 100] == 1
    assert np.array_equal(labels(hand).data, before)
    # A crash loses neither from now on.
    crash(hand, data, viewer)
    hand = offered(start)
    restored(hand)
    kept = [layer.data for layer in viewer.layers if layer.name.startswith("objects")]
    for array in (before, drawn):
        assert any(np.array_equal(array, one) for one in kept)


def test_what_was_under_way_meanwhile_is_not_mixed_up_and_undo_brings_it_back(start, viewer, data):
    hand = start()
    hand.click(40, 60)
    hand.wait_for_answer()
    crash(hand, data, viewer)
    hand = offered(start)
    cellpose(hand)
    hand.dock.controller._grab_at((70, 70))
    assert hand.session.state.label == 12
    restored(hand)
    assert hand.session.state.label is None
    assert [(round(c.row), round(c.col)) for c in hand.session.state.clicks] == [(40, 60)]
    hand.dock.controller.undo()
    hand.dock.controller.undo()
    assert hand.session.state.label == 12


@pytest.mark.parametrize("is_first", [True, False], ids=["it-alone", "after-another"])
def test_an_object_under_way_goes_back_to_its_own_labels(start, viewer, data, is_first):
    hand = start()
    if not is_first:
        write(hand, 20, 20)
    ours = labels(hand).data.copy()
    others = cellpose(hand, label=1).data.copy()
    hand.dock.controller._grab_at((70, 70))
    hand.click(90, 100)
    hand.wait_for_answer()
    crash(hand, data, viewer)
    hand = offered(start)
    restored(hand)
    assert labels(hand).name == "objects"
    assert np.array_equal(viewer.layers["cellpose"].data, others)
    hand.type(Qt.Key.Key_W)
    hand.wait_for_answer()
    assert np.array_equal(labels(hand).data, ours)
    assert (viewer.layers["cellpose"].data == 1).sum() > (others == 1).sum()


def test_labels_without_objects_need_no_layer_of_their_own(start, viewer, data):
    hand = start()
    write(hand, 40, 60)
    hand.type(Qt.Key.Key_U)
    crash(hand, data, viewer)
    hand = offered(start)
    restored(hand)
    assert len(hand.session.state.clicks) == 1
    assert [layer.name for layer in viewer.layers if layer.name.startswith("objects")] == [
        "objects"
    ]
