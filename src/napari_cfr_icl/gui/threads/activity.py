"""The progress of long work among napari's activities: a bar, the time left, and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from napari.resources import LOADING_GIF_PATH
from napari.utils.progress import cancelable_progress, progress
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication, QLabel

PAUSE = 300
"""Milliseconds between two updates; shorter work gets no bar."""


class _Bar(cancelable_progress):
    """A bar of napari's whose Cancel acts at once, not at the next iteration of a loop."""

    def cancel(self) -> None:
        """Call the callback, once."""
        if self.is_canceled:
            return
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()


def stop_spinners() -> None:
    """Keep napari's spinner beside its activities from turning.

    Every one of its pictures has the window drawn again. Without a graphics card that left a
    network that was being loaded 2 % of a core.
    """
    for window in QApplication.topLevelWidgets():
        for label in window.findChildren(QLabel):
            movie = label.movie()
            if movie is not None and movie.fileName() == LOADING_GIF_PATH:
                movie.stop()


class Activity(QObject):
    """Shows the progress of one task.

    Napari processes all pending events whenever a bar moves. So a timer moves the bar, never the
    code that reports the progress.

    Parameters
    ----------
    cancel : callable or None
        Called when the user cancels; None for a task that cannot be cancelled.
    parent : QObject
        The owner of the timer.
    """

    def __init__(self, cancel: Callable[[], None] | None, parent: QObject) -> None:
        super().__init__(parent)
        self._cancel = cancel
        self._state: tuple[str, int, int] | None = None
        self._bar: progress | None = None
        self._shown: tuple[str, int] | None = None
        self._moving = False
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self._on_timer)

    def show(self, what: str, done: int, total: int) -> None:
        """Show the progress; a total of 0 stands for an unknown one."""
        self._state = what, done, total
        if not self._timer.isActive():
            self._timer.start()

    def end(self) -> None:
        """Remove the bar at the next update."""
        self._state = None

    def close(self) -> None:
        """Remove the bar at once, even if the window is gone."""
        self._state = None
        self._remove_bar()

    def _remove_bar(self) -> None:
        bar, self._bar, self._shown = self._bar, None, None
        if bar is not None:
            # Napari's bars may be gone already, with the window.
            with suppress(RuntimeError):
                bar.close()

    def _on_timer(self) -> None:
        # Among the events that napari processes may be this timer's.
        if self._moving:
            return
        self._moving = True
        try:
            self._move()
        finally:
            self._moving = False
        if self._state is None:
            self._timer.stop()
            self._remove_bar()

    def _move(self) -> None:
        if self._state is None:
            return
        what, done, total = self._state
        if self._shown != (what, total):
            self._remove_bar()
            self._shown = what, total
            # The time left is estimated from here on.
            # Of an unknown total, an empty bar: the one that napari has for it is animated.
            self._bar = self._made(desc=what, total=total or 1, initial=done if total else 0)
            self._bar.total = total or 1
            stop_spinners()
        elif self._bar is not None and total and done != self._bar.n:
            self._bar.update(done - self._bar.n)

    def _made(self, **options: Any) -> progress:
        if self._cancel is None:
            return progress(**options)
        return _Bar(cancel_callback=self._cancel, **options)
