"""A session file holds the work to the last bit; anything else is refused in a sentence."""

from __future__ import annotations

import json

import pytest

from napari_cfr_icl._errors import InputError, OutputError
from napari_cfr_icl.autosave.session_file import open_session, save_session
from sample_event_log import expected_labels, final_labels, same_work, some_work


def test_there_and_back(tmp_path):
    path = tmp_path / "a.cfrsession.json"
    work = some_work()
    save_session(path, work)
    read = open_session(path)
    assert same_work(read, work)
    assert (final_labels(read, 0) == expected_labels()).all()
    again = tmp_path / "b.cfrsession.json"
    save_session(again, read)
    assert same_work(open_session(again), work)


def test_a_file_that_does_not_say_where_objects_came_from_is_read(tmp_path):
    path = tmp_path / "a.cfrsession.json"
    work = some_work()
    save_session(path, work)
    data = json.loads(path.read_text())
    for event in data["events"]:
        if event.get("object"):
            del event["object"]["labels"]
    path.write_text(json.dumps(data))
    assert same_work(open_session(path), work)


def damage(change):
    def damaged(path):
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return damaged


DAMAGES = {
    "another json": damage(lambda d: d.update(kind="COCO")),
    "no events": damage(lambda d: d.pop("events")),
    "events of another kind": damage(lambda d: d.update(events=7)),
    "a newer format": damage(lambda d: d["events"][0].update(format=99)),
    "no image": damage(lambda d: d["events"][0].pop("image")),
    "a broken mask": damage(lambda d: d["events"][4]["change"].update(pixels="AAAA")),
    "pixels outside": damage(lambda d: d["events"][4]["change"].update(start=[39, 0])),
    "a click nowhere": damage(lambda d: d["events"][-1]["object"].update(clicks=[["a", 1, True]])),
    "an infinite click": damage(
        lambda d: d["events"][-1]["object"].update(clicks=[[float("inf"), 1, True]])
    ),
    "settings out of range": damage(
        lambda d: d["events"][1]["engine"]["settings"].update(mask_threshold=7)
    ),
    "an object of no labels": damage(lambda d: d["events"][-1]["object"].update(labels=1)),
    "half of it": lambda path: path.write_text(path.read_text()[: path.stat().st_size // 2]),
    "a picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"),
    "nothing": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("hurt", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_one_sentence(hurt, tmp_path):
    path = tmp_path / "a.cfrsession.json"
    save_session(path, some_work())
    hurt(path)
    with pytest.raises(InputError, match=r"no session file, or damaged|cannot be opened"):
        open_session(path)


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(OutputError, match="Nothing can be written"):
        save_session(tmp_path / "none" / "a.cfrsession.json", some_work())
