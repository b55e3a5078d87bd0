"""The search of the tuning dock: a real process on tiny pictures, driven with the mouse."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
from qtpy.QtCore import QPoint, QTimer
from qtpy.QtTest import QTest

from activity_bars import bars, cancel
from blob_dataset import TINY_MODEL, blobs, write_blobs
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice
from napari_cfr_icl.evaluation.tuning.options import TuneOptions
from napari_cfr_icl.evaluation.tuning.policies import Grid
from napari_cfr_icl.evaluation.tuning.tune import tune
from napari_cfr_icl.gui.app.viewer_driver import LEFT
from napari_cfr_icl.gui.tuning.tuning_dock import SEARCHING
from napari_cfr_icl.session.preferences import load_preferences
from napari_cfr_icl.session.presets import load_presets, preset_file
from saved_preferences import choose_tiny_model

PATIENCE = 600_000
FEW = Grid((1, 2), (5,), (0.02,), (1, None), (False, True))


@pytest.fixture
def dock(viewer):
    """The tuning dock alone, at its search, set to little work."""
    choose_tiny_model()
    _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Tune refinement")
    dock.tabs.setCurrentIndex(1)
    panel = dock.search_panel
    panel.fields["max_steps"].value = 2
    panel.fields["max_clicks"].value = 1
    panel.fields["pixels"].value = "5"
    panel.fields["fractions"].value = "0.02"
    panel.fields["first_clicks"].value = "1, all"
    yield dock
    dock.end()


def press(button):
    QTest.mouseClick(button, LEFT)


@pytest.fixture
def wait(qtbot):
    return lambda until: qtbot.waitUntil(lambda: bool(until()), timeout=PATIENCE)


def test_a_search_in_the_dock_is_the_commands_and_the_screen_lives(dock, tmp_path, wait):
    folder = write_blobs(tmp_path / "blobs", pictures=3, count=1)
    dock.search_panel.source.use_folder.click()
    dock.search_panel.source.path.setText(str(folder))
    beats, lines, stages = [], [], []
    dock.searches.entered.connect(stages.append)
    heart = QTimer()
    heart.timeout.connect(lambda: beats.append(time.monotonic()))
    heart.start(20)
    dock.searches.progressed.connect(lambda *facts: lines.append(facts))
    press(dock.search_panel.start)
    assert not dock.search_panel.start.isEnabled()
    wait(lambda: not dock.searches.is_running)
    heart.stop()

    assert "3 objects clicked" in dock.search_panel.status.text()
    assert next(standings.objects for _, _, standings in lines) == 0
    assert stages[:2] == ["Reading the pictures", "Loading the model"]
    assert stages[2].startswith("Clicking the first object under ")
    assert lines[-1][0] == 1
    # Pauses of a busy machine are not the dock's; one that waited for the search would stand still.
    assert np.median(np.diff(beats)) < 0.05
    assert len(beats) > 20

    out = dock.searches.results.parent
    options = TuneOptions(
        (DatasetChoice(folder),),
        tmp_path / "again",
        str(TINY_MODEL),
        preset=str(out / "today.json"),
        grid=FEW,
        max_clicks=1,
        device="cpu",
    )
    choice = tune(options)
    again, found = ((f / "tune.json").read_text() for f in (options.out, out / "results"))
    assert json.loads(found) == json.loads(again)
    assert dock.search_panel.scores.recommended == choice.recommended
    assert lines[-1][2].clicks == pytest.approx([s.clicks for s in choice.standings], abs=1e-4)
    assert lines[-1][2].recommended == choice.recommended


def test_layers_are_searched_as_they_are_drawn_and_a_point_can_be_used(viewer, dock, wait):
    picture, labels = blobs(3)
    viewer.add_image(picture.astype(np.uint16)[..., 0] * 40, contrast_limits=(0, 9000), name="a/b")
    viewer.add_labels(labels)
    results = dock.search_panel.plot, dock.search_panel.chosen, dock.search_panel.use
    assert all(widget.isHidden() for widget in results)
    press(dock.search_panel.start)
    wait(lambda: not dock.searches.is_running)
    assert dock.search_panel.status.text().startswith("2 objects clicked")
    assert not any(widget.isHidden() for widget in results)
    assert not (dock.searches.results.parent / "a-b").exists()

    standings, plot = dock.search_panel.scores, dock.search_panel.plot
    plot.draw()
    wanted = standings.front[0]
    point = standings.passes[wanted], standings.clicks[wanted]
    x, y = plot.axes.transData.transform(point) / plot.devicePixelRatioF()
    QTest.mouseClick(plot, LEFT, pos=QPoint(round(x), round(plot.height() - y)))
    press(dock.search_panel.use.button)
    (preset,) = load_presets().values()
    assert preset.refinement == standings.policies[wanted]
    assert preset.base == "public-code"
    assert load_preferences().preset == preset.name == dock.search_panel.use.name.placeholderText()
    assert preset_file(preset.name).is_file()


def test_cancel_ends_the_process_at_once(dock, tmp_path, wait):
    dock.search_panel.source.use_folder.click()
    dock.search_panel.source.path.setText(str(write_blobs(tmp_path / "blobs", pictures=20)))
    press(dock.search_panel.start)
    wait(lambda: dock.searches.pid)
    process = psutil.Process(dock.searches.pid)
    press(dock.search_panel.cancel)
    assert not process.is_running()
    assert dock.search_panel.status.text() == "Cancelled."
    assert dock.search_panel.start.isEnabled()


@pytest.mark.bindings
def test_a_search_is_among_naparis_activities_and_cancelled_there(viewer, dock, tmp_path, wait):
    dock.search_panel.source.use_folder.click()
    dock.search_panel.source.path.setText(str(write_blobs(tmp_path / "blobs", pictures=20)))
    press(dock.search_panel.start)
    wait(lambda: SEARCHING in bars(viewer) and dock.searches.pid)
    process = psutil.Process(dock.searches.pid)
    cancel(viewer, SEARCHING)
    assert not process.is_running()
    assert dock.search_panel.status.text() == "Cancelled."
    wait(lambda: not bars(viewer))


@pytest.mark.bindings
@pytest.mark.own_viewer
def test_closing_the_viewer_mid_search_ends_it(viewer, dock, tmp_path, wait):
    dock.search_panel.source.use_folder.click()
    dock.search_panel.source.path.setText(str(write_blobs(tmp_path / "blobs", pictures=20)))
    seen = []
    dock.searches.progressed.connect(lambda *facts: seen.append(facts))
    press(dock.search_panel.start)
    wait(lambda: seen)
    process = psutil.Process(dock.searches.pid)
    viewer.close()
    wait(lambda: not process.is_running())


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        pytest.param("", "Choose a folder with images and labels", id="nothing"),
        pytest.param("nowhere", "There is no data set at nowhere", id="missing"),
    ],
)
def test_what_is_wrong_is_one_sentence(dock, path, sentence, monkeypatch, wait):
    said = []
    monkeypatch.setattr("napari_cfr_icl.gui.tuning.tuning_dock.show_error", said.append)
    dock.search_panel.source.use_folder.click()
    dock.search_panel.source.path.setText(path)
    press(dock.search_panel.start)
    wait(lambda: said)
    assert str(said[0]).startswith(sentence)
    assert dock.search_panel.status.text() == str(said[0])
    assert "\n" not in str(said[0])
    assert dock.search_panel.start.isEnabled()


def test_labels_of_another_size_are_refused(viewer, dock, monkeypatch):
    said = []
    monkeypatch.setattr("napari_cfr_icl.gui.tuning.tuning_dock.show_error", said.append)
    viewer.add_image(np.zeros((20, 30)), name="a")
    viewer.add_labels(np.ones((20, 20), int), name="b")
    press(dock.search_panel.start)
    assert "20 x 30 pixels, the labels b 20 x 20" in str(said[0])
    assert not dock.searches.is_running


def test_a_named_preset_keeps_everything_but_the_inner_loop_of_its_base(dock, tmp_path):
    from napari_cfr_icl.engine.settings import Refinement, Settings
    from napari_cfr_icl.evaluation.protocol.settings_file import settings_for
    from napari_cfr_icl.session.presets import NamedPreset, save_preset

    policy = Refinement(steps=3, adaptive=True, threshold_pixels=7)
    path = save_preset(NamedPreset("three", "paper", policy))
    assert settings_for(str(path), "preset", None) == replace(Settings.paper(), refinement=policy)
