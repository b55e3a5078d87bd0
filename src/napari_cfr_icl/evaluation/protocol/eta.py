"""Progress of a run, and the time that the rest of it will take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress(Generic[T]):
    """Progress of a run after one more object.

    Parameters
    ----------
    fraction : float
        Share of this process's work that is done, 0 to 1.
    seconds_left : float or None
        Time that the rest will take at this pace; None before anything was timed.
    result : Any
        The result of the object.
    """

    fraction: float
    seconds_left: float | None
    result: T


class Eta:
    """Extrapolates the time left from how long the part since the first report took."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def seconds_left(self, fraction: float) -> float | None:
        """Seconds until all is done; None before anything was timed. `fraction`: done, 0 to 1."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, fraction
        begun, at = self._first
        return None if fraction == at else (now - begun) * (1 - fraction) / (fraction - at)
