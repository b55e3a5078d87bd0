"""The rest of a kind: found, judged with the mouse, written with a key, taken back with another."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import SHAPE, crash, grab, labels, opened, picture, settle, write
from disk_finder import DiskFinder, DiskMaker, disk
from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.layers.napari_private import look_at

SHIFT = Qt.KeyboardModifier.ShiftModifier
FIRST = 20, 20
PLACES = {(60, 30): 0.9, (60, 43): 0.8, (90, 100): 0.6, (30, 110): 0.3}
"""The first two touch: they are 13 pixels apart, each 13 wide. The last is below the slider."""


@pytest.fixture
def finder(monkeypatch, disks):
    finder = DiskFinder(PLACES)
    monkeypatch.setattr(controller, "PredictorMaker", lambda: DiskMaker(disks, finder))
    return finder


@pytest.fixture
def begun(finder, start):
    """A dock with one object written at `FIRST`."""

    def make(pixels=None, **options):
        driver = start(pixels, **options)
        write(driver, *FIRST)
        return driver

    return make


@pytest.fixture
def found(begun):
    """The same, after a search."""
    driver = begun()
    find(driver)
    return driver


def find(driver):
    driver.type(Qt.Key.Key_R)
    wait_for_search(driver)


def wait_for_search(driver):
    driver.wait(lambda: not driver.dock.controller.finding.search.is_under_way)
    redraw(driver)


def redraw(driver):
    driver.settle(pauses=True)


def outlined(driver):
    """The layer of proposals, by the places in `PLACES` that it outlines."""
    layer = driver.dock.controller.finding.layer.layer
    if layer is None:
        return []
    image = driver.dock.controller.workspace.image
    seen = []
    for place in PLACES:
        at = layer.get_value(image.data_to_world(place), world=True)
        if at:
            seen.append(place)
    return seen


def colour(driver, place):
    layer = driver.dock.controller.finding.layer.layer
    image = driver.dock.controller.workspace.image
    value = layer.get_value(image.data_to_world(place), world=True)
    return [round(float(part), 2) for part in layer.get_color(value)[:3]]


def ids(driver):
    """Of the labels at the first object and at all places."""
    data = np.asarray(labels(driver).data)
    return [int(data[place]) for place in (FIRST, *PLACES)]


def test_one_key_proposes_the_rest_and_writes_nothing(found, finder):
    assert outlined(found) == [(60, 30), (60, 43), (90, 100)]
    assert ids(found) == [1, 0, 0, 0, 0]
    ((exemplars, taken, region),) = finder.asked
    assert [mask.at(*FIRST) for mask in exemplars.examples] == [True]
    assert (taken, region.shape) == ([], SHAPE)
    assert "Found 3 objects" in found.dock.hint.text()
    assert colour(found, (60, 30)) != colour(found, (90, 100))
    assert found.dock.controller.workspace.takes_clicks


def test_an_object_under_way_is_written_first(finder, start):
    driver = start()
    driver.click(*FIRST)
    driver.wait_for_answer()
    find(driver)
    assert ids(driver)[0] == 1
    assert outlined(driver) == [(60, 30), (60, 43), (90, 100)]


def test_without_a_finished_object_a_sentence_says_so(finder, start):
    driver = start()
    find(driver)
    assert "Nothing is finished here" in driver.dock.hint.text()
    assert not finder.asked


def test_all_above_the_slider_are_written_and_one_undo_takes_them_back(found):
    found.type(Qt.Key.Key_R, SHIFT)
    assert ids(found) == [1, 2, 3, 4, 0]
    for place, label in (((60, 30), 2), ((60, 43), 3), ((90, 100), 4)):
        assert np.array_equal(labels(found).data == label, disk(*place, SHAPE).full())
    assert outlined(found) == []
    found.type(Qt.Key.Key_U)
    assert ids(found) == [1, 0, 0, 0, 0]
    redraw(found)
    assert outlined(found) == [(60, 30), (60, 43), (90, 100)]
    found.type(Qt.Key.Key_U, SHIFT)
    assert ids(found) == [1, 2, 3, 4, 0]


def test_the_slider_shows_the_less_certain(found):
    slider = found.dock.finding.slider
    slider.setValue(85)
    redraw(found)
    assert outlined(found) == [(60, 30)]
    slider.setValue(10)
    redraw(found)
    assert outlined(found) == list(PLACES)
    found.type(Qt.Key.Key_R, SHIFT)
    assert ids(found) == [1, 2, 3, 4, 5]


def test_a_right_click_rejects_and_teaches(found, finder):
    found.click(60, 43, positive=False)
    assert colour(found, (60, 43)) == [0.5, 0.5, 0.5]
    assert found.session.state.is_empty
    found.type(Qt.Key.Key_R, SHIFT)
    assert ids(found) == [1, 2, 0, 3, 0]
    find(found)
    exemplars, _, _ = finder.asked[-1]
    assert [mask.at(60, 43) for mask in exemplars.rejected] == [True]
    assert {mask.at(60, 30) for mask in exemplars.examples} == {True, False}
    find(found)
    assert len(finder.asked[-1][0].rejected) == 1


def test_single_ones_are_accepted_by_a_click_and_written(found):
    found.click(90, 100)
    found.click(60, 30)
    found.click(60, 30, positive=False)
    assert colour(found, (90, 100)) == [1, 1, 1]
    assert ids(found) == [1, 0, 0, 0, 0]
    found.type(Qt.Key.Key_W)
    assert ids(found) == [1, 0, 0, 2, 0]
    redraw(found)
    assert outlined(found) == [(60, 30), (60, 43)]
    found.type(Qt.Key.Key_W)
    assert "No proposal is accepted" in found.dock.hint.text()
    assert ids(found) == [1, 0, 0, 2, 0]


def test_an_accepted_one_is_an_example_of_the_next_search(found, finder):
    found.click(90, 100)
    find(found)
    assert any(mask.at(90, 100) for mask in finder.asked[-1][0].examples)
    assert outlined(found) == [(60, 30), (60, 43), (90, 100)]
    found.type(Qt.Key.Key_W)
    assert ids(found) == [1, 0, 0, 2, 0]


def test_others_are_protected(found):
    layer = labels(found)
    layer.data[85:95, 95:101] = 7
    layer.refresh()
    before = np.array(layer.data)
    found.type(Qt.Key.Key_R, SHIFT)
    assert np.array_equal(layer.data[before > 0], before[before > 0])
    assert layer.data[90, 103] == 4
    found.type(Qt.Key.Key_U)
    assert np.array_equal(layer.data, before)


def test_a_drag_over_a_proposal_judges_nothing(found):
    found.drag((60, 30), (60, 60))
    assert found.dock.controller.finding.found.accepted() == []
    assert found.session.state.is_empty


def test_control_and_a_click_reject_as_well(found):
    found.click(60, 43, modifier=Qt.KeyboardModifier.ControlModifier)
    assert colour(found, (60, 43)) == [0.5, 0.5, 0.5]
    assert found.session.state.is_empty


def test_a_click_beside_them_begins_an_object_of_its_own(found):
    found.click(100, 30)
    found.wait_for_answer()
    found.type(Qt.Key.Key_W)
    assert ids(found) == [1, 0, 0, 0, 0]
    assert labels(found).data[100, 30] == 2
    assert outlined(found) == [(60, 30), (60, 43), (90, 100)]


def test_a_proposal_is_grabbed_and_corrected(found):
    grab(found, 60, 30)
    assert np.array_equal(found.session.mask.full(), disk(60, 30, SHAPE).full())
    found.click(60, 60)
    found.wait_for_answer()
    found.type(Qt.Key.Key_W)
    assert labels(found).data[60, 60] == labels(found).data[60, 30] == 2
    redraw(found)
    assert outlined(found) == [(60, 43), (90, 100)]


def test_they_follow_their_image(found):
    found.dock.controller.workspace.image.scale = (2, 2)
    redraw(found)
    redraw(found)
    assert outlined(found) == [(60, 30), (60, 43), (90, 100)]
    found.type(Qt.Key.Key_R, SHIFT)
    assert ids(found) == [1, 2, 3, 4, 0]


def test_a_click_elsewhere_does_not_draw_them_anew(found, monkeypatch):
    drawn, layer = [], found.dock.controller.finding.layer
    monkeypatch.setattr(layer, "show", lambda *_: drawn.append(1))
    found.click(100, 30)
    found.wait_for_answer()
    redraw(found)
    assert not drawn


def test_drop_takes_the_proposals_away(found):
    found.type(Qt.Key.Key_Q)
    assert outlined(found) == []
    found.type(Qt.Key.Key_R, SHIFT)
    assert ids(found) == [1, 0, 0, 0, 0]


def test_progress_is_shown_and_a_click_stops_the_search(begun, finder):
    finder.may_step = threading.Semaphore(0)
    driver = begun()
    driver.type(Qt.Key.Key_R)
    assert driver.dock.finding.progress.isVisibleTo(driver.dock)
    finder.may_step.release(2)
    driver.wait(lambda: len(driver.dock.controller.finding.found.proposals) == 2)
    driver.click(100, 30)
    finder.may_step.release(1)
    driver.wait_for_answer()
    assert driver.session.mask.at(100, 30)
    assert not driver.dock.controller.finding.search.is_under_way
    assert not driver.dock.finding.progress.isVisibleTo(driver.dock)
    redraw(driver)
    assert outlined(driver) == [(60, 30), (60, 43)]
    finder.may_step = None


@pytest.mark.parametrize("way", ["key", "button"])
def test_a_search_is_stopped(begun, finder, way):
    finder.may_step = threading.Semaphore(1)
    driver = begun()
    driver.type(Qt.Key.Key_R)
    driver.wait(lambda: bool(driver.dock.controller.finding.found.proposals))
    if way == "key":
        driver.type(Qt.Key.Key_R)
    else:
        driver.dock.finding.stop.click()
    assert not driver.dock.controller.finding.search.is_under_way
    finder.may_step.release(9)
    redraw(driver)
    assert outlined(driver) == [(60, 30)]
    assert "looks on" in driver.dock.hint.text()


def test_an_error_of_the_search_becomes_a_sentence(begun, finder, said):
    finder.find = lambda *_, **__: (_ for _ in ()).throw(MaskError("Search a smaller part."))
    driver = begun()
    find(driver)
    assert "smaller part" in driver.dock.hint.text()
    driver.click(100, 30)
    driver.wait_for_answer()
    assert driver.session.mask.at(100, 30)


def test_what_was_written_survives_a_kill(found, data, viewer, open_dock):
    found.type(Qt.Key.Key_R, SHIFT)
    settle(found)
    written = np.array(labels(found).data)
    crash(found, data, viewer)
    viewer.add_image(picture(), name="grey", contrast_limits=(0, 255))
    driver = opened(open_dock, viewer)
    driver.wait(lambda: not driver.dock.offer.isHidden())
    driver.dock.offer.restore.click()
    driver.wait(lambda: bool(driver.dock.work.said.text()))
    assert np.array_equal(labels(driver).data, written)
    assert ids(driver) == [1, 2, 3, 4, 0]


def test_the_objects_of_another_plane_teach(begun, finder):
    driver = begun(np.stack([picture(), picture(1)]))
    find(driver)
    driver.viewer.dims.set_point(0, 1)
    redraw(driver)
    find(driver)
    exemplars, taken, _ = finder.asked[-1]
    assert taken == []
    assert exemplars.source is not None
    driver.type(Qt.Key.Key_R, SHIFT)
    data = np.asarray(labels(driver).data)
    assert [int(data[1][place]) for place in PLACES] == [2, 3, 4, 0]
    assert not data[0, 60, 30]


def test_of_a_large_plane_the_view_is_searched_first_and_more_on_demand(begun, finder, viewer):
    finder.places = {(60, 30): 0.9, (300, 300): 0.8}
    driver = begun(np.zeros((3000, 3000), np.uint8))
    look_at(viewer, (60, 60), 200)
    redraw(driver)
    write(driver, *FIRST)
    view = driver.dock.controller.workspace.view
    for _ in range(4):
        find(driver)
    regions = [region for _, _, region in finder.asked]
    assert regions[0] == view
    assert view.height * view.width < 300 * 300
    sizes = [region.height * region.width for region in regions]
    assert sizes == sorted(sizes)
    assert sizes[2] > 3 * sizes[0]
    assert max(max(region.shape) for region in regions) <= 4096
    proposals = driver.dock.controller.finding.found.proposals
    assert [each.mask.at(60, 30) for each in proposals].count(True) == 1
    assert any(each.mask.at(300, 300) for each in proposals)


def test_another_image_takes_the_proposals_away(found, viewer):
    viewer.add_image(picture(1), name="other")
    found.dock.image.setCurrentText("other")
    found.dock.image.activated.emit(found.dock.image.currentIndex())
    redraw(found)
    assert found.dock.controller.finding.layer.layer is None
