"""The training dock: real runs of a tiny network on tiny collections, in real processes."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import psutil
import pytest
import tifffile
from napari.utils.progress import progress
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel

from activity_bars import bars, cancel
from napari_cfr_icl.gui.app.viewer_driver import LEFT
from napari_cfr_icl.gui.training import process
from napari_cfr_icl.gui.training.plot import CurvesFigure, TrainingPlot
from napari_cfr_icl.gui.training.process import mark_of
from napari_cfr_icl.gui.training.run_controller import last_run
from napari_cfr_icl.gui.training.run_monitor import GONE, Curves
from napari_cfr_icl.gui.training.training_dock import TRAINING
from napari_cfr_icl.gui.widgets.themed_canvas import BLUE, ORANGE, Colours
from napari_cfr_icl.training import recipes
from napari_cfr_icl.zoo.store import ModelStore
from saved_preferences import choose_tiny_model
from training_collections import SHAPE, disks_picture, write_collection
from training_goldens import GOLDEN

PATIENCE = 600_000
TINY = (
    f"data.side=48 data.min_area=20 schedule.steps=3 schedule.batch=2 validation.every=3 "
    f"validation.objects=2 validation.max_clicks=1 validation.min_area=20 "
    f"validation.gate_objects=4 validation.precision=float32 schedule.precision=float32 "
    f"checkpoint_every=1 "
    f"validation.preset={GOLDEN.parent}/training/small_window.json "
    f"base={GOLDEN}/g_hrnet_w4s.pth"
).split()


def tiny(*more):
    return recipes.with_assignments(recipes.load_recipe("finetune"), [*TINY, *more])


def press(button):
    assert button.isEnabled()
    QTest.mouseClick(button, LEFT)


@pytest.fixture
def wait(qtbot):
    return lambda until: qtbot.waitUntil(lambda: bool(until()), timeout=PATIENCE)


@pytest.fixture(autouse=True)
def own_machine(tmp_path, monkeypatch):
    """No run or model of a test outlasts it."""
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "models"))
    yield
    for path in tmp_path.rglob(process.MARK):
        mark = mark_of(path.parent)
        if mark is not None:
            mark.kill()


@pytest.fixture
def open_training(viewer):
    """Open the training dock; it is closed after the test."""
    docks = []

    def make():
        _, dock = viewer.window.add_plugin_dock_widget("napari-cfr-icl", "Train a model")
        docks.append(dock)
        return dock

    choose_tiny_model()
    yield make
    for dock in docks:
        dock.end()


@pytest.fixture
def dock(open_training, tmp_path):
    """The dock, with a collection named and tiny settings."""
    dock = open_training()
    dock.data.source.use_folder.click()
    dock.data.source.path.setText(str(write_collection(tmp_path / "cells", 5)))
    dock.settings.form.show_options(tiny())
    dock.settings.device.setCurrentText("cpu")
    dock.progress.folder.setText(str(tmp_path / "runs" / "first"))
    return dock


def say(dock):
    return dock.progress.sentence.text()


def has_colour(plot, colour):
    """True if some pixel of a picture has exactly this colour."""
    picture, wanted = plot.picture, QColor(colour).rgb()
    return any(
        picture.pixel(col, row) == wanted
        for row in range(picture.height())
        for col in range(picture.width())
    )


def is_at_rest(dock):
    return dock.progress.start.isEnabled()


def test_a_run_from_start_to_the_model_menu(viewer, dock, tmp_path, wait):
    press(dock.progress.start)
    wait(lambda: is_at_rest(dock))
    run = tmp_path / "runs" / "first"
    verdict = json.loads((run / "gate" / "verdict.json").read_text())
    assert say(dock) == verdict["sentence"]
    assert recipes.load_recipe(run / "config.toml") == tiny()
    curves = dock.runs.status.curves
    assert sorted(curves.losses) == [1, 2, 3]
    assert sorted(curves.rounds) == [0, 3]
    wait(lambda: has_colour(dock.progress.plot, BLUE) and has_colour(dock.progress.plot, ORANGE))
    assert dock.progress.samples.pixmap().width() > 100
    assert dock.progress.use.button.isEnabled() == verdict["passed"]

    # What the gate says is obeyed, either way.
    for passed in (False, True):
        verdict["passed"] = passed
        verdict["sentence"] = f"passed: {passed}"
        (run / "gate" / "verdict.json").write_text(json.dumps(verdict))
        wait(lambda: say(dock) == verdict["sentence"])
        assert dock.progress.use.button.isEnabled() is passed
    assert "Into the model menu" in dock.progress.use.button.toolTip()
    dock.progress.use.name.setText("cells-1")
    press(dock.progress.use.button)
    wait(lambda: not dock.importer.is_running)
    assert ModelStore().own_names() == ["cells-1"]
    press(dock.progress.start)
    wait(lambda: dock.runs.run != run)
    assert dock.runs.run.name == "first-2"


@pytest.mark.bindings
@pytest.mark.own_viewer
def test_a_run_outlives_the_viewer_is_found_again_stopped_and_resumed(
    viewer, dock, open_training, tmp_path, open_viewer, wait
):
    dock.settings.form.show_options(tiny("schedule.steps=100000", "validation.every=0"))
    press(dock.progress.start)
    wait(lambda: dock.progress.stop.isEnabled() and say(dock).startswith("Step"))
    run = tmp_path / "runs" / "first"
    process = psutil.Process(mark_of(run).pid)
    wait(lambda: TRAINING in bars(viewer))
    viewer.close()
    assert not progress._all_instances
    assert process.is_running()
    assert last_run() == run

    again = open_viewer()
    _, dock = again.window.add_plugin_dock_widget("napari-cfr-icl", "Train a model")
    wait(lambda: say(dock).startswith("Step"))
    assert dock.progress.run == run
    press(dock.progress.stop)
    wait(lambda: is_at_rest(dock))
    assert not mark_of(run).is_alive
    step = max(dock.runs.status.curves.losses)
    assert say(dock) == f"Stopped after step {step}; it can go on."
    assert (run / "checkpoints" / f"step-{step:07d}.pt").is_file()

    press(dock.progress.resume)
    wait(lambda: max(dock.runs.status.curves.losses) > step and TRAINING in bars(again))
    cancel(again, TRAINING)
    wait(lambda: is_at_rest(dock))
    step = max(dock.runs.status.curves.losses)
    assert say(dock) == f"Stopped after step {step}; it can go on."
    wait(lambda: not bars(again))

    press(dock.progress.resume)
    wait(lambda: max(dock.runs.status.curves.losses) > step)
    mark_of(run).kill()
    wait(lambda: is_at_rest(dock))
    assert say(dock) == GONE
    assert dock.progress.resume.isEnabled()
    dock.end()


def test_check_names_the_file_and_suggests_settings(dock, tmp_path, wait):
    tifffile.imwrite(tmp_path / "cells" / "labels" / "1.tif", np.zeros(SHAPE, np.uint8))
    (tmp_path / "cells" / "labels" / "2.tif").unlink()
    press(dock.data.check)
    wait(lambda: dock.data.check.isEnabled())
    assert dock.data.summary.text().startswith("3 usable pictures with ")
    shown = dock.data.findings
    found = {shown.item(row, 0).text(): shown.item(row, 1).text() for row in range(2)}
    assert found["1.tif"] == "left out: nothing is labelled"
    assert found["2.tif"] == "left out: there is no label image of this name"
    wait(lambda: "take about" in dock.settings.suggestion.text())
    options = dock.settings.options()
    assert options.schedule.steps == 200
    assert ": 200 steps of 8 samples take about" in dock.settings.suggestion.text()


def test_what_a_check_found_can_be_read(dock):
    long = "The labels have 512 x 512 pixels, the image has 1024 x 1024: save them at full size. "
    findings = [{"key": f"{i}.tif", "severity": "error", "text": long * (i + 1)} for i in range(2)]
    dock.data.show_report({"pictures": 0, "objects": 0, "findings": findings})
    shown = dock.data.findings
    shown.show()
    QApplication.processEvents()
    lines = [shown.rowHeight(row) / shown.fontMetrics().lineSpacing() for row in range(2)]
    wide = shown.columnWidth(1) / shown.fontMetrics().averageCharWidth()
    assert lines[0] * wide >= 0.7 * len(long)
    assert lines[1] > lines[0]


def test_few_options_are_in_sight_and_the_others_are_found(dock, viewer, qtbot):
    form = dock.settings.form
    in_sight = [name for name, field in form.fields.items() if _is_shown(field, form)]
    assert len(in_sight) == 6
    qtbot.keyClicks(form.search, "brightness")
    assert _is_shown(form.fields["augment.brightness"], form)
    field = form.fields["augment.brightness"]
    # People read a sentence; the name in the file of settings is in the tool tip.
    labels = [label.text() for label in field.native.parentWidget().findChildren(QLabel)]
    assert "Largest fading to black or white" in labels
    assert "(augment.brightness)" in field.native.toolTip()
    form.fields["augment.brightness"].value = 0.33
    form.search.clear()
    qtbot.keyClicks(form.search, "held out")
    assert _is_shown(form.fields["data.held_out"], form)
    assert not _is_shown(form.fields["augment.brightness"], form)
    assert form.options().augment.brightness == 0.33


def _is_shown(field, form):
    return getattr(field, "native", field).isVisibleTo(form)


def test_an_estimate_goes_with_the_settings_that_it_was_made_for(dock):
    dock.settings.show_no_suggestion("CPU: 200 steps of 8 samples take about 3 min.")
    dock.settings.form.fields["schedule.steps"].value = 999
    assert dock.settings.suggestion.text() == ""


def test_layers_become_a_collection(viewer, dock, tmp_path, wait):
    stacks = [np.stack(pair) for pair in zip(*(disks_picture(s) for s in range(5)), strict=True)]
    viewer.add_image(stacks[0], name="my cells")
    viewer.add_labels(stacks[1])
    dock.data.source.use_layers.click()
    press(dock.progress.start)
    wait(lambda: is_at_rest(dock))
    assert "than the base" in say(dock)
    data = json.loads((tmp_path / "runs" / "first" / "data.json").read_text())
    (collection,) = data["collections"]
    assert collection["name"] == "my-cells"
    assert len(collection["train"]) == 4
    assert [name.partition("/")[0] for name in collection["held_out"]] == ["val"]


def broken_labels(folder):
    for path in (folder / "labels").iterdir():
        path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "values", "sentence"),
    [
        pytest.param(broken_labels, (), "holds no image with a label image", id="collection"),
        pytest.param(None, ("base=no-such-model",), "no-such-model", id="model"),
    ],
)
def test_what_ends_a_run_is_one_sentence(dock, tmp_path, spoil, values, sentence, wait):
    if spoil is not None:
        spoil(tmp_path / "cells")
    dock.settings.form.show_options(tiny(*values))
    press(dock.progress.start)
    wait(lambda: is_at_rest(dock))
    assert sentence in say(dock)
    assert "\n" not in say(dock)
    assert not dock.progress.resume.isEnabled()


def test_a_full_disk_and_little_memory_are_said(dock, monkeypatch, tmp_path, wait):
    limited = process._HELPER.replace(
        "os.nice(10)",
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))",
    )
    monkeypatch.setattr(process, "_HELPER", limited)
    dock.settings.form.show_options(tiny("schedule.steps=8", "validation.every=0"))
    press(dock.progress.start)
    wait(lambda: is_at_rest(dock))
    assert "no room" in say(dock) or "full" in say(dock) or "too large" in say(dock)


def test_a_value_that_cannot_be_is_named_before_anything_begins(dock, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("napari_cfr_icl.gui.training.training_dock.show_error", said.append)
    dock.settings.form.fields["optimizer.rate"].value = "quick"
    press(dock.progress.start)
    assert str(said[0]) == "optimizer.rate must be a number, not 'quick'."
    assert not (tmp_path / "runs").exists()


def test_the_form_holds_every_option_and_gives_back_what_it_shows(dock):
    options = asdict(tiny())
    sections = {name for name, value in options.items() if isinstance(value, dict)}
    inner = {f"{section}.{name}" for section in sections for name in options[section]}
    assert set(dock.settings.form.fields) == set(options) - sections | inner
    wanted = tiny("suem.paste=0.25", 'optimizer.frozen=["a.b", "c"]', "icl.first_pass=paper")
    dock.settings.form.show_options(wanted)
    assert dock.settings.form.options() == wanted


def rounds_at(*steps):
    return {step: {"noc80": 3.0, "noc85": 4.0 - step / 10, "noc90": 5.0} for step in steps}


def test_the_curves_show_every_step_and_every_round(viewer):
    losses = {step: 1.0 / step for step in (3, 1, 2)}
    colours = Colours.of(viewer)
    figure = CurvesFigure(colours)
    figure.show(Curves(losses, rounds_at(2, 0)))
    raw, smooth = figure.loss.lines
    assert raw.get_xydata().tolist() == [[1, 1], [2, 1 / 2], [3, 1 / 3]]
    assert smooth.get_ydata().tolist() == raw.get_ydata().tolist()
    clicks = figure.clicks
    assert [line.get_label() for line in clicks.lines] == ["to 80 %", "85 %", "90 % IoU"]
    assert clicks.lines[1].get_xydata().tolist() == [[0, 4.0], [2, 3.8]]
    assert clicks.get_ylim()[0] == 0
    assert clicks.get_ylim()[1] > 5

    figure.show(Curves({**losses, 9: 20.0}, rounds_at(9)))
    assert figure.loss.get_xlim()[1] > 9
    assert figure.loss.get_ylim()[1] > 20
    assert clicks.lines[0].get_xydata().tolist() == [[9, 3.0]]

    # Another run, of which nothing is known yet, shows nothing of the one before.
    figure.show(Curves())
    assert not any(len(line.get_xdata()) for line in (*figure.loss.lines, *clicks.lines))


@pytest.mark.bindings
def test_the_last_of_many_curves_is_the_one_on_the_screen(viewer, qtbot, wait):
    plot = TrainingPlot(viewer)
    qtbot.addWidget(plot)
    plot.show()
    for step in range(1, 8):
        plot.show_curves(Curves(dict.fromkeys(range(1, step + 1), 1.0)))
    wait(lambda: has_colour(plot, BLUE))
    assert not has_colour(plot, ORANGE)
    losses = dict.fromkeys(range(1, 9), 1.0)
    plot.show_curves(Curves(losses))
    plot.show_curves(Curves(losses, rounds_at(0, 7)))
    assert not has_colour(plot, ORANGE)
    wait(lambda: has_colour(plot, ORANGE))
    viewer.theme = "light"
    light = QColor(Colours.of(viewer).background).rgb()
    wait(lambda: plot.picture.pixel(0, 0) == light)
    plot.close_events()
