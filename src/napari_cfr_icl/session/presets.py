"""The user's own presets: an inner loop on top of a preset of the package.

Each is a small JSON file beside the preferences, which `evaluate --preset FILE` takes as well.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import CfrIclError, OutputError, SettingsError
from napari_cfr_icl._files import atomic_write_json
from napari_cfr_icl._options import read
from napari_cfr_icl.engine.settings import PRESETS, RefinedPreset, Refinement, Settings
from napari_cfr_icl.session.preferences import preferences_file

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER, _SUFFIX = "presets", ".json"
_GOOD_NAME = re.compile(r'[^\x00-\x1f/\\:*?"<>|.][^\x00-\x1f/\\:*?"<>|]{0,79}')
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedPreset:
    """A preset of the user.

    Parameters
    ----------
    name : str
        Name in the menu.
    base : str
        The preset of everything but the inner loop, one of `PRESETS`.
    refinement : Refinement
        The inner loop.

    Raises
    ------
    SettingsError
        When the name is no file name or that of a bundled preset, or the base is unknown.
    """

    name: str
    base: str
    refinement: Refinement

    def __post_init__(self) -> None:
        if self.name in PRESETS or _GOOD_NAME.fullmatch(self.name) is None:
            raise SettingsError(
                f"{self.name!r} cannot be the name of a preset: at most 80 characters, none of "
                f'/ \\ : * ? " < > |, no dot in front, and not {", ".join(PRESETS)}.'
            )
        Settings.preset(self.base)


def presets_folder() -> Path:
    """Folder of the presets."""
    return preferences_file().parent / _FOLDER


def preset_file(name: str) -> Path:
    """File of a preset, existing or not."""
    return presets_folder() / f"{name}{_SUFFIX}"


def load_presets() -> dict[str, NamedPreset]:
    """The user's presets by name; damaged files are left out."""
    found = {}
    for path in sorted(presets_folder().glob(f"*{_SUFFIX}")):
        try:
            found[path.stem] = _read(path)
        except (OSError, ValueError, CfrIclError) as error:
            _log.warning("The preset %s cannot be read and is left out: %s", path, error)
    return found


def save_preset(preset: NamedPreset) -> Path:
    """Save a preset, replacing one of the same name; returns its file.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    path = preset_file(preset.name)
    write_settings(path, preset.base, preset.refinement)
    return path


def write_settings(path: Path, base: str, refinement: Refinement) -> None:
    """Write an inner loop on top of a preset as a file that the commands take.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    content = asdict(RefinedPreset(base, refinement))
    try:
        atomic_write_json(path, content)
    except OSError as error:
        raise OutputError(f"The preset cannot be saved to {path}: {error.strerror}.") from error


def _read(path: Path) -> NamedPreset:
    content = read(RefinedPreset, json.loads(path.read_text(encoding="utf-8")))
    return NamedPreset(path.stem, content.base, content.refinement)
