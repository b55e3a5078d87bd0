"""Work is kept while it is done, offered back after a crash, saved, opened and exported."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_cfr_icl.gui.hand import SHIFT
from napari_cfr_icl.session.journal import read_journal
from napari_cfr_icl.session.session_file import open_session

SHAPE = (120, 160)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folder of journals."""
    monkeypatch.setenv("NAPARI_CFR_ICL_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "journals"


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 255, SHAPE, np.uint8)


@pytest.fixture
def start(viewer, open_dock, disks, data):
    """A dock on an image, ready for clicks."""

    def start(pixels=None, **options):
        pixels = picture() if pixels is None else pixels
        viewer.add_image(pixels, name="grey", contrast_limits=(0, 255), **options)
        return opened(open_dock, viewer)

    return start


def opened(open_dock, viewer):
    hand = open_dock(viewer)
    hand.wait_for_answer()
    settle(hand)
    return hand


def settle(hand):
    """Let the events turn, and the thread for files come to its end, twice."""
    for _ in range(2):
        done = []
        hand.dock.controller.work.files.do(lambda: None, done.append)
        hand.wait(lambda done=done: bool(done))


def labels(hand):
    return hand.dock.controller.workspace.labels


def write(hand, row, col):
    hand.click(row, col)
    hand.wait_for_answer()
    hand.type(Qt.Key.Key_W)


def work_at(hand):
    """A journal as it is at this moment, read as after a crash."""
    settle(hand)
    (path,) = journals_of(hand)
    return read_journal(path)


def journals_of(hand):
    keepers = hand.dock.controller.work.recorder._keepers.values()
    return [keeper.path for keeper in keepers if keeper.path is not None]


def crash(hand, data, viewer):
    """What a kill leaves: the journals as they are now, unlocked; nothing of the viewer."""
    settle(hand)
    left = [path.read_bytes() for path in journals_of(hand)]
    hand.dock.controller.close()
    hand.wait(lambda: not list(data.glob("*.lock")))
    shutil.rmtree(data)
    data.mkdir()
    for number, content in enumerate(left):
        (data / f"2020{number}.jsonl").write_bytes(content)
    viewer.window.remove_dock_widget(hand.dock)
    viewer.layers.clear()


def told():
    return [str(n.message) for n in notification_manager.records]


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


def test_what_was_exported_is_not_offered_again(start, viewer, data, tmp_path, monkeypatch):
    hand = start()
    write(hand, 40, 60)
    export(hand, tmp_path / "l.tif", monkeypatch)
    hand.dock.controller.close()
    hand.wait(lambda: not list(data.iterdir()))


# ---------------------------------------------------------------------------------------- export


def choose(monkeypatch, path, kind=""):
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *args, **kwargs: (str(path), kind))


def export(hand, path, monkeypatch, kind=""):
    choose(monkeypatch, path, kind)
    notification_manager.records.clear()
    hand.dock.work.export.click()
    settle(hand)


@pytest.mark.parametrize("suffix", [".tif", ".json", ".geojson", ".zip"])
def test_export_writes_the_format_that_the_name_says(start, tmp_path, monkeypatch, suffix):
    hand = start(scale=(0.5, 0.25), units=("micrometer", "micrometer"))
    write(hand, 40, 60)
    write(hand, 80, 60)
    export(hand, tmp_path / f"mine{suffix}", monkeypatch)
    assert hand.dock.work.said.text() == f"2 objects exported to mine{suffix}."
    assert (tmp_path / f"mine{suffix}").stat().st_size > 100
    if suffix == ".tif":
        with tifffile.TiffFile(tmp_path / "mine.tif") as tiff:
            assert np.array_equal(tiff.asarray(), labels(hand).data)
            assert tiff.imagej_metadata["unit"] == "um"
            assert tiff.pages[0].tags["XResolution"].value == (4, 1)
    if suffix == ".json":
        assert len(json.loads((tmp_path / "mine.json").read_text())["annotations"]) == 2


def test_a_name_without_ending_gets_that_of_the_chosen_format(start, tmp_path, monkeypatch):
    hand = start()
    write(hand, 40, 60)
    export(hand, tmp_path / "mine", monkeypatch, "GeoJSON for QuPath (*.geojson)")
    assert (tmp_path / "mine.geojson").exists()


def test_export_given_up_does_nothing(start, tmp_path, monkeypatch):
    hand = start()
    write(hand, 40, 60)
    export(hand, "", monkeypatch)
    assert told() == []
    assert hand.dock.work.said.isHidden()


BAD = {
    "no objects": (lambda folder: folder / "a.tif", "There are no objects in the labels yet"),
    "no format": (lambda folder: folder / "a.docx", "does not say in which format"),
    "no folder": (lambda folder: folder / "none" / "a.tif", "Nothing can be written into"),
    "the image": (lambda folder: folder / "grey.tif", "is the image itself"),
}


@pytest.fixture
def from_file(viewer, open_dock, disks, data, tmp_path):
    """A dock on an image that was opened from grey.tif."""
    tifffile.imwrite(tmp_path / "grey.tif", picture())
    viewer.open(str(tmp_path / "grey.tif"), plugin="napari")
    return opened(open_dock, viewer)


@pytest.mark.parametrize(("where", "because"), BAD.values(), ids=BAD)
def test_what_cannot_be_exported_is_one_sentence(from_file, tmp_path, monkeypatch, where, because):
    hand = from_file
    if because.startswith("There"):
        assert not labels(hand).data.any()
    else:
        write(hand, 40, 60)
    content = (tmp_path / "grey.tif").read_bytes()
    export(hand, where(tmp_path), monkeypatch)
    assert len(told()) == 1
    assert because in told()[0]
    assert (tmp_path / "grey.tif").read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} <= {"grey.tif", "data", "config"}


def test_what_came_of_the_last_export_goes_when_the_next_one_fails(start, tmp_path, monkeypatch):
    hand = start()
    write(hand, 40, 60)
    export(hand, tmp_path / "mine.tif", monkeypatch)
    assert hand.dock.work.said.text() == "1 object exported to mine.tif."
    export(hand, tmp_path / "mine.docx", monkeypatch)
    assert len(told()) == 1
    assert hand.dock.work.said.isHidden()


# --------------------------------------------------------------------------------- session files


def test_a_session_is_saved_and_opened(start, open_dock, viewer, tmp_path, monkeypatch, data):
    hand = start()
    write(hand, 40, 60)
    hand.click(90, 30)
    hand.wait_for_answer()
    before = labels(hand).data.copy()
    choose(monkeypatch, tmp_path / "mine")
    hand.dock.work.save.click()
    settle(hand)
    path = tmp_path / "mine.cfrsession.json"
    assert hand.dock.work.said.text() == "Saved to mine.cfrsession.json."
    work = open_session(path)
    assert np.array_equal(work.final_labels(0), before)
    assert len(work.current.clicks) == 1
    viewer.window.remove_dock_widget(hand.dock)
    viewer.layers.clear()
    shutil.rmtree(data)

    hand = start()
    choose(monkeypatch, path)
    hand.dock.work.open.click()
    hand.wait(lambda: len(hand.session.state.clicks) == 1)
    assert np.array_equal(labels(hand).data, before)
    assert open_session(path).object_count == 1


def test_a_session_of_another_image_without_file_is_refused(
    start, viewer, tmp_path, monkeypatch, data
):
    hand = start()
    write(hand, 40, 60)
    choose(monkeypatch, tmp_path / "mine")
    hand.dock.work.save.click()
    settle(hand)
    viewer.window.remove_dock_widget(hand.dock)
    viewer.layers.clear()
    hand = start(picture(5))
    notification_manager.records.clear()
    choose(monkeypatch, tmp_path / "mine.cfrsession.json")
    hand.dock.work.open.click()
    settle(hand)
    assert told() == ["The image grey is not there: open it, then restore."]
    assert not labels(hand).data.any()


def test_something_else_as_session_is_one_sentence(start, tmp_path, monkeypatch):
    hand = start()
    (tmp_path / "x.json").write_text("{}")
    notification_manager.records.clear()
    choose(monkeypatch, tmp_path / "x.json")
    hand.dock.work.open.click()
    settle(hand)
    assert len(told()) == 1
    assert "is no session file, or damaged" in told()[0]


# ------------------------------------------------------------------------- other ways to change


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


def test_an_object_of_other_labels_is_kept_with_them(start, open_dock, viewer, data):
    hand = start()
    write(hand, 20, 20)
    others = np.zeros(SHAPE, np.uint8)
    others[60:80, 60:90] = 12
    viewer.add_labels(others.copy(), name="cellpose")
    hand.dock.controller.workspace.select_clicks()
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
