"""Settings as a JSON file: what a search recommends, a run can evaluate.

A file has all settings, or it names a preset as its `base` and has the inner loop alone: such a one
fits any model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import read
from napari_cfr_icl.engine.settings import PRESETS, RefinedPreset, Settings
from napari_cfr_icl.evaluation.protocol.options import OWN_SCHEME

if TYPE_CHECKING:
    from napari_cfr_icl.engine.settings import WindowHints


def settings_from_json(content: Any, model: WindowHints | None = None) -> Settings:
    """Settings from plain data; what is missing takes its default, or is as the base has it.

    Parameters
    ----------
    content : Any
        Names with values.
    model : model, optional
        For a base that depends on it.

    Raises
    ------
    SettingsError
        When something in it is no setting, or out of its range.
    """
    if isinstance(content, dict) and "base" in content:
        return read(RefinedPreset, content).settings(model)
    return read(Settings, content)


def load_settings(path: Path, model: WindowHints | None = None) -> Settings:
    """Settings from a file.

    Parameters
    ----------
    path : Path
        The file.
    model : model, optional
        For a base that depends on it.

    Raises
    ------
    SettingsError
        When the file is missing, is no JSON, or holds no settings.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"The settings {path} cannot be read: {error}") from error
    return settings_from_json(content, model)


def settings_for(preset: str, scheme: str, model: WindowHints | None) -> Settings:
    """The settings of one preset (a name or a settings file) under one scheme.

    Raises
    ------
    SettingsError
        When there is no such preset, file or scheme.
    """
    is_file = preset not in PRESETS and Path(preset).suffix == ".json"
    settings = load_settings(Path(preset), model) if is_file else Settings.preset(preset, model)
    return settings if scheme == OWN_SCHEME else settings.with_inference(scheme)
