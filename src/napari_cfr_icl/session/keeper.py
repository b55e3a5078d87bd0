"""Keeps the work on one image: applies events at once, and has them written in the background."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.session.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_cfr_icl.session.work import Event, Work

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


class Keeper:
    """The work on one image and its journal, which is begun with the first step.

    Parameters
    ----------
    work : Work
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
        work: Work,
        files: FileThread,
        failed: Callable[[OutputError], None],
        folder: Path | None = None,
    ) -> None:
        self.work = work
        self.is_saved = True
        self._files = files
        self._failed = failed
        self._folder = folder
        self._begun = False
        self._journal: Journal | None = None
        self._gave_up = False
        self._compact_size = 0
        self._syncs_waiting = 0

    @property
    def path(self) -> Path | None:
        """The journal's file, once there is one."""
        return None if self._journal is None else self._journal.path

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
            self.is_saved = False
        written = self._files.submit(self._write, events)
        self._syncs_waiting += 1
        self._files.submit(self._sync)
        if self._has_grown:
            # What was asked for before is written before, so this is neither more nor less.
            self._files.submit(self._rewrite, list(self.work.events()))
        if wait:
            with suppress(TooLate):
                written.result(COMMIT_WAIT)

    def begin_anew(self) -> None:
        """Have all of the work in a journal of its own: work that was restored."""
        self._begun, self.is_saved = True, False
        self._files.submit(self._write, list(self.work.events()))

    def close(self, *, keep: bool) -> None:
        """Let go of the journal once all is written; throw it away unless it is to be kept."""
        self._files.submit(self._end, keep)

    @property
    def _has_grown(self) -> bool:
        journal = self._journal
        return journal is not None and journal.size > self._compact_size + COMPACT_BYTES

    # From here on in the thread for files.

    def _write(self, events: list[Event]) -> None:
        if self._gave_up:
            return
        try:
            if self._journal is None:
                self._journal = Journal.new(self._folder)
            for event in events:
                self._journal.append(event)
        except OutputError as error:
            self._give_up(error)

    def _sync(self) -> None:
        self._syncs_waiting -= 1
        # A later one on its way does for both.
        if self._syncs_waiting == 0 and self._journal is not None and not self._gave_up:
            try:
                self._journal.sync()
            except OutputError as error:
                self._give_up(error)

    def _rewrite(self, events: list[Event]) -> None:
        if self._journal is None or self._gave_up or not self._has_grown:
            return
        try:
            self._journal.rewrite(events)
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
