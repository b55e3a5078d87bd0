"""Durations for people: in words, and counting while something goes on whose end nobody knows."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def duration(seconds: float | None) -> str:
    """A rounded duration: "40 s", "12 min", "1 h 20 min"; empty where it is unknown."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_left(seconds: float | None) -> str:
    """A rounded duration, and "left"."""
    return f"{duration(seconds)} left" if seconds is not None else ""


PAUSE = 1000
"""Milliseconds between two updates of the seconds so far."""


class Elapsed(QObject):
    """Shows a text with the seconds since it began, once a second.

    Parameters
    ----------
    show : callable
        Shows a text.
    parent : QObject
        The owner.
    """

    def __init__(self, show: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._show = show
        self._text = ""
        self._since = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self._on_timer)

    @property
    def text(self) -> str:
        """The text with the seconds so far."""
        seconds = int(time.monotonic() - self._since)
        return f"{self._text}, {seconds} s so far" if seconds else self._text

    def begin(self, text: str) -> None:
        """Show a text; the seconds count from now."""
        self._text, self._since = text, time.monotonic()
        self._timer.start()
        self._on_timer()

    def end(self) -> None:
        """Stop showing it."""
        self._timer.stop()

    def _on_timer(self) -> None:
        self._show(f"{self.text}.")
