"""The menu of models: what is here is used, what is not is offered to be fetched."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from activity_bars import bars, cancel, moving
from checkpoints import HRNET
from disk_predictor import DiskPredictor
from golden_models import randomised
from napari_cfr_icl._errors import DeviceError, ModelFileError
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.app import controller
from napari_cfr_icl.gui.app.viewer_driver import LEFT
from napari_cfr_icl.gui.interaction.engine_switch import ANY_DEVICE, SHIPPED, STAYS
from napari_cfr_icl.gui.views.engine_panel import EnginePanel
from napari_cfr_icl.gui.widgets.section import Section
from napari_cfr_icl.session.preferences import Preferences, load_preferences, save_preferences
from napari_cfr_icl.session.presets import NamedPreset, save_preset
from napari_cfr_icl.session.speeds import FEWEST, Speeds
from napari_cfr_icl.zoo import ModelStore
from napari_cfr_icl.zoo.key_maps import published_weights
from published_model import NAME, site_with_model


@pytest.fixture
def site(monkeypatch, tmp_path):
    """A server that has the model NAME."""
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "models"))
    with site_with_model(monkeypatch) as running:
        yield running


@pytest.fixture
def driver(viewer, open_dock, disks, site):
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    driver = open_dock(viewer)
    for section in driver.dock.findChildren(Section):
        section.set_open(True)  # the menu of models is folded at first
    driver.wait_for_answer()
    return driver


def choose(driver, name):
    menu = driver.dock.engine.model
    menu.setCurrentIndex(menu.findData(name))
    menu.activated.emit(menu.currentIndex())


def press(driver, button):
    driver.wait(button.isVisible)
    QTest.mouseClick(button, LEFT)


def test_a_model_that_micro_sam_keeps_is_found_and_used(
    viewer, open_dock, disks, site, tmp_path, monkeypatch
):
    monkeypatch.setenv("MICROSAM_CACHEDIR", str(tmp_path / "micro_sam"))
    kept = tmp_path / "micro_sam" / "models" / "mine"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(HRNET.read_bytes())
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    driver = open_dock(viewer)
    driver.wait_for_answer()
    engine, chosen = driver.dock.engine, []
    engine.chosen.connect(chosen.append)
    menu = engine.model
    assert "mine, found on this machine" in [menu.itemText(i) for i in range(menu.count())]
    choose(driver, str(kept))
    driver.wait(lambda: bool(chosen))
    assert chosen[0].model == menu.currentData() == str(kept)
    driver.click(40, 60)
    driver.wait_for_answer()
    assert driver.session.mask is not None


def test_the_contrast_that_a_model_was_trained_with_is_shown_beside_it(
    viewer, open_dock, site, tmp_path, monkeypatch
):
    monkeypatch.setenv("MICROSAM_CACHEDIR", str(tmp_path / "micro_sam"))
    kept = tmp_path / "micro_sam" / "models" / "vit_t_lm"
    kept.parent.mkdir(parents=True)
    weights = published_weights(randomised({"family": "mobile_sam", "full_decoder": True}))
    torch.save(weights, kept)
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    driver = open_dock(viewer)
    for section in driver.dock.findChildren(Section):
        section.set_open(True)
    engine = driver.dock.engine
    assert engine.contrast.isHidden()
    choose(driver, "micro-sam-vit-t-lm")
    driver.wait(engine.contrast.isVisible)
    trained = "each colour stretched from its minimum to its maximum"
    assert engine.contrast.text() == f"Contrast: as on the screen; it was trained with {trained}."
    engine.preset.native.setCurrentText("whole-image")
    driver.wait(lambda: engine.contrast.text() == f"Contrast: {trained}, as it was trained.")
    choose(driver, "cfr-icl-hrnet18")
    driver.wait(engine.contrast.isHidden)


def test_a_model_that_is_not_here_is_offered_and_changes_nothing(driver):
    engine = driver.dock.engine
    used = engine.preferences.model
    choose(driver, NAME)
    assert engine.fetch.text.text() == "Published is not on this machine (licence MIT)."
    assert engine.preferences.model == engine.model.currentData() == used
    driver.click(40, 60)
    driver.wait_for_answer()
    assert driver.session.mask is not None


def test_a_model_is_fetched_and_used(driver):
    engine, chosen = driver.dock.engine, []
    engine.chosen.connect(chosen.append)
    choose(driver, NAME)
    press(driver, engine.fetch.start)
    driver.wait(lambda: bool(chosen))
    assert ModelStore().path_of(NAME).read_bytes() == HRNET.read_bytes()
    assert chosen[0].model == engine.model.currentData() == NAME
    assert engine.fetch.isHidden()


def test_a_download_that_fails_is_one_sentence_and_can_be_tried_again(driver, site):
    site.files["/published.pth"].status = 404
    engine = driver.dock.engine
    choose(driver, NAME)
    press(driver, engine.fetch.start)
    driver.wait(lambda: not engine.fetch.is_running)
    assert ModelStore().path_of(NAME) is None
    site.files["/published.pth"].status = 200
    press(driver, engine.fetch.start)
    driver.wait(lambda: ModelStore().path_of(NAME) is not None)
    driver.wait(lambda: not engine.fetch.is_running)


def test_a_download_is_among_naparis_activities_and_cancelled_there(driver, site):
    file = site.files["/published.pth"]
    file.content, file.pause_at = bytes(8 * 2**20), 4 * 2**20
    engine, viewer, what = driver.dock.engine, driver.viewer, "Fetching Published"
    choose(driver, NAME)
    press(driver, engine.fetch.start)
    driver.wait(lambda: what in bars(viewer) and bars(viewer)[what].qt_progress_bar.value() > 0)
    assert bars(viewer)[what].qt_progress_bar.maximum() == 8
    cancel(viewer, what)
    # The line is silent, and the screen has understood all the same.
    assert engine.fetch.text.text() == "Cancelling…"
    driver.wait(lambda: not bars(viewer))
    file.may_go_on.set()
    driver.wait(lambda: not engine.fetch.is_running)
    assert engine.fetch.text.text().startswith("Cancelled; what has come is kept")
    assert not bars(viewer)
    assert ModelStore().path_of(NAME) is None


def test_a_dock_closed_in_the_middle_of_a_download_takes_its_activity_along(driver, site):
    file = site.files["/published.pth"]
    file.content, file.pause_at = bytes(8 * 2**20), 4 * 2**20
    choose(driver, NAME)
    press(driver, driver.dock.engine.fetch.start)
    driver.wait(lambda: "Fetching Published" in bars(driver.viewer))
    driver.viewer.window.remove_dock_widget(driver.dock)
    assert not bars(driver.viewer)
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
    driver, what = open_dock(viewer), "Loading the model"
    driver.wait(lambda: what in bars(viewer))
    # Nobody knows how far it is, and it cannot be cancelled. Nothing moves: the network needs the
    # processor, and on a screen drawn in software every picture costs it.
    assert bars(viewer)[what].qt_progress_bar.value() == 0
    assert not moving(viewer)
    driver.wait(lambda: "Loading the model, 1 s so far" in driver.dock.hint.text())
    assert bars(viewer)[what].cancel_button.isHidden()
    loaded.set()
    driver.wait(lambda: not bars(viewer))


def test_a_model_that_only_people_can_fetch_is_told_how(driver):
    engine = driver.dock.engine
    choose(driver, "simpleclick-vit-b-sbd")
    assert "only be fetched by hand" in engine.fetch.text.text()
    assert engine.fetch.minimumSizeHint().width() < driver.dock.minimumWidth()
    assert engine.fetch.start.isHidden()


def test_the_menu_begins_with_what_is_here(driver):
    menu = driver.dock.engine.model
    here = [menu.itemData(i) for i in range(menu.findText("From a file…"))]
    assert here
    assert all(ModelStore().path_of(name) is not None for name in here)
    assert menu.itemData(menu.findText("Published", Qt.MatchFlag.MatchStartsWith)) == NAME


def fact_of(engine, name):
    index = engine.model.findData(name)
    return engine.model.itemData(index, Qt.ItemDataRole.ToolTipRole)


def test_every_model_in_the_menu_tells_what_it_is_before_it_is_chosen(driver):
    engine = driver.dock.engine
    assert fact_of(engine, NAME) == "Licence: MIT."
    assert fact_of(engine, "ritm-hrnet32-cocolvis") == (
        "Trained on COCO + LVIS. Licence: MIT. 119 MB."
    )
    assert fact_of(engine, engine.preferences.model) == engine.about.text()


def test_the_models_tell_what_they_are_after_an_offer_too(driver):
    engine = driver.dock.engine
    choose(driver, "simpleclick-vit-b-sbd")
    assert fact_of(engine, NAME) == "Licence: MIT."
    assert fact_of(engine, engine.preferences.model) == engine.about.text()


def test_the_dock_learns_how_quick_the_model_is_and_remembers(driver, viewer, open_dock):
    engine = driver.dock.engine
    assert "a pass on this machine" not in engine.about.text()
    for number in range(FEWEST):
        driver.click(20 + 15 * number, 60)
        driver.wait_for_answer()
    speed = re.compile(r"About \d+\.\d+ s a pass on this machine\.")
    assert speed.search(engine.about.text())
    assert speed.search(fact_of(engine, engine.preferences.model))
    assert not speed.search(fact_of(engine, NAME))
    assert speed.search(open_dock(viewer).dock.engine.about.text())


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


def test_models_can_be_kept_in_another_folder(driver, tmp_path, monkeypatch, said):
    monkeypatch.delenv("NAPARI_CFR_ICL_MODELS")
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "elsewhere")
    )
    engine, used = driver.dock.engine, driver.dock.engine.preferences.model
    engine.model.setCurrentText("Keep models in…")
    engine.model.activated.emit(engine.model.currentIndex())
    assert ModelStore().folder == tmp_path / "elsewhere"
    assert not said()

    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "shared"))
    engine.model.setCurrentText("Keep models in…")
    engine.model.activated.emit(engine.model.currentIndex())
    assert said() == [f"NAPARI_CFR_ICL_MODELS is set and comes first: {tmp_path / 'shared'}"]
    assert engine.preferences.model == engine.model.currentData() == used


NO_MODEL = "/somewhere/model.pth is a web page, not a model."


class Maker:
    """Makes disks for every choice but those whose model or device is `broken`.

    A choice of a model in `held` is made once it is let go. `made` holds the choices in turn.
    """

    def __init__(self):
        self.predictor = DiskPredictor()
        self.broken = {}
        self.held = {}
        self.made = []

    def __call__(self, choice):
        self.made.append(choice)
        if choice.model in self.held:
            assert self.held[choice.model].wait(60)
        for part in (choice.model, choice.device):
            if part in self.broken:
                raise self.broken[part]
        return self.predictor


@pytest.fixture
def maker(monkeypatch):
    maker = Maker()
    monkeypatch.setattr(controller, "PredictorMaker", lambda: maker)
    return maker


@pytest.fixture
def bad_file(tmp_path, maker):
    file = tmp_path / "model.pth"
    file.write_text("<!doctype html>")
    maker.broken[str(file)] = ModelFileError(NO_MODEL)
    return str(file)


@pytest.fixture
def steady(viewer, open_dock, maker):
    """A dock whose first model works."""
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    driver = open_dock(viewer)
    settle(driver)
    return driver


def settle(driver):
    driver.wait(lambda: driver.dock.controller.is_prepared)


def choose_file(driver, monkeypatch, file):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (file, ""))
    choose(driver, None)


def test_a_file_that_is_no_model_changes_nothing(steady, bad_file, monkeypatch, said):
    engine, used = steady.dock.engine, steady.dock.engine.preferences
    choose_file(steady, monkeypatch, bad_file)
    settle(steady)
    assert said() == ["model.pth is a web page, not a model.\nFolder: /somewhere/"]
    assert steady.dock.hint.text() == f"model.pth is a web page, not a model. {STAYS}"
    assert engine.preferences == load_preferences() == used
    assert engine.model.currentData() == used.model
    assert engine.model.findData(bad_file) == -1
    steady.click(40, 60)
    steady.wait_for_answer()
    assert steady.session.mask is not None
    assert steady.dock.hint.text().startswith("Correct it with more clicks")
    assert len(said()) == 1


def test_an_offer_leaves_the_menu_on_the_model_that_was_chosen_last(steady, monkeypatch):
    engine, first = steady.dock.engine, steady.dock.engine.preferences.model
    choose_file(steady, monkeypatch, "/somewhere/good.pth")
    settle(steady)
    choose(steady, first)
    settle(steady)
    choose(steady, "simpleclick-vit-b-sbd")
    assert engine.model.currentData() == engine.preferences.model == first


def test_clicks_made_while_a_bad_model_loads_are_answered_by_the_one_before(
    steady, maker, bad_file, monkeypatch, said
):
    maker.held[bad_file] = threading.Event()
    choose_file(steady, monkeypatch, bad_file)
    steady.wait(lambda: len(maker.made) == 2)
    steady.click(40, 60)
    steady.type(Qt.Key.Key_W)
    steady.click(80, 60)
    assert steady.session.mask is None
    maker.held[bad_file].set()
    steady.wait(lambda: steady.session.mask is not None)
    settle(steady)
    assert len(said()) == 1
    assert steady.session.state.answer is not None
    assert steady.dock.hint.text().endswith(STAYS)


def test_a_model_that_takes_its_time_is_kept_once_it_is_loaded(steady, maker, monkeypatch):
    used, slow = load_preferences().model, "/somewhere/slow.pth"
    maker.held[slow] = threading.Event()
    choose_file(steady, monkeypatch, slow)
    steady.wait(lambda: len(maker.made) == 2)
    steady.dock.object.protect.click()
    assert load_preferences() == Preferences(model=used, protect=False)
    maker.held[slow].set()
    settle(steady)
    assert load_preferences() == Preferences(model=slow, protect=False)


def test_the_newest_choice_wins_over_one_that_fails_later(
    steady, maker, bad_file, monkeypatch, said
):
    maker.held[bad_file] = threading.Event()
    choose_file(steady, monkeypatch, bad_file)
    steady.wait(lambda: len(maker.made) == 2)
    choose_file(steady, monkeypatch, "/somewhere/good.pth")
    maker.held[bad_file].set()
    settle(steady)
    assert maker.made[-1].model == load_preferences().model == "/somewhere/good.pth"
    assert steady.dock.engine.model.currentText() == "good.pth"
    assert not said()


def test_a_bad_model_from_the_day_before_gives_way_to_the_one_that_is_shipped(
    viewer, open_dock, maker, bad_file, said
):
    save_preferences(Preferences(model=bad_file, protect=False))
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    driver = open_dock(viewer)
    settle(driver)
    assert driver.dock.hint.text().endswith(SHIPPED)
    assert len(said()) == 1
    assert load_preferences() == Preferences(protect=False)
    assert driver.dock.engine.model.currentData() == Preferences().model
    driver.click(40, 60)
    driver.wait_for_answer()
    assert driver.session.mask is not None


def test_a_device_that_is_gone_costs_nobody_the_model(viewer, open_dock, maker):
    maker.broken["cuda"] = DeviceError("There is no CUDA device.")
    save_preferences(Preferences(model="/somewhere/good.pth", device="cuda"))
    driver = open_dock(viewer)
    settle(driver)
    assert driver.dock.hint.text() == f"There is no CUDA device. {ANY_DEVICE}"
    assert load_preferences() == Preferences(model="/somewhere/good.pth")


def test_where_nothing_works_it_is_tried_once_and_said(viewer, open_dock, maker, bad_file, said):
    maker.broken[Preferences().model] = ModelFileError("The shipped model is damaged.")
    save_preferences(Preferences(model=bad_file))
    viewer.add_image(np.zeros((120, 160), np.uint8), name="grey")
    driver = open_dock(viewer)
    settle(driver)
    assert [choice.model for choice in maker.made] == [bad_file, Preferences().model]
    assert said()[1:] == [driver.dock.hint.text()] == ["The shipped model is damaged."]
    assert load_preferences().model == bad_file


def test_a_prediction_that_fails_changes_no_model(steady, maker, monkeypatch, said):
    def out_of_memory(*_):
        raise DeviceError("The device 'cuda' is out of memory.")
        yield

    choose_file(steady, monkeypatch, "/somewhere/good.pth")
    settle(steady)
    maker.predictor.steps = out_of_memory
    steady.click(40, 60)
    steady.wait_for_answer()
    assert said() == ["The device 'cuda' is out of memory."]
    assert load_preferences().model == steady.dock.engine.model.currentData()
    assert load_preferences().model == maker.made[-1].model == "/somewhere/good.pth"


def test_a_name_that_is_cut_off_can_be_read(driver):
    menu = driver.dock.engine.model
    assert menu.toolTip() == menu.currentText()
    menu.showPopup()
    assert menu.view().viewport().width() >= menu.view().sizeHintForColumn(0)
    menu.hidePopup()


def test_a_preset_with_a_long_name_does_not_widen_the_dock():
    save_preset(NamedPreset(60 * "w", "interactive", Refinement(steps=2)))
    panel = EnginePanel(Preferences())
    assert panel.preset.native.findText(60 * "w") > 0
    assert panel.minimumSizeHint().width() < 300
    panel.deleteLater()
