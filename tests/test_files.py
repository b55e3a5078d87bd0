from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import (
    atomic_path,
    atomic_write_json,
    atomic_write_text,
    cut_torn_line,
    explained_write_failures,
)


def test_a_file_appears_complete_or_not_at_all(tmp_path):
    atomic_write_text(tmp_path / "new" / "a.txt", "first")
    (tmp_path / "new" / f"a.txt.{os.getpid()}.part").mkdir()

    with (
        pytest.raises(OutputError, match=r"Nothing can be written into .*new"),
        explained_write_failures(tmp_path / "new"),
    ):
        atomic_write_text(tmp_path / "new" / "a.txt", "second")
    assert (tmp_path / "new" / "a.txt").read_text() == "first"


def test_what_fails_half_way_leaves_nothing(tmp_path):
    with suppress(RuntimeError), atomic_path(tmp_path / "a.bin") as part:
        part.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_json_is_replaced(tmp_path):
    for content in ({"a": [1, 2]}, {"b": None}):
        atomic_write_json(tmp_path / "a.json", content)
        assert json.loads((tmp_path / "a.json").read_text()) == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "left"),
    [("one\ntwo\n", "one\ntwo\n"), ("one\ntw", "one\n"), ("on", ""), ("", "")],
    ids=["whole", "torn", "torn first", "empty"],
)
def test_a_torn_last_line_is_cut(tmp_path, content, left):
    log = tmp_path / "log.jsonl"
    log.write_text(content)
    cut_torn_line(log)
    assert log.read_text() == left
    cut_torn_line(tmp_path / "none")
