"""Keeps the work on one image: applies events at once, and has them written in the background."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.autosave.event_log import identified
from napari_cfr_icl.autosave.journal import Journal, discard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_cfr_icl.autosave.event_log import Event, EventLog

COMPACT_BYTES = 1 << 25
"""A journal that has grown by so much since it was last written anew is written anew."""

STEPS = ("edit", "undone", "object")
"""Events that are work of the user."""

COMMIT_WAIT = 0.02
"""Seconds that the screen waits at most for an object to be written down."""


class FileThread(ThreadPoolExecutor):
    """A thread for files, which may be slow; the screen's thread never waits for a disk.

    It does one thing after the other. When the program ends, Python ends the thread before the
    screen goes; what the screen then still asks for is done at once.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="cfr-icl-files")
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have something done after all else; nothing more once it was shut down."""
        done: Future[Any] = Future()
        if self._closed:
            done.set_result(None)
            return done
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            # Python has waited for the thread, so all that was asked for before is done.
            done.set_result(fn(*args, **kwargs))
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; what was asked for is still done."""
        self._closed = True
        super().shutdown(wait, cancel_futures=cancel_futures)


class JournalWriter:
    """The work on one image and its journal, which is begun with the first step.

    Parameters
    ----------
    work : EventLog
        The work so far; not empty where it was restored.
    files : FileThread
        The one thread that writes.
    failed : callable
        Told once, in that thread, when nothing can be kept any more.
    folder : Path, optional
        Where journals lie.
    """

    def __init__(
        self,
        work: EventLog,
        files: FileThread,
        failed: Callable[[OutputError], None],
        folder: Path | None = None,
    ) -> None:
        self.work = work
        self._files = files
        self._failed = failed
        self._folder = folder
        self._begun = False
        self._journal: Journal | None = None
        self._gave_up = False
        self._compact_size = 0
        self._syncs = 0
        self._steps = self._saved_steps = 0
        self._replaced: list[Path] = []

    @property
    def path(self) -> Path | None:
        """The journal's file, once there is one."""
        # The thread for files may let go of it at any moment.
        journal = self._journal
        return None if journal is None else journal.path

    @property
    def steps(self) -> int:
        """How many steps the user has made."""
        return self._steps

    @property
    def is_saved(self) -> bool:
        """Whether all of them are in a file of the user's own."""
        return self._saved_steps >= self._steps

    def mark_saved(self, upto: int) -> None:
        """Remember that a file of the user's own has the first so many steps."""
        self._saved_steps = max(self._saved_steps, upto)

    def note(self, event: Event, *, wait: bool = False) -> None:
        """Take in an event; `wait` for it to be written down, but never for long."""
        self.work.apply(event)
        events = [event]
        if not self._begun:
            if self.work.is_empty:
                return
            self._begun = True
            events = list(self.work.events())
        if event["event"] in STEPS:
            self._steps += 1
        written = self._files.submit(self._write, events)
        self._ask_for_sync()
        if self._has_grown:
            # What was asked for before is written before, so this is neither more nor less.
            self._files.submit(self._rewrite, list(self.work.events()))
        if wait:
            with suppress(TooLate):
                written.result(COMMIT_WAIT)

    def begin_anew(self) -> None:
        """Have all of the work in a journal of its own: work that was restored."""
        self._begun = True
        self._steps += 1
        self._files.submit(self._begin, list(self.work.events()))
        self._ask_for_sync()

    def replaces(self, journal: Path) -> None:
        """Throw a journal away once all that was noted so far is on the disk itself."""
        self._files.submit(self._replaced.append, journal)
        self._ask_for_sync()

    def take_over(self, before: JournalWriter) -> None:
        """Have another keeper let go of its journal, which this one `replaces`."""
        self._files.submit(self._take_over, before)
        self._ask_for_sync()

    def close(self, *, keep: bool) -> None:
        """Let go of the journal once all is written; throw it away unless it is to be kept."""
        self._files.submit(self._end, keep)

    @property
    def _has_grown(self) -> bool:
        journal = self._journal
        return journal is not None and journal.size > self._compact_size + COMPACT_BYTES

    def _ask_for_sync(self) -> None:
        self._syncs += 1
        self._files.submit(self._sync, self._syncs)

    # From here on in the thread for files.

    def _take_over(self, before: JournalWriter) -> None:
        journal = before.path
        before._end(keep=True)
        if journal is not None:
            self._replaced.append(journal)

    def _begin(self, events: list[Event]) -> None:
        self._write(events)
        if self._gave_up and self._journal is not None:
            # A part of it would be offered before the whole, which is in the one it replaces.
            self._journal.discard()
            self._journal = None

    def _write(self, events: list[Event]) -> None:
        if self._gave_up:
            return
        try:
            if self._journal is None:
                self._journal = Journal.new(self._folder)
            # They may be older than what is known of the image.
            for event in identified(events, self.work.image):
                self._journal.append(event)
        except OutputError as error:
            self._give_up(error)

    def _sync(self, number: int) -> None:
        # A later one on its way does for both.
        if number < self._syncs or self._journal is None or self._gave_up:
            return
        try:
            self._journal.sync()
        except OutputError as error:
            self._give_up(error)
            return
        while self._replaced:
            discard(self._replaced.pop())

    def _rewrite(self, events: list[Event]) -> None:
        if self._journal is None or self._gave_up or not self._has_grown:
            return
        try:
            self._journal.rewrite(identified(events, self.work.image))
            self._compact_size = self._journal.size
        except OutputError as error:
            self._give_up(error)

    def _end(self, keep: bool) -> None:
        journal, self._journal = self._journal, None
        self._gave_up = True
        if journal is not None and keep:
            journal.close()
        elif journal is not None:
            journal.discard()

    def _give_up(self, error: OutputError) -> None:
        self._gave_up = True
        self._failed(error)
