"""Through a folder of images: whatever happens on the way, no label is lost or written over."""

from __future__ import annotations

import gc
import json
import threading
import weakref

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from folder_user import SHAPE, arrived, choose, draw, go, labels, pixels, walked, where
from napari_cfr_icl.gui.folder import folder_controller, read_ahead
from napari_cfr_icl.session.folder import STATE_NAME

W = Qt.Key.Key_W


def images(place, count):
    place.mkdir()
    for number in range(1, count + 1):
        tifffile.imwrite(place / f"{place.name}{number}.tif", pixels(number))
    return place


def some_labels(path, shape=SHAPE):
    """A file of labels whose only object has the id 9; returns its content."""
    ids = np.zeros(shape, np.uint16)
    ids[:5, :5] = 9
    tifffile.imwrite(path, ids, photometric="minisblack")
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path):
    return images(tmp_path / "a", 3)


@pytest.fixture
def other(tmp_path):
    return images(tmp_path / "b", 1)


@pytest.fixture
def walk(viewer, open_dock, disks, folder, monkeypatch):
    """Open a dock and the folder in it."""
    return lambda: walked(open_dock(viewer), folder, monkeypatch)


class Gate:
    """Reading an image waits while it is shut."""

    def __init__(self):
        self.is_open = threading.Event()
        self.is_open.set()
        self.waits = threading.Event()

    def read(self, path, read):
        self.waits.set()
        assert self.is_open.wait(60)
        return read(path)

    def shut(self):
        self.waits.clear()
        self.is_open.clear()


@pytest.fixture
def gate(monkeypatch):
    gate, real = Gate(), read_ahead.read_image
    monkeypatch.setattr(read_ahead, "read_image", lambda path: gate.read(path, real))
    yield gate
    gate.is_open.set()


def on_the_way(hand, gate):
    """Go to the second image, and from there on, while the third is being read."""
    gate.shut()
    hand.dock.folder.next.click()
    hand.wait(lambda: not hand.dock.controller.folder.is_going)
    hand.wait_for_answer()
    hand.wait(gate.waits.is_set)
    hand.dock.folder.next.click()
    assert where(hand) == "2 of 3: a2.tif"


def test_a_folder_that_cannot_be_read_gets_no_labels_of_another(walk, folder, other, monkeypatch):
    hand = walk()
    draw(hand)
    hand.type(W)
    (other / "b1.tif").write_bytes(b"no image at all")
    content = some_labels(other / "b1_labels.tif")
    choose(monkeypatch, other)
    go(hand, hand.dock.folder.open)
    assert where(hand) == "1 of 3: a1.tif"
    assert hand.dock.folder.left_out.isHidden()
    hand.dock.controller.close()
    assert (other / "b1_labels.tif").read_bytes() == content
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1


def test_what_is_finished_is_the_image_that_is_shown(walk, folder, other, monkeypatch):
    hand = walk()
    go(hand, hand.dock.folder.next)
    (other / "b1.tif").write_bytes(b"no image at all")
    choose(monkeypatch, other)
    go(hand, hand.dock.folder.open)
    go(hand, hand.dock.folder.finished)
    assert json.loads((folder / STATE_NAME).read_text())["finished"] == ["a2.tif"]
    assert not (other / STATE_NAME).exists()


def test_closing_while_another_folder_is_opened(walk, folder, other, gate, monkeypatch):
    hand = walk()
    draw(hand)
    hand.type(W)
    content = some_labels(other / "b1_labels.tif")
    gate.shut()
    choose(monkeypatch, other)
    hand.dock.folder.open.click()
    hand.wait(gate.waits.is_set)
    gate.is_open.set()
    hand.dock.controller.close()
    assert (other / "b1_labels.tif").read_bytes() == content
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1


def test_what_was_read_ahead_is_not_for_another_folder_of_labels(
    walk, folder, tmp_path, monkeypatch
):
    some_labels(folder / "a2_labels.tif")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / STATE_NAME).write_text(json.dumps({"finished": [], "last": "a2.tif"}))
    hand = walk()
    choose(monkeypatch, mine)
    go(hand, hand.dock.folder.labels)
    assert where(hand) == "2 of 3: a2.tif"
    assert not labels(hand).any()


@pytest.mark.parametrize("keys", [[W], []], ids=["written", "under way"])
def test_what_is_drawn_while_the_next_image_is_read_is_kept(walk, folder, gate, keys):
    hand = walk()
    on_the_way(hand, gate)
    draw(hand)
    for key in keys:
        hand.type(key)
    gate.is_open.set()
    arrived(hand)
    assert where(hand) == "3 of 3: a3.tif"
    assert tifffile.imread(folder / "a2_labels.tif")[40, 60] == 1
    assert json.loads((folder / STATE_NAME).read_text())["finished"] == ["a2.tif"]
    assert not labels(hand).any()


def test_what_is_drawn_while_another_folder_is_opened_is_kept(
    walk, folder, other, gate, monkeypatch
):
    hand = walk()
    gate.shut()
    choose(monkeypatch, other)
    hand.dock.folder.open.click()
    hand.wait(gate.waits.is_set)
    draw(hand)
    gate.is_open.set()
    arrived(hand)
    assert where(hand) == "1 of 1: b1.tif"
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1
    assert not list(other.glob("*_labels.tif"))


def test_an_object_without_an_answer_holds_the_next_image_up(walk, folder, gate, disks):
    hand = walk()
    on_the_way(hand, gate)
    disks.may_step = threading.Semaphore(0)
    hand.click(40, 60)
    gate.is_open.set()
    hand.wait(lambda: not hand.dock.controller.folder.is_going)
    assert where(hand) == "2 of 3: a2.tif"
    assert hand.dock.hint.text() == hand.dock.keys.in_words(folder_controller.UNDER_WAY)
    disks.may_step.release(2)
    hand.wait_for_answer()
    disks.may_step = None
    go(hand, hand.dock.folder.next)
    assert where(hand) == "3 of 3: a3.tif"
    assert tifffile.imread(folder / "a2_labels.tif")[40, 60] == 1


@pytest.mark.parametrize(
    ("of_image", "of_labels"),
    [
        pytest.param((*SHAPE, 2), SHAPE, id="a layer without colour"),
        pytest.param((*SHAPE, 3), (*SHAPE, 3), id="labels in colour"),
        pytest.param((20, 30, 3), (20, 30), id="too small to be in colour"),
    ],
)
def test_labels_that_do_not_fit_the_layer_are_never_written_over(
    walk, folder, said, of_image, of_labels
):
    (folder / "a2.tif").unlink()
    np.save(folder / "a2.npy", np.full(of_image, 7, np.uint8))
    content = some_labels(folder / "a2_labels.tif", of_labels)
    hand = walk()
    go(hand, hand.dock.folder.next)
    assert where(hand) == "3 of 3: a3.tif"
    assert said()[-1] == "a2_labels.tif does not fit a2.npy; both are left out."
    go(hand, hand.dock.folder.previous)
    hand.dock.controller.close()
    assert (folder / "a2_labels.tif").read_bytes() == content


@pytest.mark.parametrize("shape", [(1, *SHAPE), (*SHAPE, 1), (1, *SHAPE, 3), (1, 3, *SHAPE)])
def test_axes_of_length_one_come_back(walk, folder, said, shape):
    (folder / "a1.tif").unlink()
    np.save(folder / "a1.npy", np.full(shape, 7, np.uint8))
    hand = walk()
    layer = hand.viewer.layers["objects"]
    place = tuple(np.array([side // 2]) for side in layer.data.shape)
    layer.data_setitem(place, 9)
    before = layer.data.copy()
    go(hand, hand.dock.folder.next)
    go(hand, hand.dock.folder.previous)
    assert where(hand) == "1 of 3: a1.npy"
    assert np.array_equal(hand.viewer.layers["objects"].data, before)
    assert not said()


def test_a_picture_that_was_open_before_lends_no_labels_and_hides_nothing(
    viewer, open_dock, disks, folder, monkeypatch
):
    viewer.add_image(pixels(9), name="before")
    hand = open_dock(viewer)
    draw(hand)
    hand.type(W)
    before, written = hand.dock.controller.workspace.labels, labels(hand).copy()
    walked(hand, folder, monkeypatch)
    for number in (1, 2):
        assert hand.dock.hint.text() == "Click the object."
        draw(hand)
        hand.type(W)
        go(hand, hand.dock.folder.next)
        assert tifffile.imread(folder / f"a{number}_labels.tif")[40, 60] == 1
    assert np.array_equal(before.data, written)


def test_images_that_were_left_are_let_go_of(walk, disks):
    hand = walk()
    draw(hand)
    hand.type(W)
    workspace = hand.dock.controller.workspace
    image, objects = weakref.ref(workspace.image.data), weakref.ref(workspace.labels.data)
    for _ in range(2):
        go(hand, hand.dock.folder.next)
        assert not hand.session.can_undo
        draw(hand)
        hand.type(W)
    disks.asked.clear()
    gc.collect()
    assert image() is None
    assert objects() is None


@pytest.mark.parametrize("visits", [1, 2])
def test_an_object_under_way_at_closing_is_offered_and_goes_on_among_the_kept_ones(
    walk, viewer, open_dock, folder, monkeypatch, visits
):
    hand = walk()
    draw(hand, 30, 40)
    hand.type(W)
    if visits == 2:
        go(hand, hand.dock.folder.next)
        go(hand, hand.dock.folder.previous)
        draw(hand, 70, 40)
        hand.type(W)
    draw(hand, 60, 120)
    viewer.window.remove_dock_widget(hand.dock)
    viewer.layers.clear()

    hand = walked(open_dock(viewer), folder, monkeypatch)
    hand.wait(lambda: not hand.dock.offer.isHidden())
    hand.dock.offer.restore.click()
    hand.wait(lambda: len(hand.session.state.clicks) == 1)
    hand.wait_for_answer()
    assert [layer.name for layer in viewer.layers if layer.name.startswith("objects")] == [
        "objects"
    ]
    hand.type(W)
    go(hand, hand.dock.folder.next)
    ids = tifffile.imread(folder / "a1_labels.tif")
    assert ids[30, 40] == 1
    assert ids[60, 120] == visits + 1
