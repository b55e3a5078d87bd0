"""The menu of models: what is here is used, what is not is offered to be fetched."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from activities import bars, cancel
from checkpoints import HRNET
from disk_predictor import DiskPredictor
from napari_cfr_icl.gui import controller
from napari_cfr_icl.gui.hand import LEFT
from napari_cfr_icl.gui.speeds import FEWEST, Speeds
from napari_cfr_icl.zoo import Store
from published import NAME, site_with_model


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A server that has the model NAME."""
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "models"))
    with site_with_model(monkeypatch) as running:
        yield running


@pytest.fixture
def hand(viewer, open_dock, disks, site):
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    hand = open_dock(viewer)
    hand.wait_for_answer()
    return hand


def choose(hand, name):
    menu = hand.dock.engine.model
    menu.setCurrentIndex(menu.findData(name))
    menu.activated.emit(menu.currentIndex())


def press(hand, button):
    hand.wait(button.isVisible)
    QTest.mouseClick(button, LEFT)


def test_a_model_that_is_not_here_is_offered_and_changes_nothing(hand):
    engine = hand.dock.engine
    used = engine.preferences.model
    choose(hand, NAME)
    assert engine.fetch.text.text() == "Published is not on this machine (licence MIT)."
    assert engine.preferences.model == engine.model.currentData() == used
    hand.click(40, 60)
    hand.wait_for_answer()
    assert hand.session.mask is not None


def test_a_model_is_fetched_and_used(hand):
    engine, chosen = hand.dock.engine, []
    engine.chosen.connect(chosen.append)
    choose(hand, NAME)
    press(hand, engine.fetch.start)
    hand.wait(lambda: bool(chosen))
    assert Store().path_of(NAME).read_bytes() == HRNET.read_bytes()
    assert chosen[0].model == engine.model.currentData() == NAME
    assert engine.fetch.isHidden()


def test_a_download_that_fails_is_one_sentence_and_can_be_tried_again(hand, site):
    site.files["/published.pth"].status = 404
    engine = hand.dock.engine
    choose(hand, NAME)
    press(hand, engine.fetch.start)
    hand.wait(lambda: not engine.fetch.is_running)
    assert Store().path_of(NAME) is None
    site.files["/published.pth"].status = 200
    press(hand, engine.fetch.start)
    hand.wait(lambda: Store().path_of(NAME) is not None)
    hand.wait(lambda: not engine.fetch.is_running)


def test_a_download_is_among_naparis_activities_and_cancelled_there(hand, site):
    file = site.files["/published.pth"]
    file.content, file.pause_at = bytes(8 * 2**20), 4 * 2**20
    engine, viewer, what = hand.dock.engine, hand.viewer, "Fetching Published"
    choose(hand, NAME)
    press(hand, engine.fetch.start)
    hand.wait(lambda: what in bars(viewer) and bars(viewer)[what].qt_progress_bar.value() > 0)
    assert bars(viewer)[what].qt_progress_bar.maximum() == 8
    cancel(viewer, what)
    # The line is silent, and the screen has understood all the same.
    assert engine.fetch.text.text() == "Cancelling…"
    hand.wait(lambda: not bars(viewer))
    file.may_go_on.set()
    hand.wait(lambda: not engine.fetch.is_running)
    assert engine.fetch.text.text().startswith("Cancelled; what has come is kept")
    assert not bars(viewer)
    assert Store().path_of(NAME) is None


def test_a_dock_closed_in_the_middle_of_a_download_takes_its_activity_along(hand, site):
    file = site.files["/published.pth"]
    file.content, file.pause_at = bytes(8 * 2**20), 4 * 2**20
    choose(hand, NAME)
    press(hand, hand.dock.engine.fetch.start)
    hand.wait(lambda: "Fetching Published" in bars(hand.viewer))
    hand.viewer.window.remove_dock_widget(hand.dock)
    assert not bars(hand.viewer)
    file.may_go_on.set()


def test_a_model_that_takes_its_time_to_load_is_among_naparis_activities(
    viewer, open_dock, monkeypatch
):
    loaded = threading.Event()

    def load(choice):
        assert loaded.wait(60)
        return DiskPredictor()

    monkeypatch.setattr(controller, "PredictorMaker", lambda: load)
    viewer.add_image(np.zeros((120, 160), np.uint8))
    hand, what = open_dock(viewer), "Loading the model"
    hand.wait(lambda: what in bars(viewer))
    # Nobody knows how far it is, and it cannot be cancelled.
    assert bars(viewer)[what].qt_progress_bar.maximum() == 0
    assert bars(viewer)[what].cancel_button.isHidden()
    loaded.set()
    hand.wait(lambda: not bars(viewer))


def test_a_model_that_only_people_can_fetch_is_told_how(hand):
    engine = hand.dock.engine
    choose(hand, "simpleclick-vit-b-sbd")
    assert "only be fetched by hand" in engine.fetch.text.text()
    assert engine.fetch.minimumSizeHint().width() < hand.dock.minimumWidth()
    assert engine.fetch.start.isHidden()


def test_the_menu_begins_with_what_is_here(hand):
    menu = hand.dock.engine.model
    here = [menu.itemData(i) for i in range(menu.findText("From a file…"))]
    assert here
    assert all(Store().path_of(name) is not None for name in here)
    assert menu.itemData(menu.findText("Published", Qt.MatchFlag.MatchStartsWith)) == NAME


def fact_of(engine, name):
    index = engine.model.findData(name)
    return engine.model.itemData(index, Qt.ItemDataRole.ToolTipRole)


def test_every_model_in_the_menu_tells_what_it_is_before_it_is_chosen(hand):
    engine = hand.dock.engine
    assert fact_of(engine, NAME) == "Licence: MIT."
    assert fact_of(engine, "ritm-hrnet32-cocolvis") == (
        "Trained on COCO + LVIS. Licence: MIT. 119 MB."
    )
    assert fact_of(engine, engine.preferences.model) == engine.about.text()


def test_the_dock_learns_how_quick_the_model_is_and_remembers(hand, viewer, open_dock):
    engine = hand.dock.engine
    assert "ms a pass" not in engine.about.text()
    for number in range(FEWEST):
        hand.click(20 + 15 * number, 60)
        hand.wait_for_answer()
    speed = re.compile(r"About \d+ ms a pass on this machine\.")
    assert speed.search(engine.about.text())
    assert speed.search(fact_of(engine, engine.preferences.model))
    assert not speed.search(fact_of(engine, NAME))
    assert "ms a pass" in open_dock(viewer).dock.engine.about.text()


def test_one_slow_pass_is_no_news(tmp_path):
    speeds = Speeds(tmp_path / "speeds.json")
    news = [speeds.note("model", "cpu", 0.1) for _ in range(FEWEST)]
    assert news == [False] * (FEWEST - 1) + [True]
    assert not speeds.note("model", "cpu", 9.0)
    assert speeds.of("model", "cpu") == pytest.approx(100)
    assert speeds.of("model", "cuda") is None
    assert Speeds(tmp_path / "speeds.json").of("model", "cpu") == pytest.approx(100)


def test_a_damaged_file_of_speeds_is_an_empty_one(tmp_path):
    file = tmp_path / "speeds.json"
    for content in ("{", "[1]", '{"a on cpu": "quick", "b on cpu": -3}'):
        file.write_text(content)
        assert Speeds(file).of("a", "cpu") is None
        assert Speeds(file).of("b", "cpu") is None


def test_models_can_be_kept_in_another_folder(hand, tmp_path, monkeypatch, said):
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS")
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "elsewhere")
    )
    engine, used = hand.dock.engine, hand.dock.engine.preferences.model
    engine.model.setCurrentText("Keep models in…")
    engine.model.activated.emit(engine.model.currentIndex())
    assert Store().folder == tmp_path / "elsewhere"
    assert not said()

    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "shared"))
    engine.model.setCurrentText("Keep models in…")
    engine.model.activated.emit(engine.model.currentIndex())
    assert said() == [f"NAPARI_CFR_ICL_MODELS is set and comes first: {tmp_path / 'shared'}"]
    assert engine.preferences.model == engine.model.currentData() == used
