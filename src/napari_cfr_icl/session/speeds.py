"""How quick each model is on this machine, as it was seen while somebody worked."""

from __future__ import annotations

import json
import logging
from collections import deque
from statistics import median
from typing import TYPE_CHECKING

from napari_cfr_icl._files import atomic_write_json
from napari_cfr_icl.session.preferences import preferences_file

if TYPE_CHECKING:
    from pathlib import Path

FEWEST = 5
"""Passes before there is a word about them; the first of all still warms up."""

REMEMBERED = 25
"""Newest passes that count."""

_log = logging.getLogger(__name__)


class Speeds:
    """Milliseconds per pass, by model and device, kept between days.

    Parameters
    ----------
    file : Path, optional
        Where they are kept; beside the user's choices by default. A missing or damaged file is
        an empty one.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or preferences_file().with_name("speeds.json")
        self._known = _read(self._file)
        self._newest: dict[str, deque[float]] = {}

    def of(self, model: str, device: str) -> float | None:
        """Milliseconds per pass; None where nobody has worked with it yet."""
        return self._known.get(_key(model, device))

    def note(self, model: str, device: str, seconds: float) -> bool:
        """Count a pass; returns whether what is known of the model is another now."""
        key = _key(model, device)
        newest = self._newest.setdefault(key, deque(maxlen=REMEMBERED))
        newest.append(1000 * seconds)
        if len(newest) < FEWEST:
            return False
        now, before = median(newest), self._known.get(key)
        # One number in ten or so is noise; every word of it would be another line to read.
        if before is not None and abs(now - before) < 0.15 * before:
            return False
        self._known[key] = now
        self._save()
        return True

    def _save(self) -> None:
        try:
            atomic_write_json(self._file, self._known)
        except OSError as error:
            _log.warning("The speeds could not be saved to %s: %s", self._file, error)


def _key(model: str, device: str) -> str:
    return f"{model} on {device}"


def _read(file: Path) -> dict[str, float]:
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(saved, dict):
        return {}
    return {key: float(ms) for key, ms in saved.items() if isinstance(ms, int | float) and ms > 0}
