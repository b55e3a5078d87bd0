from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cyclopts import App

from napari_cfr_icl import __version__, _errors
from napari_cfr_icl.cli import app, main, segmentation
from napari_cfr_icl.cli.segment import parse_click, parse_plane
from napari_cfr_icl.engine import Click

COMMANDS = ["segment", "demo", "doctor", "models", "evaluate", "tune", "train"]


def test_without_a_command_it_shows_which_there_are(run):
    result = run()
    assert result.exit_code == 0
    assert all(f"\n│ {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("words", [[name] for name in COMMANDS] + [["models", "export"]])
def test_every_command_has_help(run, words):
    result = run(*words, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: napari-cfr-icl {' '.join(words)} ")


@pytest.mark.parametrize("group", ["models", "train"])
def test_a_group_alone_shows_its_commands(run, group):
    result = run(group)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Usage: napari-cfr-icl {group}" in result.stderr
    assert "\n╭─ Commands ─" in result.stderr


def commands(group=app, *words):
    """Every command with the words that it is called by."""
    for name, command in group.resolved_commands().items():
        if name[0] == "-" or not isinstance(command, App):
            continue
        if any(inner[0] != "-" for inner in command.resolved_commands()):
            yield from commands(command, *words, name)
        else:
            yield (*words, name), command


@pytest.mark.parametrize(
    ("words", "command"),
    [pytest.param(words, command, id=" ".join(words)) for words, command in commands()],
)
def test_the_manual_tells_of_every_option(words, command):
    manual = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
    sections = re.split(r"^##+ (.+)\n", manual, flags=re.M)
    by_title = dict(zip(sections[1::2], sections[2::2], strict=True))
    section = by_title.get(" ".join(words)) or by_title[words[0]]

    assert f"napari-cfr-icl {' '.join(words)}".replace("train run", "train") in section
    named = set(re.findall(r"--[a-z-]+", section))
    options = {
        name
        for option in command.assemble_argument_collection(default_parameter=app.default_parameter)
        for name in option.names
        if name[:2] == "--" and name.islower()
    }
    assert options <= named


def test_version(run):
    assert run("--version").stdout == f"napari-cfr-icl {__version__}\n"


def test_help_and_mistakes_load_no_torch(tmp_path):
    code = (
        "import sys; from napari_cfr_icl.cli import main\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'scipy' in sys.modules)"
    )
    for words, status in ((["segment", "--help"], 0), (["segment", "x", "--out", "y.tif"], 2)):
        ended = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert ended.returncode == status
        assert ended.stdout.endswith("False False\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (_errors.ModelError("One thing.\n  And another."), "One thing. And another.\n"),
        (MemoryError(), "This machine's memory is not enough for that.\n"),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.tif"),
            f"The system refuses: {os.strerror(errno.ENOSPC)} (x.tif).\n",
        ),
        (OSError("the line is dead"), "The system refuses: the line is dead.\n"),
    ],
    ids=["of several lines", "memory", "disk", "line"],
)
def test_what_happens_on_the_way_is_told_in_one_line(run, image, monkeypatch, error, sentence):
    def fail(request):
        raise error

    monkeypatch.setattr(segmentation, "run", fail)
    result = run("segment", image, "--click", "3,3,+", "--out", image.with_name("mask.tif"))
    assert (result.exit_code, result.stderr, result.stdout) == (2, sentence, "")


def test_interrupted(run, image, monkeypatch):
    def interrupt(request):
        raise KeyboardInterrupt

    monkeypatch.setattr(segmentation, "run", interrupt)
    result = run("segment", image, "--click", "3,3,+", "--out", image.with_name("mask.tif"))
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    assert [path.name for path in image.parent.iterdir()] == [image.name]


def test_the_program_of_the_package_is_this_one():
    [entry] = entry_points(group="console_scripts", name="napari-cfr-icl")
    assert entry.load() is main


@pytest.mark.parametrize(
    ("text", "click"),
    [
        ("120,80,+", Click(120, 80)),
        ("0.5, 7.25, -", Click(0.5, 7.25, positive=False)),
        ("-0.5,1e2,+", Click(-0.5, 100)),
    ],
)
def test_clicks_as_they_are_written(text, click):
    assert parse_click(text) == click


@pytest.mark.parametrize(("text", "plane"), [("7", (7,)), ("0,12", (0, 12))])
def test_planes_as_they_are_written(text, plane):
    assert parse_plane(text) == plane


@pytest.mark.parametrize("text", ["", "-1", "1,", "1.5", "1 2", "9999999999"])
def test_planes_as_they_are_not(text):
    with pytest.raises(_errors.SettingsError, match="is no plane"):
        parse_plane(text)


def test_verbose_tells_what_goes_on_inside(image, small_model):
    words = ["--verbose", "segment", image, *small_model, "--click", "30,40,+"]
    words += ["--precision", "fast", "--out", image.with_name("mask.tif")]
    ended = subprocess.run(
        [sys.executable, "-c", "from napari_cfr_icl.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "napari_cfr_icl.engine.runtime.network: HRNetOcr runs in float32 on" in ended.stderr
