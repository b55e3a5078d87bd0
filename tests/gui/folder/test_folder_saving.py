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

from folder_user import SHAPE, arrived, choose, draw, go, idle, labels, pixels, walked, where
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.gui.app.viewer_driver import PLAIN, SHIFT
from napari_cfr_icl.gui.folder import folder_controller, read_ahead
from napari_cfr_icl.images.opening import open_labels
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


def on_the_way(driver, gate):
    """Go to the second image, and from there on, while the third is being read."""
    gate.shut()
    driver.dock.folder.next.click()
    driver.wait(lambda: not driver.dock.controller.folder.is_going)
    driver.wait_for_answer()
    driver.wait(gate.waits.is_set)
    driver.dock.folder.next.click()
    assert where(driver) == "2 of 3: a2.tif"


def test_a_folder_that_cannot_be_read_gets_no_labels_of_another(walk, folder, other, monkeypatch):
    driver = walk()
    draw(driver)
    driver.type(W)
    (other / "b1.tif").write_bytes(b"no image at all")
    content = some_labels(other / "b1_labels.tif")
    choose(monkeypatch, other)
    go(driver, driver.dock.folder.open)
    assert where(driver) == "1 of 3: a1.tif"
    assert driver.dock.folder.skipped.isHidden()
    driver.dock.controller.close()
    assert (other / "b1_labels.tif").read_bytes() == content
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1


def test_what_is_finished_is_the_image_that_is_shown(walk, folder, other, monkeypatch):
    driver = walk()
    go(driver, driver.dock.folder.next)
    (other / "b1.tif").write_bytes(b"no image at all")
    choose(monkeypatch, other)
    go(driver, driver.dock.folder.open)
    go(driver, driver.dock.folder.finished)
    assert json.loads((folder / STATE_NAME).read_text())["finished"] == ["a2.tif"]
    assert not (other / STATE_NAME).exists()


@pytest.mark.bindings
def test_closing_while_another_folder_is_opened(walk, folder, other, gate, monkeypatch):
    driver = walk()
    draw(driver)
    driver.type(W)
    content = some_labels(other / "b1_labels.tif")
    gate.shut()
    choose(monkeypatch, other)
    driver.dock.folder.open.click()
    driver.wait(gate.waits.is_set)
    gate.is_open.set()
    driver.dock.controller.close()
    assert (other / "b1_labels.tif").read_bytes() == content
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1


def test_what_was_read_ahead_is_not_for_another_folder_of_labels(
    walk, folder, tmp_path, monkeypatch
):
    some_labels(folder / "a2_labels.tif")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / STATE_NAME).write_text(json.dumps({"finished": [], "last": "a2.tif"}))
    driver = walk()
    choose(monkeypatch, mine)
    go(driver, driver.dock.folder.labels)
    assert where(driver) == "2 of 3: a2.tif"
    assert not labels(driver).any()


@pytest.mark.bindings
@pytest.mark.parametrize("keys", [[W], []], ids=["written", "under way"])
def test_what_is_drawn_while_the_next_image_is_read_is_kept(walk, folder, gate, keys):
    driver = walk()
    on_the_way(driver, gate)
    draw(driver)
    for key in keys:
        driver.type(key)
    gate.is_open.set()
    arrived(driver)
    assert where(driver) == "3 of 3: a3.tif"
    assert tifffile.imread(folder / "a2_labels.tif")[40, 60] == 1
    assert json.loads((folder / STATE_NAME).read_text())["finished"] == ["a2.tif"]
    assert not labels(driver).any()


def test_what_is_drawn_while_another_folder_is_opened_is_kept(
    walk, folder, other, gate, monkeypatch
):
    driver = walk()
    gate.shut()
    choose(monkeypatch, other)
    driver.dock.folder.open.click()
    driver.wait(gate.waits.is_set)
    draw(driver)
    gate.is_open.set()
    arrived(driver)
    assert where(driver) == "1 of 1: b1.tif"
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1
    assert not list(other.glob("*_labels.tif"))


def test_an_object_without_an_answer_holds_the_next_image_up(walk, folder, gate, disks):
    driver = walk()
    on_the_way(driver, gate)
    disks.may_step = threading.Semaphore(0)
    driver.click(40, 60)
    gate.is_open.set()
    driver.wait(lambda: not driver.dock.controller.folder.is_going)
    assert where(driver) == "2 of 3: a2.tif"
    assert driver.dock.hint.text() == driver.dock.keys.in_words(folder_controller.UNDER_WAY)
    disks.may_step.release(2)
    driver.wait_for_answer()
    disks.may_step = None
    go(driver, driver.dock.folder.next)
    assert where(driver) == "3 of 3: a3.tif"
    assert tifffile.imread(folder / "a2_labels.tif")[40, 60] == 1


@pytest.mark.parametrize(
    ("of_image", "of_labels"),
    [
        pytest.param((9, *SHAPE), SHAPE, id="a stack"),
        pytest.param((*SHAPE, 3), (*SHAPE, 3), id="labels in colour"),
        pytest.param((*SHAPE, 2), (*SHAPE, 2), id="channels are no planes"),
    ],
)
def test_labels_that_do_not_fit_the_layer_are_never_written_over(
    walk, folder, said, of_image, of_labels
):
    (folder / "a2.tif").unlink()
    np.save(folder / "a2.npy", np.full(of_image, 7, np.uint8))
    content = some_labels(folder / "a2_labels.tif", of_labels)
    driver = walk()
    go(driver, driver.dock.folder.next)
    assert where(driver) == "3 of 3: a3.tif"
    assert said()[-1] == "a2_labels.tif does not fit a2.npy; both are left out."
    go(driver, driver.dock.folder.previous)
    driver.dock.controller.close()
    assert (folder / "a2_labels.tif").read_bytes() == content


@pytest.mark.parametrize("shape", [(*SHAPE, 2), (20, 30, 3)], ids=["channels", "a small photo"])
def test_one_label_image_serves_all_channels(walk, folder, said, shape):
    (folder / "a1.tif").unlink()
    np.save(folder / "a1.npy", np.full(shape, 7, np.uint8))
    some_labels(folder / "a1_labels.tif", shape[:2])
    driver = walk()
    assert where(driver) == "1 of 3: a1.npy"
    assert labels(driver).shape == shape[:2]
    assert labels(driver)[2, 2] == 9
    assert not said()


@pytest.mark.parametrize("shape", [(1, *SHAPE), (*SHAPE, 1), (1, *SHAPE, 3), (1, 3, *SHAPE)])
def test_axes_of_length_one_come_back(walk, folder, said, shape):
    (folder / "a1.tif").unlink()
    np.save(folder / "a1.npy", np.full(shape, 7, np.uint8))
    driver = walk()
    layer = driver.viewer.layers["objects"]
    place = tuple(np.array([side // 2]) for side in layer.data.shape)
    layer.data_setitem(place, 9)
    before = layer.data.copy()
    go(driver, driver.dock.folder.next)
    go(driver, driver.dock.folder.previous)
    assert where(driver) == "1 of 3: a1.npy"
    assert np.array_equal(driver.viewer.layers["objects"].data, before)
    assert not said()


def test_a_picture_that_was_open_before_lends_no_labels_and_hides_nothing(
    viewer, open_dock, disks, folder, monkeypatch
):
    viewer.add_image(pixels(9), name="before")
    driver = open_dock(viewer)
    draw(driver)
    driver.type(W)
    before, written = driver.dock.controller.workspace.labels, labels(driver).copy()
    walked(driver, folder, monkeypatch)
    for number in (1, 2):
        assert driver.dock.hint.text() == "Click the object."
        draw(driver)
        driver.type(W)
        go(driver, driver.dock.folder.next)
        assert tifffile.imread(folder / f"a{number}_labels.tif")[40, 60] == 1
    assert np.array_equal(before.data, written)


@pytest.mark.bindings
def test_images_that_were_left_are_let_go_of(walk, disks):
    driver = walk()
    draw(driver)
    driver.type(W)
    workspace = driver.dock.controller.workspace
    image, objects = weakref.ref(workspace.image.data), weakref.ref(workspace.labels.data)
    for _ in range(2):
        go(driver, driver.dock.folder.next)
        assert not driver.session.can_undo
        draw(driver)
        driver.type(W)
    disks.asked.clear()
    gc.collect()
    assert image() is None
    assert objects() is None


@pytest.mark.parametrize("visits", [1, 2])
def test_an_object_under_way_at_closing_is_offered_and_goes_on_among_the_kept_ones(
    walk, viewer, open_dock, folder, monkeypatch, visits
):
    driver = walk()
    draw(driver, 30, 40)
    driver.type(W)
    if visits == 2:
        go(driver, driver.dock.folder.next)
        go(driver, driver.dock.folder.previous)
        draw(driver, 70, 40)
        driver.type(W)
    draw(driver, 60, 120)
    viewer.window.remove_dock_widget(driver.dock)
    viewer.layers.clear()

    driver = walked(open_dock(viewer), folder, monkeypatch)
    driver.wait(lambda: not driver.dock.offer.isHidden())
    driver.dock.offer.restore.click()
    driver.wait(lambda: len(driver.session.state.clicks) == 1)
    driver.wait_for_answer()
    assert [layer.name for layer in viewer.layers if layer.name.startswith("objects")] == [
        "objects"
    ]
    driver.type(W)
    go(driver, driver.dock.folder.next)
    ids = tifffile.imread(folder / "a1_labels.tif")
    assert ids[30, 40] == 1
    assert ids[60, 120] == visits + 1


def test_the_last_image_is_on_the_disk_when_it_is_ticked(walk, folder):
    driver = walk()
    for _ in range(2):
        driver.type(Qt.Key.Key_PageDown)
        arrived(driver)
    assert where(driver).startswith("3 of 3")
    draw(driver)
    driver.dock.folder.finished.click()
    idle(driver)
    assert tifffile.imread(folder / "a3_labels.tif")[40, 60] == 1
    assert driver.dock.folder.kept.text() == "Labels kept in a3_labels.tif."
    driver.dock.folder.finished.click()
    assert driver.dock.folder.kept.isHidden()


def test_keys_lead_through_the_folder(walk):
    driver = walk()
    driver.dock.folder.finished.click()
    for key, modifier, place in (
        (Qt.Key.Key_PageDown, PLAIN, "2 of 3"),
        (Qt.Key.Key_PageUp, PLAIN, "1 of 3"),
        (Qt.Key.Key_PageDown, SHIFT, "2 of 3"),
    ):
        driver.type(key, modifier)
        arrived(driver)
        assert where(driver).startswith(place)


def test_the_way_on_is_in_sight(walk, viewer):
    viewer.window.resize(1500, 950)
    driver = walk()
    driver.settle(pauses=True)
    dock = driver.dock
    for button in (dock.folder.unfinished, dock.folder.finished, dock.object.write):
        assert dock.rect().contains(button.mapTo(dock, button.rect().bottomLeft()))


def test_channels_are_layers_over_each_other_with_labels_for_all(
    viewer, open_dock, disks, tmp_path, monkeypatch
):
    both = np.stack([pixels(1), pixels(2)])
    (tmp_path / "c").mkdir()
    path = tmp_path / "c" / "two.ome.tif"
    described = {"axes": "CYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, both, metadata=described, photometric="minisblack")
    tifffile.imwrite(tmp_path / "c" / "z.tif", pixels(3))
    driver = walked(open_dock(viewer), tmp_path / "c", monkeypatch)
    shown = [layer for layer in viewer.layers if "two" in layer.name]
    assert [layer.colormap.name for layer in shown] == ["green", "magenta"]
    for layer, channel in zip(shown, both, strict=True):
        np.testing.assert_array_equal(layer.data, channel)
    draw(driver)
    colours = [channel.colour for channel in driver.session.state.scene.source.rendering.channels]
    assert colours == [(0, 1, 0), (1, 0, 1)]
    driver.type(W)
    assert labels(driver).shape == SHAPE
    drawn = labels(driver).copy()
    go(driver, driver.dock.folder.next)
    assert not [layer for layer in viewer.layers if "two" in layer.name]
    kept = open_labels(tmp_path / "c" / "two.ome_labels.tif")
    np.testing.assert_array_equal(kept.read(), drawn)
    assert kept.sizes == {"Y": (0.5, "µm"), "X": (0.25, "µm")}
    (picture,) = open_dataset(tmp_path / "c", "folder").pictures
    np.testing.assert_array_equal(picture.image(), both.transpose(1, 2, 0))
    np.testing.assert_array_equal(picture.objects()[0].truth(), drawn)
