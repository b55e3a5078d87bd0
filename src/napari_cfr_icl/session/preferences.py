"""The user's choices in the dock, kept between sessions in a small JSON file."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._files import atomic_write_json
from napari_cfr_icl._paths import config_folder

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preferences:
    """Choices in the dock. The defaults replace missing or unreadable values of the file.

    Parameters
    ----------
    model : str
        Name in the catalogue, or the path of a file.
    preset : str
        "interactive", "paper", "public-code" or "whole-image".
    inference : str
        "std", "cfr-N" or "a-cfr-N"; empty for the preset's own.
    every_click : bool
        Refine every click of an object, not only its first.
    device : str
        "auto", "cpu", "cuda" or "mps".
    protect : bool
        Leave the pixels of other objects alone when an object is written.
    """

    model: str = "cfr-icl-mobilesam"
    preset: str = "interactive"
    inference: str = ""
    every_click: bool = False
    device: str = "auto"
    protect: bool = True


def preferences_file() -> Path:
    """File of the choices."""
    return config_folder() / "preferences.json"


def load_preferences() -> Preferences:
    """The saved choices; the defaults where the file is missing or damaged."""
    known = {f.name: type(f.default) for f in fields(Preferences)}
    saved = read_saved(preferences_file())
    usable: dict[str, Any] = {k: v for k, v in saved.items() if k in known and type(v) is known[k]}
    return replace(Preferences(), **usable)


def save_preferences(preferences: Preferences, file: Path | None = None) -> None:
    """Save the choices; a failure is logged only."""
    save(file or preferences_file(), asdict(preferences))


def read_saved(file: Path) -> dict[str, Any]:
    """The content of a small file of the user's; nothing where it is missing or damaged."""
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read and is left out: %s", file, error)
        return {}
    return saved if isinstance(saved, dict) else {}


def save(file: Path, content: dict[str, Any]) -> None:
    """Save such a file; a failure is logged only."""
    try:
        atomic_write_json(file, content)
    except OSError as error:
        _log.warning("%s could not be saved: %s", file, error)
