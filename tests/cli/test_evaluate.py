from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from blob_dataset import TINY_MODEL, write_blobs, write_settings
from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.cli.arguments import numbers
from napari_cfr_icl.cli.datasets import dataset_choices, separated
from napari_cfr_icl.evaluation.datasets import FORMATS
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice


@pytest.fixture
def common(tmp_path):
    data = write_blobs(tmp_path / "blobs", pictures=2, count=1)
    preset = write_settings(tmp_path / "tiny.json")
    return [
        str(data), "--model", str(TINY_MODEL), "--preset", str(preset), "--out",
        str(tmp_path / "out"), "--max-clicks", "2", "--device", "cpu",
    ]  # fmt: skip


def test_evaluate_prints_the_table_of_the_paper(run, common, tmp_path):
    result = run(
        "evaluate", *common, "--format", "folder", "--inference", "std", "--inference", "cfr-1",
        "--iou", "0.8", "0.9", "--limit", "1", "--worst", "0",
    )  # fmt: skip

    assert result.exit_code == 0
    assert "|  | blobs NoC@80 | blobs NoC@90 |" in result.stdout
    assert "| CFR-1 |" in result.stdout
    assert (tmp_path / "out" / "report.md").exists()


@contextmanager
def busy_loops(count):
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def written(out):
    """The contents of a run's files, seconds aside."""
    found = {}
    for path in (path for path in out.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".jsonl":
            lines = map(json.loads, content.splitlines())
            content = [{k: v for k, v in line.items() if "seconds" not in k} for line in lines]
        if path.stem != "timings":
            found[str(path.relative_to(out))] = content
    return found


def test_what_else_the_machine_does_changes_no_byte_but_seconds(run, common, tmp_path):
    files = []
    for loops in (0, 2):
        with busy_loops(loops):
            again = ["--out", str(tmp_path / f"beside-{loops}")]
            result = run("evaluate", *common, *again, "--inference", "cfr-1", "--worst", "0")
        assert result.exit_code == 0
        files.append(written(tmp_path / f"beside-{loops}"))
    assert {"objects.csv", "summary.json", "records/part-00000.jsonl"} < set(files[0])
    assert files[0] == files[1]


def test_tune_prints_what_it_recommends(run, common, tmp_path):
    result = run(
        "tune", *common, "--max-steps", "1", "--pixels", "5", "--fractions", "0.01",
        "--first-clicks", "1,all",
    )  # fmt: skip

    assert result.exit_code == 0
    assert "# Recommended: " in result.stdout
    assert (tmp_path / "out" / "recommended.json").exists()


def test_commands_load_nothing_heavy():
    code = (
        "import sys, napari_cfr_icl.cli.evaluate, napari_cfr_icl.cli.tune;"
        "sys.exit(bool({'torch', 'scipy', 'matplotlib', 'napari'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", ["evaluate", "tune"])
def test_help_names_every_format(run, command):
    assert set(FORMATS) <= set(re.findall(r"[\w-]+", run(command, "--help").stdout))


def test_numbers_after_iou_are_no_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("0.5").mkdir()

    paths, ious = separated(["data", "0.85", "0.5", "0.9"], (0.8,))

    assert paths == ["data", "0.5"]
    assert ious == (0.8, 0.85, 0.9)
    assert separated(["data", "0.85"], ()) == (["data", "0.85"], ())


def test_one_format_serves_all_or_each_has_its_own():
    one = DatasetChoice(Path("a"), "grabcut"), DatasetChoice(Path("b"), "grabcut")

    assert dataset_choices(["a", "b"], ["grabcut"]) == one
    assert [c.format for c in dataset_choices(["a", "b"], ["sbd", "davis"])] == ["sbd", "davis"]
    with pytest.raises(SettingsError, match="each of the 3 data sets, not 2 times"):
        dataset_choices(["a", "b", "c"], ["sbd", "davis"])


def test_other_words_than_numbers_are_named():
    assert numbers("1, 2.5 3") == (1, 2.5, 3)
    with pytest.raises(SettingsError, match="'many' is no number"):
        numbers("1,many")
