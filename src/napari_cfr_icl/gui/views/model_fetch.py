"""The download of a published model: a button, then a bar with the time left, and Cancel."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.threads.background_task import BackgroundTask
from napari_cfr_icl.gui.widgets.arrange import column, row
from napari_cfr_icl.gui.widgets.durations import time_left
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.zoo.catalog import CATALOGUE
from napari_cfr_icl.zoo.listing import ModelState, ModelStatus

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.zoo.transfer import Progress

UPDATE_PAUSE = 200
"""Milliseconds between two updates of the bar."""

BAR_STEPS = 1000


class Cancelled(Exception):
    """Ends a download; the part that has arrived is kept for the next time."""


class ModelFetch(QWidget):
    """Offers the download of a model that is not on this machine; hidden without an offer.

    `fetched` is emitted with its name once it is there, `troubled` with an Exception.
    """

    fetched = Signal(str)
    troubled = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._status: ModelStatus | None = None
        self._cancelled = threading.Event()
        self._came: tuple[str, int, int | None] = ("", 0, None)
        self._began: tuple[float, int] | None = None
        self._task = BackgroundTask(self)
        self._activity = Activity(self._on_cancel, self)
        self._timer = QTimer(self)
        self._timer.setInterval(UPDATE_PAUSE)
        self._build()
        self._connect()
        self._show_running(False)
        self.hide()

    @property
    def is_running(self) -> bool:
        """True while a download is under way."""
        return self._timer.isActive()

    def offer(self, status: ModelStatus | None) -> None:
        """Offer a model, or none, unless a download is under way."""
        if self.is_running:
            return
        self._status = status
        self.setVisible(status is not None)
        if status is None:
            return
        self.text.setText(_absence(status))
        self.start.setVisible(status.state is ModelState.DOWNLOADABLE)

    def close_work(self) -> None:
        """End the download, and drop its result. Touches no widget."""
        self._cancelled.set()
        self._task.forget()
        self._activity.close()

    def _build(self) -> None:
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setOpenExternalLinks(True)
        self.start = KeyButton("Download", "Fetch it; from then on it needs no network.")
        self.bar = ProgressBar(thin=True)
        self.cancel = KeyButton("Cancel", "Stop; what has come is kept for the next time.")
        self._running = row(self.bar, self.cancel, stretch=0)
        column(self.text, self.start, self._running, into=self)

    def _connect(self) -> None:
        self.start.clicked.connect(self._on_start)
        self.cancel.clicked.connect(self._on_cancel)
        self._timer.timeout.connect(self._on_timer)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)

    def _show_running(self, running: bool) -> None:
        self._running.setVisible(running)
        self.start.setVisible(not running)
        (self._timer.start if running else self._timer.stop)()
        if not running:
            self._activity.end()

    def _on_start(self) -> None:
        if self._status is None:
            return
        name, cancelled = self._status.name, threading.Event()
        self._cancelled, self._began = cancelled, None
        self._came = ("Fetching", 0, None)

        def work() -> Path:
            from napari_cfr_icl.zoo.downloading import download

            return download(
                name,
                progress=self._progress("Fetching", cancelled),
                unpack_progress=self._progress("Unpacking", cancelled),
            )

        self._show_running(True)
        self._on_timer()
        self._task.run(work)

    def _progress(self, stage: str, cancelled: threading.Event) -> Progress:
        """The callback of the download's thread, which leaves the progress for the timer."""

        def tell(done: int, total: int | None) -> None:
            if cancelled.is_set():
                raise Cancelled
            self._came = (stage, done, total)

        return tell

    def _on_timer(self) -> None:
        stage, done, total = self._came
        name = "" if self._status is None else self._status.title
        steps = round(BAR_STEPS * done / total) if total else 0
        self.bar.show_progress(steps, BAR_STEPS if total else 0)
        if self._cancelled.is_set():
            self._activity.end()
            self.text.setText("Cancelling…")
            return
        self._activity.show(f"{stage} {name}", done // 2**20, (total or 0) // 2**20)
        size = f"{done / 1e6:.0f}" + (f" of {total / 1e6:.0f} MB" if total else " MB")
        left = time_left(self._seconds_left(done, total))
        self.text.setText(f"{stage} {name}: {', '.join(part for part in (size, left) if part)}.")

    def _seconds_left(self, done: int, total: int | None) -> float | None:
        """The time left, from the bytes since the first update: earlier ones cost no time."""
        if not done or not total:
            return None
        if self._began is None or done < self._began[1]:
            self._began = (time.monotonic(), done)
        since, before = self._began
        came = done - before
        return (total - done) * (time.monotonic() - since) / came if came else None

    def _on_cancel(self) -> None:
        self._cancelled.set()
        self._on_timer()

    def _on_done(self, path: object) -> None:
        self._show_running(False)
        if self._status is not None:
            name = self._status.name
            self.offer(None)
            self.fetched.emit(name)

    def _on_failed(self, error: Exception) -> None:
        self._show_running(False)
        self.offer(self._status)
        if isinstance(error, Cancelled):
            self.text.setText("Cancelled; what has come is kept for the next time.")
        else:
            self.troubled.emit(error)


def _absence(status: ModelStatus) -> str:
    """The sentence on a model that is not here, with a link in the place of its long address."""
    size = f"{status.size / 1e6:.0f} MB, " if status.size else ""
    about = f"{status.title} is not on this machine ({size}licence {status.licence or 'unknown'})."
    if status.state is ModelState.DOWNLOADABLE:
        return about
    page = CATALOGUE[status.name].page
    return (
        f"{about} It can only be fetched by hand, from <a href='{page}'>its authors' page</a>; "
        f"then choose <i>From a file…</i>"
    )
