"""The journal: every step of the work on the disk as soon as it is made, to survive a crash.

A file of JSON lines that is only ever appended to, so that a kill at any moment tears its last line
at most. It is locked by the process that writes it, until that ends in whatever way.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from napari_cfr_icl._errors import InputError, OutputError
from napari_cfr_icl._files import atomic_path, explain_write_failure, explained_write_failures
from napari_cfr_icl._paths import data_folder
from napari_cfr_icl.autosave.event_log import EventLog, decoded, encoded, log_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_cfr_icl.autosave.event_log import Event

SUFFIX, LOCK_SUFFIX = ".jsonl", ".lock"
OLDEST_DAYS, MOST_JOURNALS = 30, 50
"""Older journals, or more than so many, are removed."""

_log = logging.getLogger(__name__)


def journals_folder() -> Path:
    """Folder of the journals."""
    return data_folder() / "journals"


class Journal:
    """One journal, locked while it is open. May be used in any one thread at a time.

    Parameters
    ----------
    path : Path
        Its file.
    mode : str, optional
        "xb" for a new one, "rb+" for one that was left behind.

    Attributes
    ----------
    size : int
        Its length in bytes.

    Raises
    ------
    OutputError
        When the file cannot be opened, or another program has it.
    """

    def __init__(self, path: Path, mode: str = "rb+") -> None:
        self.path = path
        # Written in one thread and closed in another.
        self._lock = FileLock(path.with_suffix(LOCK_SUFFIX), thread_local=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._file: IO[bytes] = path.open(mode)
            self.size = self._file.seek(0, os.SEEK_END)
        except Timeout as error:
            raise OutputError(f"{path} is used by another napari.") from error
        except OSError as error:
            self._release()
            raise OutputError(explain_write_failure(error, path.parent)) from error

    @classmethod
    def new(cls, folder: Path | None = None) -> Self:
        """A journal of a name that no other has."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        return cls((folder or journals_folder()) / f"{stamp}-{os.getpid()}{SUFFIX}", "xb")

    @property
    def written_at(self) -> float:
        """Time of the last write, in seconds since 1970; also of a file that has vanished."""
        return os.fstat(self._file.fileno()).st_mtime

    def append(self, event: Event) -> None:
        """Write an event. It survives the end of the process from now on.

        Raises
        ------
        OutputError
            When the disk is full or gone.
        """
        with explained_write_failures(self.path.parent):
            self._file.write(_line(event))
            self._file.flush()
            self.size = self._file.tell()

    def sync(self) -> None:
        """Write all events to the disk itself; they survive a power failure, too."""
        with explained_write_failures(self.path.parent):
            os.fsync(self._file.fileno())

    def rewrite(self, events: Iterable[Event]) -> None:
        """Replace all events, in one step.

        Raises
        ------
        OutputError
            When they cannot be written; the journal is as before then.
        """
        with explained_write_failures(self.path.parent):
            # Closed first: Windows replaces no file that is open.
            self._file.close()
            try:
                with atomic_path(self.path) as part, part.open("wb") as file:
                    file.writelines(_line(event) for event in events)
            finally:
                self._file = self.path.open("ab")
                self.size = self._file.tell()

    def close(self) -> None:
        """Close and unlock the file, which stays."""
        self._file.close()
        self._release()

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        with suppress(OSError):
            self.path.unlink()
        self._release()

    def _release(self) -> None:
        self._lock.release()
        # The lock of a journal that stays must stay, too: whoever waits for one that is removed
        # would hold it beside the next one of that name. No journal has the name of another.
        if not self.path.exists():
            with suppress(OSError):
                self.path.with_suffix(LOCK_SUFFIX).unlink()


def read_journal(path: Path) -> EventLog:
    """The event log in a journal, without a torn end.

    Raises
    ------
    InputError
        When it holds none.
    """
    try:
        with path.open("rb") as file:
            return log_from(_events(file, path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from error
    except InputError as error:
        raise InputError(f"{path} is no journal of this program. {error}") from error
    except ValueError as error:
        # Unlike a torn end: everything before it would be lost.
        raise InputError(f"{path} is damaged: {error}.") from error


def unfinished(folder: Path | None = None) -> list[Path]:
    """The journals that no running program has, the newest first; old ones are removed."""
    folder = folder or journals_folder()
    found = sorted(folder.glob(f"*{SUFFIX}"), reverse=True)
    oldest = time.time() - OLDEST_DAYS * 86400
    kept = []
    for number, path in enumerate(found):
        journal = claim(path)
        if journal is None:
            continue
        if number >= MOST_JOURNALS or journal.written_at < oldest or not journal.size:
            journal.discard()
            continue
        journal.close()
        kept.append(path)
    return kept


def claim(path: Path) -> Journal | None:
    """A journal that was left behind, locked; None where another program has it, or had."""
    try:
        return Journal(path)
    except OutputError as error:
        _log.debug("%s", error)
        return None


def discard(path: Path) -> None:
    """Remove a journal that was left behind; one in use stays."""
    journal = claim(path)
    if journal is not None:
        journal.discard()


def _line(event: Event) -> bytes:
    return json.dumps(encoded(event), separators=(",", ":")).encode() + b"\n"


def _events(lines: Iterable[bytes], path: Path) -> Iterator[Event]:
    for line in lines:
        try:
            data: Any = json.loads(line) if line.endswith(b"\n") else None
            if not isinstance(data, dict):
                raise ValueError("torn")
            event = decoded(data)
        except ValueError as error:
            _log.warning("%s is read up to a line that is %s", path, error)
            return
        yield event
