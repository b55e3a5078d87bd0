"""What the user chose in the dock, kept between days as a small JSON file."""

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
    """Choices of the dock. Anything missing or unreadable in the file takes the value here.

    Parameters
    ----------
    model : str
        Name in the catalogue, or the path of a file.
    preset : str
        "interactive", "paper" or "public-code".
    inference : str
        "std", "cfr-N" or "a-cfr-N"; empty for the preset's own.
    every_click : bool
        Refine every click of an object, not only its first.
    device : str
        "auto", "cpu", "cuda" or "mps".
    protect : bool
        Whether writing an object leaves the pixels of others alone.
    """

    model: str = "cfr-icl-hrnet18"
    preset: str = "interactive"
    inference: str = ""
    every_click: bool = False
    device: str = "auto"
    protect: bool = True


def preferences_file() -> Path:
    """Where the choices are kept."""
    return config_folder() / "preferences.json"


def load_preferences(file: Path | None = None) -> Preferences:
    """The saved choices; a missing or damaged file is no reason to stop working."""
    file = file or preferences_file()
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        _log.warning("The saved choices in %s cannot be read and are left out: %s", file, error)
        return Preferences()
    if not isinstance(saved, dict):
        return Preferences()
    known = {f.name: type(f.default) for f in fields(Preferences)}
    usable: dict[str, Any] = {k: v for k, v in saved.items() if k in known and type(v) is known[k]}
    return replace(Preferences(), **usable)


def save_preferences(preferences: Preferences, file: Path | None = None) -> None:
    """Keep the choices; where that fails, the log says so."""
    file = file or preferences_file()
    try:
        atomic_write_json(file, asdict(preferences))
    except OSError as error:
        _log.warning("The choices could not be saved to %s: %s", file, error)
