"""Sessions are saved and opened, labels exported; what is in such a file counts as saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from autosave_user import (
    SHAPE,
    are_closed,
    cellpose,
    choose,
    export,
    grab,
    labels,
    opened,
    picture,
    settle,
    slow_disk,
    told,
    write,
)
from napari_cfr_icl.autosave.journal import read_journal
from napari_cfr_icl.autosave.session_file import open_session
from napari_cfr_icl.images.opening import open_image
from napari_cfr_icl.images.pixel_sizes import METRES
from sample_event_log import final_labels


def test_what_was_exported_is_not_offered_again(start, viewer, data, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    export(driver, tmp_path / "l.tif", monkeypatch)
    driver.dock.controller.close()
    driver.wait(lambda: not list(data.iterdir()))


@pytest.fixture
def at_close(data):
    """The work that is left for the next time, one for each journal."""

    def at_close(driver):
        settle(driver)
        driver.dock.controller.close()
        driver.wait(lambda: are_closed(data))
        return [read_journal(path) for path in data.glob("*.jsonl")]

    return at_close


def press_save(driver):
    driver.dock.work.save.click()


def press_export(driver):
    driver.dock.work.export.click()


def choose_labels(driver, layer):
    driver.dock.labels.choose(layer)
    driver.dock.labels.layer_chosen.emit(layer)


WAYS = {"saved": (press_save, "w.cfrsession.json"), "exported": (press_export, "w.tif")}


@pytest.mark.parametrize(("press", "name"), WAYS.values(), ids=WAYS)
def test_what_is_written_during_the_saving_is_not_saved(
    start, at_close, tmp_path, monkeypatch, press, name
):
    driver = start()
    write(driver, 40, 60)
    choose(monkeypatch, tmp_path / name)
    with slow_disk(driver):
        press(driver)
        write(driver, 80, 100)
    assert (tmp_path / name).exists()
    assert [work.object_count for work in at_close(driver)] == [2]


def test_what_a_session_has_is_not_offered_again(start, at_close, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    driver.click(80, 100)
    driver.wait_for_answer()
    choose(monkeypatch, tmp_path / "mine")
    press_save(driver)
    assert at_close(driver) == []


def test_labels_that_were_exported_say_nothing_of_others(start, at_close, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    other = cellpose(driver)
    choose_labels(driver, other)
    export(driver, tmp_path / "other.tif", monkeypatch)
    assert driver.dock.work.said.text() == "1 object exported to other.tif."
    assert [work.object_count for work in at_close(driver)] == [1]


@pytest.mark.parametrize("name", ["cells.png", "cells.tiff", "cells.ome.tif"])
def test_the_export_is_called_after_the_picture(start, monkeypatch, name):
    driver = start()
    write(driver, 40, 60)
    driver.dock.controller.workspace.image.metadata["cfr_icl_path"] = f"/pictures/{name}"
    offered = []

    def ask(parent, title, start, formats):
        offered.append(Path(start).name)
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    press_export(driver)
    assert offered == ["cells_labels.tif"]


def test_labels_that_were_removed_can_still_be_restored(start, at_close, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    gone = labels(driver)
    other = cellpose(driver)
    driver.viewer.layers.remove(gone)
    choose_labels(driver, other)
    export(driver, tmp_path / "other.tif", monkeypatch)
    assert driver.dock.work.said.text() == "1 object exported to other.tif."
    assert [work.object_count for work in at_close(driver)] == [1]


def test_an_object_under_way_is_not_exported(start, at_close, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    driver.click(80, 100)
    driver.wait_for_answer()
    export(driver, tmp_path / "l.tif", monkeypatch)
    (work,) = at_close(driver)
    assert len(work.current.clicks) == 1


def test_labels_kept_elsewhere_say_nothing_of_others(start, at_close):
    driver = start()
    write(driver, 40, 60)
    cellpose(driver)
    grab(driver, 70, 70)
    driver.click(90, 100)
    driver.wait_for_answer()
    driver.type(Qt.Key.Key_W)
    controller = driver.dock.controller
    controller.autosave.recorder.release(controller.workspace.image, labels(driver))
    assert [work.object_count for work in at_close(driver)] == [2]


# ---------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("suffix", [".tif", ".json", ".geojson", ".zip"])
def test_export_writes_the_format_that_the_name_says(start, tmp_path, monkeypatch, suffix):
    driver = start(scale=(0.5, 0.25), units=("micrometer", "micrometer"))
    write(driver, 40, 60)
    write(driver, 80, 60)
    export(driver, tmp_path / f"mine{suffix}", monkeypatch)
    assert driver.dock.work.said.text() == f"2 objects exported to mine{suffix}."
    assert (tmp_path / f"mine{suffix}").stat().st_size > 100
    if suffix == ".tif":
        with tifffile.TiffFile(tmp_path / "mine.tif") as tiff:
            assert np.array_equal(tiff.asarray(), labels(driver).data)
            assert tiff.imagej_metadata["unit"] == "um"
            assert tiff.pages[0].tags["XResolution"].value == (4, 1)
    if suffix == ".json":
        assert len(json.loads((tmp_path / "mine.json").read_text())["annotations"]) == 2


@pytest.mark.parametrize("name", ["l.tif", "l.ome.tif"])
def test_units_that_files_do_not_know_are_converted(start, tmp_path, monkeypatch, name):
    stack = np.zeros((3, *SHAPE), np.uint8)
    driver = start(stack, scale=(2, 0.5, 0.5), units=("week", "furlong", "furlong"))
    write(driver, 40, 60)
    export(driver, tmp_path / name, monkeypatch)
    sizes = open_image(tmp_path / name).sizes
    assert sizes["T"] == (pytest.approx(2 * 7 * 86400), "s")
    for size, unit in (sizes["X"], sizes["Y"]):
        assert size * METRES[unit] == pytest.approx(0.5 * 201.168, rel=1e-4)


def test_a_name_without_ending_gets_that_of_the_chosen_format(start, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    export(driver, tmp_path / "mine", monkeypatch, "GeoJSON for QuPath (*.geojson)")
    assert (tmp_path / "mine.geojson").exists()


def test_export_given_up_does_nothing(start, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    export(driver, "", monkeypatch)
    assert told() == []
    assert driver.dock.work.said.isHidden()


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
    driver = from_file
    if because.startswith("There"):
        assert not labels(driver).data.any()
    else:
        write(driver, 40, 60)
    content = (tmp_path / "grey.tif").read_bytes()
    export(driver, where(tmp_path), monkeypatch)
    assert len(told()) == 1
    assert because in told()[0]
    assert (tmp_path / "grey.tif").read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} <= {"grey.tif", "data", "config"}


def test_what_came_of_the_last_export_goes_when_the_next_one_fails(start, tmp_path, monkeypatch):
    driver = start()
    write(driver, 40, 60)
    export(driver, tmp_path / "mine.tif", monkeypatch)
    assert driver.dock.work.said.text() == "1 object exported to mine.tif."
    export(driver, tmp_path / "mine.docx", monkeypatch)
    assert len(told()) == 1
    assert driver.dock.work.said.isHidden()


# --------------------------------------------------------------------------------- session files


def test_a_session_is_saved_and_opened(start, open_dock, viewer, tmp_path, monkeypatch, data):
    driver = start()
    write(driver, 40, 60)
    driver.click(90, 30)
    driver.wait_for_answer()
    before = labels(driver).data.copy()
    choose(monkeypatch, tmp_path / "mine")
    driver.dock.work.save.click()
    settle(driver)
    path = tmp_path / "mine.cfrsession.json"
    assert driver.dock.work.said.text() == "Saved to mine.cfrsession.json."
    work = open_session(path)
    assert np.array_equal(final_labels(work, 0), before)
    assert len(work.current.clicks) == 1
    viewer.window.remove_dock_widget(driver.dock)
    viewer.layers.clear()
    shutil.rmtree(data)

    driver = start()
    choose(monkeypatch, path)
    driver.dock.work.open.click()
    driver.wait(lambda: len(driver.session.state.clicks) == 1)
    assert np.array_equal(labels(driver).data, before)
    assert open_session(path).object_count == 1


def test_a_session_of_another_image_without_file_is_refused(
    start, viewer, tmp_path, monkeypatch, data
):
    driver = start()
    write(driver, 40, 60)
    choose(monkeypatch, tmp_path / "mine")
    driver.dock.work.save.click()
    settle(driver)
    viewer.window.remove_dock_widget(driver.dock)
    viewer.layers.clear()
    driver = start(picture(5))
    notification_manager.records.clear()
    choose(monkeypatch, tmp_path / "mine.cfrsession.json")
    driver.dock.work.open.click()
    settle(driver)
    assert told() == ["The image grey is not there: open it, then restore."]
    assert not labels(driver).data.any()


def test_something_else_as_session_is_one_sentence(start, tmp_path, monkeypatch):
    driver = start()
    (tmp_path / "x.json").write_text("{}")
    notification_manager.records.clear()
    choose(monkeypatch, tmp_path / "x.json")
    driver.dock.work.open.click()
    settle(driver)
    assert len(told()) == 1
    assert "is no session file, or damaged" in told()[0]
