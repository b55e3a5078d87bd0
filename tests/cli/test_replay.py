"""A session is done again without a screen: the same labels, or one sentence why not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from checkpoints import HRNET
from napari_cfr_icl.autosave.event_log import EventLog, LabelsRecord, StartLabels
from napari_cfr_icl.autosave.fingerprint import fingerprint_image
from napari_cfr_icl.autosave.label_diff import LabelDiff
from napari_cfr_icl.autosave.records import (
    NOTHING,
    AnswerRecord,
    EngineRecord,
    ObjectRecord,
    PictureRecord,
)
from napari_cfr_icl.autosave.session_file import save_session
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.zoo.file_kinds import file_sha256
from napari_cfr_icl.zoo.loading import load_file

SHAPE = (64, 80)
VIEW = Window(5, 5, 50, 60)


@pytest.fixture(scope="module")
def settings():
    return replace(Settings.interactive(), precision="float32").with_inference("cfr-2")


CLICKS = Clicks([Click(30, 40), Click(31, 20, positive=False)])
_MASKS = {}


def mask_of(pixels, settings):
    """The mask of two clicks, the first answer interrupted; the same for all tests."""
    key = pixels.tobytes()
    if key not in _MASKS:
        source = ImageSource(pixels, Rendering.grey(10, 220, 0.8))
        predictor = Predictor(load_file(HRNET), settings, "cpu")
        first = next(predictor.steps(source, CLICKS[:1], None, VIEW))
        answer = predictor.predict(source, CLICKS, first, None)
        _MASKS[key] = answer.probabilities.threshold(0.3)
    return _MASKS[key]


@pytest.fixture
def session(image, tmp_path, settings):
    """A session of an object of two clicks, and of a painted spot."""
    pixels, clicks = tifffile.imread(image), CLICKS
    mask = mask_of(pixels, settings)
    start = np.zeros(SHAPE, np.uint16)
    start[28:32, 36:44] = 3
    wanted = mask.full() & (start == 0)
    assert wanted.any()
    work = EventLog(fingerprint_image(pixels, "disc", str(image)))
    picture = PictureRecord((0, 1), None, (0, 0), ((0, (1.0, 1.0, 1.0), 10.0, 220.0, 0.8),))
    answers = (
        AnswerRecord(clicks[:1], NOTHING, VIEW, 1, 0, 0),
        AnswerRecord(clicks, 0, None, 3, 0, 0),
    )
    made = ObjectRecord((0, 1), (0, 0), clicks, 4, 0.3, True, None, answers)
    spot = LabelDiff.at([np.array([1, 2]), np.array([3, 3])], 0, 9)
    engine = EngineRecord(str(HRNET), file_sha256(HRNET), "cpu", "float32", settings)
    record = LabelsRecord("objects", SHAPE, "uint16", StartLabels(start))
    for event in (
        {"event": "engine", "engine": engine},
        {"event": "picture", "picture": picture},
        {"event": "labels", "number": 0, "labels": record},
        {
            "event": "edit",
            "number": 0,
            "change": LabelDiff.at(np.nonzero(wanted), 0, 4),
            "object": made,
        },
        {"event": "edit", "number": 0, "change": spot, "object": None},
    ):
        work.apply(event)
    path = tmp_path / "work.cfrsession.json"
    save_session(path, work)
    labels = start.copy()
    labels[wanted] = 4
    labels[1:3, 3] = 9
    return path, labels


def changed(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change({event["event"]: event for event in data["events"]})
    path.write_text(json.dumps(data), encoding="utf-8")


def test_the_labels_come_back_to_the_last_pixel(run, session, tmp_path):
    path, labels = session
    result = run("replay", path, "--out", tmp_path / "again.tif")
    assert result.exit_code == 0
    assert "1 object, 1 change without clicks taken over" in result.stdout
    assert "those of the session to the last pixel" in result.stdout
    again = tifffile.imread(tmp_path / "again.tif")
    assert again.dtype == labels.dtype
    assert np.array_equal(again, labels)


def test_what_differs_is_counted(run, session):
    path, _ = session
    data = json.loads(path.read_text())
    made = next(e for e in data["events"] if e["event"] == "edit")["object"]
    made["threshold"] = 0.999
    path.write_text(json.dumps(data))
    assert "the labels differ from those of the session in " in run("replay", path).stdout


def test_the_image_may_have_moved(run, session, image, tmp_path):
    path, _ = session
    (tmp_path / "sub").mkdir()
    moved = image.rename(tmp_path / "sub" / "other.tif")
    assert "There is no file" in run("replay", path).stderr
    assert run("replay", path, "--image", moved).exit_code == 0
    beside = path.rename(tmp_path / "sub" / path.name)
    moved.rename(tmp_path / "sub" / image.name)
    assert run("replay", beside).exit_code == 0


def test_an_image_in_another_kind_of_file_will_do(run, session, image, tmp_path):
    path, _ = session
    Image.fromarray(tifffile.imread(image)).save(tmp_path / "same.png")
    assert run("replay", path, "--image", tmp_path / "same.png").exit_code == 0


def test_neither_screen_nor_napari_is_loaded(session):
    path, _ = session
    code = (
        "import sys; from napari_cfr_icl.cli import main;"
        f"main(['replay', {str(path)!r}]); sys.exit()"
    )
    probe = f"try:\n    {code}\nexcept SystemExit as end:\n    print(end.code, *sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    line = ended.stdout.splitlines()[-1].split()
    assert line[0] in ("0", "None")
    assert not {"napari", "qtpy", "PyQt6", "PySide6", "superqt"} & set(line)
    assert "torch" in line


def another_image(path, folder):
    tifffile.imwrite(folder / "disc.tif", np.zeros(SHAPE, np.uint8))


def another_model(path, folder):
    changed(path, lambda e: e["engine"]["engine"].update(sha256="00" * 32))


def gone_model(path, folder):
    changed(path, lambda e: e["engine"]["engine"].update(model="none.pth"))


def unknown_device(path, folder):
    changed(path, lambda e: e["engine"]["engine"].update(device="xla"))


def lost_start(path, folder):
    changed(path, lambda e: e["labels"]["labels"].update(start=None))


def no_settings(path, folder):
    changed(path, lambda e: e["engine"]["engine"].update(settings=None))


TROUBLES = {
    "another image": (another_image, "is another image than disc"),
    "another model": (another_model, "is another model than the session was made with"),
    "gone model": (gone_model, "There is no file none.pth"),
    "unknown device": (unknown_device, "no 'xla' device"),
    "labels not kept": (lost_start, "does not hold what the labels 'objects' began with"),
    "unknown engine": (no_settings, "does not say which model"),
    "half a file": (
        lambda path, folder: path.write_text(path.read_text()[:500]),
        "is no session file, or damaged",
    ),
    "no file": (lambda path, folder: path.unlink(), "cannot be opened"),
}


@pytest.mark.parametrize(("spoil", "because"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_is_one_sentence(run, session, tmp_path, spoil, because):
    path, _ = session
    spoil(path, tmp_path)
    result = run("replay", path, "--out", tmp_path / "again.tif")
    assert result.exit_code == 2
    assert because in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "again.tif").exists()


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("a.png", "let .*a.png end in .tif"),
        ("none/a.tif", "There is no folder"),
        ("disc.tif", "is what the labels are made from"),
    ],
)
def test_where_it_cannot_go(run, session, image, tmp_path, name, because):
    result = run("replay", session[0], "--image", image, "--out", tmp_path / name)
    assert result.exit_code == 2
    assert re.search(because, result.stderr)
