"""A pulse of the screen's thread: it skips where something keeps the screen from answering."""

from __future__ import annotations

import time
from collections.abc import Sequence

from qtpy.QtCore import QObject, Qt, QTimer

INTERVAL = 5
"""Milliseconds between two beats."""


class EventLoopMonitor(QObject):
    """Beats all the time from `start` to `stop`, and keeps the time between every two beats.

    Attributes
    ----------
    gaps : list of float
        Milliseconds between beats; about `INTERVAL` where nothing is in the way.
    work : list of float
        Milliseconds of them that the screen's thread itself has worked, however busy the machine.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.gaps: list[float] = []
        self.work: list[float] = []
        self._last = self._worked = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._on_beat)

    def start(self) -> None:
        """Begin to beat."""
        self.gaps.clear()
        self.work.clear()
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        """End, if it beats; the time since the last beat counts too."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        self._on_beat()

    def _on_beat(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.gaps.append(1000 * (now - self._last))
        self.work.append(1000 * (worked - self._worked))
        self._last, self._worked = now, worked


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
