"""A monitor of the event loop: it measures how long the main thread is blocked."""

from __future__ import annotations

import time

from qtpy.QtCore import QObject, Qt, QTimer

INTERVAL = 5
"""Milliseconds between two ticks."""


class EventLoopMonitor(QObject):
    """Records the times between the ticks of a timer from `start` to `stop`.

    Attributes
    ----------
    gaps : list of float
        Milliseconds between ticks; about `INTERVAL` if nothing blocks the loop.
    work : list of float
        Milliseconds of processor time of the main thread in each gap, however busy the machine.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.gaps: list[float] = []
        self.work: list[float] = []
        self._last = self._worked = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._on_tick)

    def start(self) -> None:
        """Start the timer."""
        self.gaps.clear()
        self.work.clear()
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        """Stop the timer; the time since the last tick counts too."""
        if not self._timer.isActive():
            return
        self._timer.stop()
        self._on_tick()

    def _on_tick(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.gaps.append(1000 * (now - self._last))
        self.work.append(1000 * (worked - self._worked))
        self._last, self._worked = now, worked
