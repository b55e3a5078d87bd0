"""Journal of the work on one image: events are applied at once, and written in the background."""

from __future__ import annotations

from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.event_log import identified
from napari_cfr_icl.autosave.journal import Journal, claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_cfr_icl.autosave.event_log import Event, EventLog
    from napari_cfr_icl.autosave.file_thread import FileThread

COMPACT_BYTES = 1 << 25
"""Growth in bytes after which a journal is rewritten."""

STEPS = ("edit", "undone", "object")
"""Events that are steps of the user."""

COMMIT_WAIT = 0.02
"""Seconds that the screen waits at most for an object to be written to the journal."""


class JournalWriter:
    """The event log of one image and its journal, which is begun with the first step.

    Parameters
    ----------
    log : EventLog
        The events so far; not empty where they were restored.
    files : FileThread
        The thread that writes.
    failed : callable
        Called once, in that thread, when nothing can be written any more.
    folder : Path, optional
        Folder of the journals.

    Attributes
    ----------
    steps : int
        Number of the user's steps.
    """

    def __init__(
        self,
        log: EventLog,
        files: FileThread,
        failed: Callable[[OutputError], None],
        folder: Path | None = None,
    ) -> None:
        self.log = log
        self._files = files
        self._failed = failed
        self._folder = folder
        self._begun = False
        self._journal: Journal | None = None
        self._gave_up = False
        self._compact_size = 0
        self._syncs = 0
        self.steps = self._saved_steps = 0
        self._replaced: list[Journal] = []

    @property
    def path(self) -> Path | None:
        """The journal's file, once there is one."""
        # The thread for files may close it at any moment.
        journal = self._journal
        return None if journal is None else journal.path

    @property
    def is_saved(self) -> bool:
        """True when all of them are in a file of the user's own."""
        return self._saved_steps >= self.steps

    def mark_saved(self, upto: int) -> None:
        """Remember that a file of the user's own has the first `upto` steps."""
        self._saved_steps = max(self._saved_steps, upto)

    def record(self, event: Event, *, wait: bool = False) -> None:
        """Apply and write an event; `wait` for it to be written, but never for long."""
        self.log.apply(event)
        events = [event]
        if not self._begun:
            if self.log.is_empty:
                return
            self._begun = True
            events = list(self.log.events())
        if event["event"] in STEPS:
            self.steps += 1
        written = self._files.submit(self._write, events)
        self._request_sync()
        if self._has_grown:
            # Earlier events are written first, so this is neither more nor less.
            self._files.submit(self._rewrite, list(self.log.events()))
        if wait:
            with suppress(TooLate):
                written.result(COMMIT_WAIT)

    def begin_anew(self) -> None:
        """Write the whole event log, which was restored, into a new journal."""
        self._begun = True
        self.steps += 1
        self._files.submit(self._begin, list(self.log.events()))
        self._request_sync()

    def replace(self, journal: Journal | Path) -> None:
        """Discard a journal once all events so far are on the disk itself."""
        self._files.submit(self._replace, journal)
        self._request_sync()

    def take_over(self, before: JournalWriter) -> None:
        """Close another writer, whose journal this one replaces."""
        self._files.submit(self._take_over, before)
        self._request_sync()

    def close(self, *, keep: bool) -> None:
        """Close the journal once all is written; discard it unless it is to be kept."""
        self._files.submit(self._end, keep)

    @property
    def _has_grown(self) -> bool:
        journal = self._journal
        return journal is not None and journal.size > self._compact_size + COMPACT_BYTES

    def _request_sync(self) -> None:
        self._syncs += 1
        self._files.submit(self._sync, self._syncs)

    # From here on in the thread for files.

    def _replace(self, journal: Journal | Path | None) -> None:
        if isinstance(journal, Path):
            journal = claim(journal)
        if journal is not None:
            self._replaced.append(journal)
        if self._gave_up:
            self._release_replaced()

    def _take_over(self, before: JournalWriter) -> None:
        self._replace(before._stop())

    def _begin(self, events: list[Event]) -> None:
        self._write(events)
        if self._gave_up and self._journal is not None:
            # A part of it would be offered before the whole, which is in the one it replaces.
            self._journal.discard()
            self._journal = None

    def _write(self, events: list[Event]) -> None:
        if self._gave_up:
            return
        with self._giving_up():
            if self._journal is None:
                self._journal = Journal.new(self._folder)
            # They may be older than the image's fingerprint.
            for event in identified(events, self.log.image):
                self._journal.append(event)

    def _sync(self, number: int) -> None:
        # A later sync in the queue does for both.
        if number < self._syncs or self._journal is None or self._gave_up:
            return
        with self._giving_up():
            self._journal.sync()
            while self._replaced:
                self._replaced.pop().discard()

    def _rewrite(self, events: list[Event]) -> None:
        if self._journal is None or self._gave_up or not self._has_grown:
            return
        # After an error it is as before, and only longer than it need be.
        with suppress(Exception):
            self._journal.rewrite(identified(events, self.log.image))
        self._compact_size = self._journal.size

    def _end(self, keep: bool) -> None:
        journal = self._stop()
        if journal is not None and keep:
            journal.close()
        elif journal is not None:
            journal.discard()

    def _stop(self) -> Journal | None:
        """Write nothing any more; returns the journal."""
        self._gave_up = True
        self._release_replaced()
        journal, self._journal = self._journal, None
        return journal

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Write nothing any more after an error."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  events after a missing one would not fit
            self._gave_up = True
            self._release_replaced()
            if not isinstance(error, OutputError):
                error = OutputError(f"Your work cannot be recorded any more ({error!r}).")
            self._failed(error)

    def _release_replaced(self) -> None:
        while self._replaced:
            self._replaced.pop().close()
