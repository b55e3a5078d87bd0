from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_cfr_icl._errors import CfrIclError


def test_demo_without_napari_says_how_to_get_it(run, monkeypatch):
    monkeypatch.delitem(sys.modules, "napari_cfr_icl.gui.app.demo", raising=False)
    monkeypatch.setitem(sys.modules, "napari", None)
    result = run("demo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("The demo needs napari and a Qt binding (")
    assert 'pip install "napari-cfr-icl[all]"' in result.stderr


@pytest.mark.parametrize(("words", "folder"), [([], "demo"), (["--out", "there"], "there")])
def test_demo_leaves_its_pictures_where_it_is_told(run, monkeypatch, words, folder):
    asked = []
    screen = SimpleNamespace(run=asked.append)
    monkeypatch.setitem(sys.modules, "napari_cfr_icl.gui.app.demo", screen)
    assert run("demo", *words).exit_code == 0
    assert asked == [Path(folder)]


def test_a_screen_that_is_missing_is_told_in_one_sentence(run, monkeypatch):
    def run_demo(folder):
        raise CfrIclError("There is no display.")

    screen = SimpleNamespace(run=run_demo)
    monkeypatch.setitem(sys.modules, "napari_cfr_icl.gui.app.demo", screen)
    result = run("demo")
    assert (result.exit_code, result.stderr) == (2, "There is no display.\n")
