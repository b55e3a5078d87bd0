"""Streamed unpacking of one checkpoint from a 7z archive in volumes.

The names inside the archive are never used as paths, so it cannot write anywhere else.
"""

from __future__ import annotations

import io
import lzma
from bisect import bisect_right
from contextlib import ExitStack
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

import py7zr
from py7zr.exceptions import AbsolutePathError, ArchiveError, PasswordRequired
from py7zr.io import Py7zIO, WriterFactory

from napari_cfr_icl._errors import DownloadError
from napari_cfr_icl._files import atomic_path, explain_write_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from napari_cfr_icl.zoo.transfer import Progress, Verify

__all__ = ["unpack"]

_DAMAGE = (ArchiveError, AbsolutePathError, PasswordRequired, lzma.LZMAError, EOFError)


def unpack(
    volumes: Sequence[Path], target: Path, verify: Verify, progress: Progress | None = None
) -> None:
    """Unpack the largest file of an archive to `target`, and remove the volumes.

    Parameters
    ----------
    volumes : sequence of Path
        The volumes in order: "x.7z.001", "x.7z.002" and so on, side by side.
    target : Path
        Path of the unpacked file.
    verify : callable
        Checks the file before it gets its name; see `transfer.Verify`.
    progress : callable, optional
        Called with bytes written and total bytes.

    Raises
    ------
    DownloadError
        When the archive is damaged (it is removed then) or the disk is full (it is kept).
    """
    try:
        with atomic_path(target) as part:
            with part.open("wb") as stream:
                _extract_largest(volumes, stream, progress)
            if (problem := verify(part)) is not None:
                raise py7zr.Bad7zFile(f"{target.name} in it is not what it should be: {problem}")
    except _DAMAGE as error:
        _remove(volumes)
        raise DownloadError(
            f"The downloaded archive {volumes[0].stem} is damaged ({error}). "
            "It was thrown away: start the download again."
        ) from error
    except OSError as error:
        raise DownloadError(explain_write_failure(error, target.parent)) from error
    _remove(volumes)


def _extract_largest(volumes: Sequence[Path], stream: BinaryIO, progress: Progress | None) -> None:
    with io.BufferedReader(_Joined(volumes)) as joined, py7zr.SevenZipFile(joined) as opened:
        files = [member for member in opened.list() if not member.is_directory]
        if not files:
            raise py7zr.Bad7zFile("there is no file in it")
        largest = max(files, key=lambda member: member.uncompressed)
        sink = _Sink(stream, largest.uncompressed, progress)
        opened.extract(targets=[largest.filename], factory=sink)


def _remove(volumes: Sequence[Path]) -> None:
    for volume in volumes:
        volume.unlink()


class _Joined(io.RawIOBase):
    """Concatenation of several files, for reading."""

    def __init__(self, paths: Sequence[Path]) -> None:
        with ExitStack() as opened:
            self._files = [opened.enter_context(path.open("rb")) for path in paths]
            self._close_files = opened.pop_all().close
        # Where each file ends, counted from the start of the first.
        self._ends = list(accumulate(path.stat().st_size for path in paths))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        index = bisect_right(self._ends, self._position)
        if index == len(self._files):
            return 0
        start = self._ends[index - 1] if index else 0
        self._files[index].seek(self._position - start)
        count = self._files[index].readinto(buffer)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1]}[whence]
        self._position = base + offset
        return self._position

    def close(self) -> None:
        self._close_files()
        super().close()


class _Sink(Py7zIO, WriterFactory):
    """Writes the unpacked member to one open file, whatever its name in the archive."""

    def __init__(self, stream: BinaryIO, total: int, progress: Progress | None) -> None:
        self._stream, self._total, self._progress = stream, total, progress
        self._written = 0

    def create(self, filename: str) -> Py7zIO:
        """The file to write to."""
        return self

    def write(self, s: bytes | bytearray) -> int:
        """Write a chunk and report progress."""
        self._stream.write(s)
        self._written += len(s)
        if self._progress is not None:
            self._progress(self._written, self._total)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        """Nothing: it is never read back."""
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """No seeking: chunks come in order."""
        return offset

    def flush(self) -> None:
        """Left to `publish`, which forces the file to the disk."""

    def size(self) -> int:
        """Bytes so far."""
        return self._written
