"""Every example runs, and shows what it says that it shows."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import tifffile

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def output_of(tmp_path, monkeypatch, capsys):
    """Run an example in an empty folder; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(name: str) -> str:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def numbers(pattern: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(pattern, text)]


def test_click_an_object(output_of, tmp_path):
    output = output_of("click_an_object")
    first, second = numbers(r"IoU ([\d.]+)", output)
    assert 0.9 < first < second
    assert second > 0.95
    mask = tifffile.imread(tmp_path / "mask.tif")
    assert [mask.sum()] == numbers(r"2 clicks: (\d+) pixels", output)


def test_watch_the_refinement(output_of):
    output = output_of("watch_the_refinement")
    lines = output.splitlines()
    changed = numbers(r"(\d+) changed", output)
    assert lines[0].startswith("pass 0: first mask, ")
    assert len(changed) == len(lines) - 1
    assert changed[-1] < 100 <= min(changed[:-1])
    assert lines[-1].endswith(" ms, converged")
    assert all(line.endswith(" ms, running") for line in lines[:-1])


def test_correct_a_mask(output_of):
    before, after = numbers(r": ([\d.]+)", output_of("correct_a_mask"))
    assert before < 0.8
    assert after > 0.95


def test_large_image(output_of):
    output = output_of("large_image")
    [pixels] = numbers(r"^(\d+) pixels of an object", output)
    [read] = numbers(r"(\d+) pixels read of 10000000000", output)
    assert 500 < pixels < 1500
    assert read < 1_000_000


def test_every_example_is_tested_and_short():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    for path in EXAMPLES.glob("*.py"):
        assert path.stem in tested
        assert 10 <= len(path.read_text("utf-8").splitlines()) <= 40
