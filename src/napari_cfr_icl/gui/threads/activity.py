"""Long work among napari's own activities: a bar, the time left, and where it can be a Cancel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from napari.utils.progress import cancelable_progress, progress
from qtpy.QtCore import QObject, QTimer

PAUSE = 300
"""Milliseconds between two looks: what takes less needs no bar."""


class _Bar(cancelable_progress):
    """One of napari's bars, whose Cancel acts at once and not at the next round of a loop."""

    def cancel(self) -> None:
        """Say, once, that the user wants no more of it."""
        if self.is_canceled:
            return
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()


class Activity(QObject):
    """Shows one thing that goes on.

    Napari lets all waiting events happen whenever a bar moves. So the bar is moved by a timer of
    its own, never in the middle of what tells how far the work is.

    Parameters
    ----------
    cancel : callable or None
        Called when the user cancels; None for what cannot be cancelled.
    parent : QObject
        What the timer dies with.
    """

    def __init__(self, cancel: Callable[[], None] | None, parent: QObject) -> None:
        super().__init__(parent)
        self._cancel = cancel
        self._state: tuple[str, int, int] | None = None
        self._bar: progress | None = None
        self._shown: tuple[str, int] | None = None
        self._moving = False
        self._look = QTimer(self)
        self._look.setInterval(PAUSE)
        self._look.timeout.connect(self._on_look)

    def show(self, what: str, done: int, total: int) -> None:
        """Tell how far the work is; of 0 in all: nobody knows."""
        self._state = what, done, total
        if not self._look.isActive():
            self._look.start()

    def end(self) -> None:
        """The work is over; the bar goes at the next look."""
        self._state = None

    def close(self) -> None:
        """Take the bar away at once, whatever has become of the window."""
        self._state = None
        self._take_away()

    def _take_away(self) -> None:
        bar, self._bar, self._shown = self._bar, None, None
        if bar is not None:
            # Napari's bars may be gone already, with the window.
            with suppress(RuntimeError):
                bar.close()

    def _on_look(self) -> None:
        # What napari lets happen while a bar moves may be another look.
        if self._moving:
            return
        self._moving = True
        try:
            self._move()
        finally:
            self._moving = False
        if self._state is None:
            self._look.stop()
            self._take_away()

    def _move(self) -> None:
        if self._state is None:
            return
        what, done, total = self._state
        if self._shown != (what, total):
            self._take_away()
            self._shown = what, total
            # What was done before costs no time now: the estimate begins here.
            self._bar = self._made(desc=what, total=total, initial=done)
            self._bar.total = total
        elif self._bar is not None and done != self._bar.n:
            self._bar.update(done - self._bar.n)

    def _made(self, **options: Any) -> progress:
        if self._cancel is None:
            return progress(**options)
        return _Bar(cancel_callback=self._cancel, **options)
