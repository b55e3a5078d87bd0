from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.settings import PRESETS, Refinement, Settings, Zoom
from napari_cfr_icl.evaluation.protocol.settings_file import (
    load_settings,
    settings_for,
    settings_from_json,
)


@pytest.mark.parametrize(
    "settings",
    [
        *(Settings.preset(name) for name in PRESETS),
        replace(Settings(), zoom=Zoom(target=(448, 448))),
        replace(Settings(), zoom=None),
    ],
    ids=[*PRESETS, "square", "no zoom"],
)
def test_settings_come_back_from_a_file(tmp_path, settings):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(asdict(settings)))

    assert load_settings(path) == settings


def test_missing_settings_take_their_defaults():
    assert settings_from_json({}) == Settings()
    assert settings_from_json({"refinement": {"steps": 2}}).refinement == Refinement(steps=2)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "names with values"),
        ({"speed": 3}, "no option speed; there are refinement, zoom"),
        ({"zoom": {"targets": 3}}, r"no option zoom\.targets; there are target"),
        ({"refinement": {"steps": 1000}}, "refinement steps"),
        ({"refinement": {"steps": "two"}}, r"refinement\.steps must be a whole number, not 'two'"),
        ({"refinement": {"steps": 1.5}}, r"refinement\.steps must be a whole number, not 1\.5"),
        ({"zoom": {"target": [448, 448.5]}}, r"zoom\.target must be a whole number"),
        ({"zoom": {"first_side": 512.5}}, r"zoom\.first_side must be a whole number"),
        ({"refinement": 3}, "names with values, not 3"),
        ({"base": "paper", "flip": True}, "no option flip; there are base, refinement"),
    ],
)
def test_other_content_is_refused_by_name(tmp_path, content, complaint):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))

    with pytest.raises(SettingsError, match=complaint):
        load_settings(path)


def test_unreadable_file_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")

    for name in ("a.json", "nowhere.json"):
        with pytest.raises(SettingsError, match=name):
            load_settings(tmp_path / name)


def test_preset_is_a_name_or_a_file_under_any_scheme(tmp_path):
    path = tmp_path / "mine.json"
    mine = replace(Settings.paper(), refinement=Refinement(steps=3, guard=True))
    path.write_text(json.dumps(asdict(mine)))

    assert settings_for(str(path), "preset", None) == mine
    assert settings_for(str(path), "std", None).refinement == Refinement(steps=0, guard=True)
    assert settings_for("paper", "a-cfr-4", None) == Settings.paper().with_inference("a-cfr-4")
    with pytest.raises(SettingsError, match="no preset 'papier'"):
        settings_for("papier", "std", None)
