"""How long the rest of a run will take."""

from __future__ import annotations

import time


class Eta:
    """Tells the time left from how long the part since the first report took."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def seconds_left(self, fraction: float) -> float | None:
        """Seconds until all is done; None before anything was timed. `fraction`: done, 0 to 1."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, fraction
        begun, at = self._first
        return None if fraction == at else (now - begun) * (1 - fraction) / (fraction - at)
