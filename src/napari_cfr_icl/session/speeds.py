"""Speed of each model on this machine, measured during work."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import TYPE_CHECKING

from napari_cfr_icl.session.preferences import preferences_file, read_saved, save

if TYPE_CHECKING:
    from pathlib import Path

FEWEST = 5
"""Passes before a speed is reported; the first one includes the warm-up."""

REMEMBERED = 25
"""Number of newest passes that count."""


class Speeds:
    """Milliseconds per pass, by model and device, kept between sessions.

    Parameters
    ----------
    file : Path, optional
        Their file; beside the preferences by default. A missing or damaged file counts as empty.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or preferences_file().with_name("speeds.json")
        self._known: dict[str, float] = {
            key: float(ms)
            for key, ms in read_saved(self._file).items()
            if isinstance(ms, int | float) and ms > 0
        }
        self._newest: dict[str, deque[float]] = {}

    def of(self, model: str, device: str) -> float | None:
        """Milliseconds per pass; None where it was never measured."""
        return self._known.get(_key(model, device))

    def note(self, model: str, device: str, seconds: float) -> bool:
        """Count a pass; returns True if the reported speed has changed."""
        key = _key(model, device)
        newest = self._newest.setdefault(key, deque(maxlen=REMEMBERED))
        newest.append(1000 * seconds)
        if len(newest) < FEWEST:
            return False
        now, before = median(newest), self._known.get(key)
        # Smaller changes are noise.
        if before is not None and abs(now - before) < 0.15 * before:
            return False
        self._known[key] = now
        save(self._file, self._known)
        return True


def _key(model: str, device: str) -> str:
    return f"{model} on {device}"
