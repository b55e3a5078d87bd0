from __future__ import annotations

from dataclasses import dataclass

import pytest

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.evaluation.protocol.result_log import ResultLog, read_logs


@dataclass
class Number:
    value: int

    def to_line(self):
        return f"number {self.value}"


def parse(line):
    word, value = line.split()
    if word != "number":
        raise ValueError("no number")
    return int(value)


def keep(folder, *values, rank=0):
    with ResultLog(folder, rank) as journal:
        for value in values:
            journal.append(Number(value))


def test_everything_kept_is_read_again_rank_by_rank(tmp_path):
    keep(tmp_path, 5, rank=1)
    keep(tmp_path, 1, 2)
    keep(tmp_path, 3)

    assert list(read_logs(tmp_path, parse)) == [1, 2, 3, 5]


def test_result_is_on_the_disk_before_the_next_one(tmp_path):
    with ResultLog(tmp_path, 0) as journal:
        journal.append(Number(1))
        assert list(read_logs(tmp_path, parse)) == [1]
        journal.append(Number(2))
        assert list(read_logs(tmp_path, parse)) == [1, 2]


@pytest.mark.parametrize("torn", range(1, 18))
def test_torn_line_is_forgotten_wherever_it_was_torn(tmp_path, torn):
    keep(tmp_path, 1, 20)
    part = tmp_path / "records" / "part-00000.jsonl"
    whole = part.read_bytes()
    part.write_bytes(whole[:-torn])
    left = part.read_bytes().count(b"\n")

    assert list(read_logs(tmp_path, parse)) == [1, 20][:left]
    keep(tmp_path, 3)
    assert list(read_logs(tmp_path, parse)) == [*[1, 20][:left], 3]


def test_damaged_line_is_named(tmp_path):
    keep(tmp_path, 1, 2)
    part = tmp_path / "records" / "part-00000.jsonl"
    part.write_text("number 1\nword 2\nnumber 3\n")

    with pytest.raises(OutputError, match=r"part-00000\.jsonl is damaged in line 2 \(no number\)"):
        list(read_logs(tmp_path, parse))


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "records").write_text("a file where the folder should be")

    with pytest.raises(OutputError, match="cannot be kept"):
        ResultLog(tmp_path, 0)


def test_no_run_has_no_results(tmp_path):
    assert list(read_logs(tmp_path / "nowhere", parse)) == []
