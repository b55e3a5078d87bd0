"""Choices survive; a damaged file does not stop anyone."""

from __future__ import annotations

import pytest

from napari_cfr_icl.engine.settings import PRESETS
from napari_cfr_icl.session.preferences import (
    Preferences,
    load_preferences,
    preferences_file,
    save_preferences,
)
from napari_cfr_icl.zoo import DEFAULT_MODEL


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_CONFIG", str(tmp_path))
    return tmp_path


def test_what_is_saved_is_loaded_and_nothing_else_is_left(folder):
    chosen = Preferences(model="x.safetensors", inference="cfr-4", device="cpu", protect=False)
    save_preferences(chosen)
    assert load_preferences() == chosen
    assert list(folder.iterdir()) == [preferences_file()]


def test_no_file_means_defaults(folder):
    assert load_preferences() == Preferences()
    assert Preferences().preset in PRESETS
    assert Preferences().model == DEFAULT_MODEL


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "null", '{"protect": "yes", "future": 3}', "\udcff"], ids=repr
)
def test_a_damaged_file_gives_defaults(folder, text):
    preferences_file().write_bytes(text.encode("utf-8", "surrogateescape"))
    assert load_preferences() == Preferences()


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("")
    save_preferences(Preferences(), blocker / "preferences.json")
    assert "could not be saved" in caplog.text
