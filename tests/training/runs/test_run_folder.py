from __future__ import annotations

import json

import pytest
import torch

from napari_cfr_icl import _files
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.training.options import TrainOptions
from napari_cfr_icl.training.runs.run_folder import RunFolder, read_events


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(TrainOptions(seed=5), {"collections": []}, {"torch": torch.__version__})
    return folder


def _no_room(*args, **kwargs):
    raise OSError(28, "No space left on device")


def test_a_run_is_described_in_its_folder(folder):
    assert folder.options() == TrainOptions(seed=5)
    assert folder.data() == {"collections": []}
    assert json.loads((folder.path / "environment.json").read_text())["torch"] == torch.__version__


def test_a_second_run_does_not_overwrite_the_first(folder):
    with pytest.raises(OutputError, match="holds a run already"):
        folder.begin(TrainOptions(), {}, {})


def test_there_is_nothing_to_resume_in_an_empty_folder(tmp_path):
    with pytest.raises(OutputError, match="no run that could be resumed"):
        RunFolder(tmp_path).options()


def test_the_last_two_checkpoints_are_kept(folder):
    for step in (1, 2, 3):
        folder.save_checkpoint(step, {"step": step, "w": torch.full((3,), float(step))})
    assert [path.name for path in folder.checkpoints()] == [
        "step-0000002.pt",
        "step-0000003.pt",
    ]
    assert folder.newest_checkpoint()["w"].tolist() == [3, 3, 3]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(folder):
    for step in (1, 2):
        folder.save_checkpoint(step, {"step": step})
    damaged = folder.path / "checkpoints" / "step-0000002.pt"
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert folder.newest_checkpoint() == {"step": 1}


def test_a_full_disk_is_borne_said_and_leaves_the_last_checkpoint(folder, monkeypatch):
    folder.save_checkpoint(1, {"step": 1})
    monkeypatch.setattr(_files, "publish", _no_room)
    folder.save_checkpoint(2, {"step": 2})
    folder.save_checkpoint(3, {"step": 3})
    with pytest.raises(OutputError, match=r"disk .* is full: free some space"):
        folder.save_checkpoint(4, {"step": 4})
    monkeypatch.undo()
    assert folder.newest_checkpoint() == {"step": 1}
    assert [path.name for path in (folder.path / "checkpoints").iterdir()] == ["step-0000001.pt"]
    troubles = [event["text"] for event in read_events(folder.path) if event["event"] == "trouble"]
    assert "step 2 is not saved" in troubles[0]
    folder.save_checkpoint(5, {"step": 5})
    assert folder.newest_checkpoint() == {"step": 5}


def test_events_that_found_no_room_are_written_later(folder):
    log = folder.path / "events.jsonl"
    log.mkdir()  # nothing can be appended to a folder
    folder.event("note", text="first")
    log.rmdir()
    folder.event("note", text="second")
    assert [event["text"] for event in read_events(folder.path)] == ["first", "second"]


def test_the_listener_hears_every_event(tmp_path):
    heard = []
    RunFolder(tmp_path / "not there", heard.append).event("step", step=1, loss=0.5)
    assert [(event["event"], event["loss"]) for event in heard] == [("step", 0.5)]


def test_repeated_steps_and_torn_lines_are_read_as_they_were_last(folder):
    for step, loss in ((1, 0.9), (2, 0.8), (2, 0.7)):
        folder.event("step", step=step, loss=loss)
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "st')
    assert [(e["step"], e["loss"]) for e in read_events(folder.path)] == [(1, 0.9), (2, 0.7)]


def test_a_resumed_run_begins_a_new_line_after_a_torn_one(folder):
    folder.event("step", step=1)
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "st')
    RunFolder(folder.path).event("begin", steps=3)
    assert [event["event"] for event in read_events(folder.path)] == ["step", "begin"]


def test_somebody_can_wish_the_run_to_stop(folder):
    assert not folder.stop_wanted
    (folder.path / "stop").touch()
    assert folder.stop_wanted
    folder.clear_stop()
    assert not folder.stop_wanted


def test_nothing_in_a_checkpoint_is_executed(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"step": Evil()}, folder.path / "checkpoints" / "step-0000009.pt")
    assert folder.newest_checkpoint() is None
    assert not (tmp_path / "pwned").exists()
