"""Result log: every result is on the disk as soon as it is there.

One file of JSON lines for each process, only ever appended to: after a kill at any moment all
finished objects are there, and at most the last line is torn.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import cut_torn_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.evaluation.protocol.records import Subject

FOLDER = "records"

Parsed = TypeVar("Parsed")


class HasSubject(Protocol):
    """A result that tells its object."""

    @property
    def subject(self) -> Subject:
        """The object."""
        ...


AnyResult = TypeVar("AnyResult", bound=HasSubject)


class Line(Protocol):
    """A result as text."""

    def to_line(self) -> str:
        """The result as one line of JSON."""
        ...


class ResultLog:
    """Appends results to one process's file; use as a context manager.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    rank : int
        Number of the process.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        path = folder / FOLDER / f"part-{rank:05d}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            cut_torn_line(path)
            self._file = path.open("ab")
        except OSError as error:
            raise OutputError(f"The results cannot be kept in {path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, result: Line) -> None:
        """Keep a result; it is on the disk when this returns.

        Raises
        ------
        OutputError
            When the disk is full or gone.
        """
        try:
            self._file.write(result.to_line().encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"{self._file.name} cannot be written: {error}") from error


def read_logs(folder: Path, parse: Callable[[str], Parsed]) -> Iterator[Parsed]:
    """All results of a run, file by file, a torn last line left out.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    parse : callable
        Makes a result of a line; raises ValueError when it cannot.

    Raises
    ------
    OutputError
        When a file is damaged elsewhere.
    """
    for path in sorted((folder / FOLDER).glob("part-*.jsonl")):
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith("\n"):
                    break
                try:
                    yield parse(line)
                except ValueError as error:
                    raise OutputError(
                        f"{path} is damaged in line {number} ({error}); delete the line to "
                        "evaluate its object again."
                    ) from error


def gather_logs(
    folder: Path, parse: Callable[[str], AnyResult], processes: Distributed
) -> list[AnyResult]:
    """All results that any process knows; the processes may not share a disk."""
    known = read_logs(folder, lambda line: (line, parse(line)))
    own = [line for line, item in known if processes.owns(item.subject.index)]
    return [parse(line) for line in processes.gathered(own)]
