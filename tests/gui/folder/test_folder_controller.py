"""Through a folder of images: labels are kept by themselves, what is done is skipped later."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import QTimer

from folder_user import SHAPE, choose, draw, go, idle, labels, pixels, walked, where
from napari_cfr_icl.gui.folder import folder_controller, read_ahead
from napari_cfr_icl.training.data.collection import open_collection


@pytest.fixture
def folder(tmp_path):
    """Four images of different kinds."""
    place = tmp_path / "images"
    place.mkdir()
    tifffile.imwrite(place / "a1.tif", pixels(1))
    tifffile.imwrite(place / "a2.tif", pixels(2, np.uint16) * 90)
    Image.fromarray(np.stack([pixels(3)] * 3, axis=-1)).save(place / "a3.png")
    Image.fromarray(pixels(4)).save(place / "a10.jpg")
    return place


@pytest.fixture
def walk(viewer, open_dock, disks, folder, monkeypatch):
    """Open a dock and the folder in it, with the real button."""
    return lambda: walked(open_dock(viewer), folder, monkeypatch)


def test_next_keeps_the_labels_beside_and_goes_on(walk, folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    driver = walk()
    assert where(driver) == "1 of 4: a1.tif"
    assert not driver.dock.folder.previous.isEnabled()
    draw(driver)
    go(driver, driver.dock.folder.next)
    kept = tifffile.imread(folder / "a1_labels.tif")
    assert kept[40, 60] == 1
    assert kept.shape == SHAPE
    assert where(driver) == "2 of 4: a2.tif"
    assert driver.dock.folder.progress.value() == 1
    assert not driver.dock.folder.finished.isChecked()
    assert np.array_equal(driver.viewer.layers["a2"].data, pixels(2, np.uint16) * 90)
    assert not labels(driver).any()
    assert [layer.name for layer in driver.viewer.layers] == [
        "a2",
        "objects",
        "current object",
        "clicks",
    ]
    go(driver, driver.dock.folder.next)
    assert driver.viewer.layers["a3"].rgb
    go(driver, driver.dock.folder.next)
    assert where(driver) == "4 of 4: a10.jpg"
    assert not driver.dock.folder.next.isEnabled()
    assert all(path.read_bytes() == content for path, content in before.items())
    # Nothing was done on the others, so nothing is kept.
    assert [path.name for path in folder.glob("*_labels.tif")] == ["a1_labels.tif"]


def test_previous_brings_the_labels_back(walk):
    driver = walk()
    draw(driver)
    go(driver, driver.dock.folder.next)
    go(driver, driver.dock.folder.previous)
    assert labels(driver)[40, 60] == 1
    assert driver.dock.folder.finished.isChecked()
    draw(driver, 80, 100)
    go(driver, driver.dock.folder.next)
    go(driver, driver.dock.folder.previous)
    assert labels(driver)[80, 100] == 2


def test_another_day_what_is_finished_is_skipped(walk, viewer):
    driver = walk()
    draw(driver)
    go(driver, driver.dock.folder.next)
    draw(driver)
    go(driver, driver.dock.folder.next)
    driver.dock.folder.finished.click()
    idle(driver)
    go(driver, driver.dock.folder.previous)
    driver.dock.folder.finished.click()
    idle(driver)
    viewer.window.remove_dock_widget(driver.dock)
    viewer.layers.clear()
    driver = walk()
    assert where(driver) == "2 of 4: a2.tif"
    assert labels(driver)[40, 60] == 1
    assert not driver.dock.folder.finished.isChecked()
    assert driver.dock.folder.progress.value() == 2
    go(driver, driver.dock.folder.unfinished)
    assert where(driver) == "4 of 4: a10.jpg"
    assert not driver.dock.folder.unfinished.isEnabled()


def test_a_damaged_image_is_said_and_left_out(walk, folder):
    (folder / "a2.tif").write_bytes(b"no image at all")
    driver = walk()
    notification_manager.records.clear()
    go(driver, driver.dock.folder.next)
    assert where(driver) == "3 of 4: a3.png"
    assert [str(n.message) for n in notification_manager.records] == [
        "a2.tif cannot be read and is left out: it is damaged or no image."
    ]
    go(driver, driver.dock.folder.previous)
    assert where(driver) == "1 of 4: a1.tif"
    # Once is enough, however often one passes it; which it is stays to be seen.
    assert len(notification_manager.records) == 1
    assert driver.dock.folder.skipped.text() == "Left out: a2.tif"
    assert not driver.dock.folder.skipped.isHidden()
    assert "damaged" in driver.dock.folder.skipped.toolTip()


def test_where_only_damaged_images_follow_it_says_so_every_time(walk, folder):
    for name in ("a3.png", "a10.jpg"):
        (folder / name).write_bytes(b"no image at all")
    driver = walk()
    go(driver, driver.dock.folder.next)
    assert where(driver) == "2 of 4: a2.tif"
    for _ in range(2):
        driver.dock.show_hint("")
        go(driver, driver.dock.folder.next)
        assert driver.dock.hint.text() == folder_controller.NO_FURTHER
        assert where(driver) == "2 of 4: a2.tif"
    assert driver.dock.folder.skipped.text() == "Left out: a3.png, a10.jpg"


def test_a_file_that_was_mended_is_taken_in_again(walk, folder):
    (folder / "a2.tif").write_bytes(b"no image at all")
    driver = walk()
    go(driver, driver.dock.folder.next)
    assert not driver.dock.folder.skipped.isHidden()
    tifffile.imwrite(folder / "a2.tif", pixels(2))
    go(driver, driver.dock.folder.previous)
    assert where(driver) == "2 of 4: a2.tif"
    assert driver.dock.folder.skipped.isHidden()
    (folder / "a2.tif").write_bytes(b"no image at all")
    notification_manager.records.clear()
    go(driver, driver.dock.folder.previous)
    go(driver, driver.dock.folder.next)
    assert where(driver) == "3 of 4: a3.png"
    assert len(notification_manager.records) == 1


def test_labels_that_do_not_fit_are_never_written_over(walk, folder):
    tifffile.imwrite(folder / "a2_labels.tif", np.ones((3, 5), np.uint8))
    content = (folder / "a2_labels.tif").read_bytes()
    driver = walk()
    go(driver, driver.dock.folder.next)
    assert where(driver) == "3 of 4: a3.png"
    assert (folder / "a2_labels.tif").read_bytes() == content


def test_labels_can_go_into_another_folder(walk, tmp_path, folder, monkeypatch):
    driver = walk()
    choose(monkeypatch, tmp_path / "mine")
    go(driver, driver.dock.folder.labels)
    draw(driver)
    go(driver, driver.dock.folder.next)
    assert tifffile.imread(tmp_path / "mine" / "a1_labels.tif")[40, 60] == 1
    assert not list(folder.glob("*_labels.tif"))


def test_where_labels_cannot_be_kept_one_stays(walk, tmp_path, monkeypatch):
    driver = walk()
    choose(monkeypatch, tmp_path / "mine")
    go(driver, driver.dock.folder.labels)
    draw(driver)
    for path in (tmp_path / "mine").iterdir():
        path.unlink()
    (tmp_path / "mine").rmdir()
    (tmp_path / "mine").write_text("a file")
    notification_manager.records.clear()
    go(driver, driver.dock.folder.next)
    assert where(driver) == "1 of 4: a1.tif"
    assert labels(driver)[40, 60] == 1
    assert len(notification_manager.records) == 1
    assert "Nothing can be written into" in str(notification_manager.records[0].message)


def test_a_folder_without_images_is_one_sentence(walk, tmp_path, monkeypatch):
    driver = walk()
    (tmp_path / "empty").mkdir()
    choose(monkeypatch, tmp_path / "empty")
    notification_manager.records.clear()
    go(driver, driver.dock.folder.open)
    assert where(driver) == "1 of 4: a1.tif"
    assert "There is no image in" in str(notification_manager.records[0].message)


@pytest.mark.bindings
def test_closing_keeps_the_labels_and_leaves_no_offer(walk, folder, viewer):
    driver = walk()
    draw(driver)
    driver.dock.controller.write()
    viewer.window.remove_dock_widget(driver.dock)
    assert tifffile.imread(folder / "a1_labels.tif")[40, 60] == 1
    viewer.layers.clear()
    assert walk().dock.offer.isHidden()


def test_the_next_image_is_there_before_it_is_wanted(walk, folder):
    driver = walk()
    (folder / "a2.tif").unlink()
    go(driver, driver.dock.folder.next)
    assert where(driver) == "2 of 4: a2.tif"
    assert np.array_equal(driver.viewer.layers["a2"].data, pixels(2, np.uint16) * 90)


@pytest.mark.bindings
def test_the_screen_lives_while_an_image_is_read(walk, monkeypatch):
    gate, threads = threading.Event(), []
    real = read_ahead.read_image

    def slow(path):
        threads.append(threading.current_thread())
        if path.name == "a2.tif":
            assert gate.wait(60)
        return real(path)

    monkeypatch.setattr(read_ahead, "read_image", slow)
    hand_made = []
    ticks = []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: ticks.append(len(threads)))
    timer.timeout.connect(lambda: gate.set() if ticks.count(2) > 20 else None)
    timer.start()
    hand_made.append(walk())
    timer.stop()
    assert ticks.count(2) > 20
    assert threading.main_thread() not in threads
    assert where(hand_made[0]) == "1 of 4: a1.tif"


def test_a_long_name_without_spaces_does_not_widen_the_dock(walk, folder):
    (folder / "a1.tif").rename(folder / f"a0_{'_plate-03_well-B07' * 4}.ome.tif")
    driver = walk()
    assert where(driver).endswith(".ome.tif")
    assert driver.dock.folder.minimumSizeHint().width() < driver.dock.minimumWidth()


def test_a_photo_that_asks_to_be_turned_is_trained_as_it_was_shown(walk, folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.stack([pixels(5)] * 3, axis=-1)).save(folder / "a0.jpg", exif=exif)
    driver = walk()
    shown = driver.viewer.layers["a0"].data.copy()
    draw(driver)
    go(driver, driver.dock.folder.next)
    (example,) = open_collection(folder).examples
    np.testing.assert_array_equal(example.image(), shown)
    assert example.labels().shape == SHAPE
    assert example.labels()[40, 60] == 1


@pytest.mark.parametrize("mode", ["LA", "CMYK", "P", "RGBA"])
def test_photos_of_any_mode_are_grey_or_in_colour(walk, folder, mode):
    name = {"LA": "a0.png", "CMYK": "a0.jpg", "P": "a0.png", "RGBA": "a0.png"}[mode]
    picture = Image.fromarray(np.stack([pixels(5)] * 3, axis=-1)).convert(mode)
    picture.save(folder / name)
    layer = walk().viewer.layers["a0"]
    assert layer.data.shape[:2] == SHAPE
    assert layer.ndim == 2
    assert layer.rgb == (mode != "LA")


def test_the_layers_have_the_pixel_sizes_and_the_axes_of_their_file(walk, folder):
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    stack = np.stack([pixels(1), pixels(2), pixels(3)])
    about = {"axes": "TYX", "TimeIncrement": 40, "TimeIncrementUnit": "ms", **sizes}
    tifffile.imwrite(folder / "a0.ome.tif", stack, metadata=about)
    driver = walk()
    for layer in driver.viewer.layers:
        step = np.subtract(layer.data_to_world((1, 1, 1)), layer.data_to_world((0, 0, 0)))
        assert np.allclose(step, (40, 0.5, 0.25)), layer
        assert [str(unit) for unit in layer.units] == ["millisecond", "micrometer", "micrometer"]
    assert driver.dock.stack_section.title.endswith("Through time")
    draw(driver)
    assert driver.session.mask.full()[40, 60]
