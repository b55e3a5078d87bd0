"""Atomic files: complete under their names, or not there at all; and tables in any encoding."""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from napari_cfr_icl._errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "atomic_path",
    "atomic_write_json",
    "atomic_write_text",
    "cut_torn_line",
    "explain_write_failure",
    "explained_write_failures",
    "publish",
    "read_text",
]

# Too large for the file system (FAT) or for a quota: the cure is the same as for a full disk.
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def publish(part: Path, path: Path) -> None:
    """Give a complete file its final name, in one step and only once its bytes are on the disk."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    part.replace(path)


@contextmanager
def atomic_path(path: Path, part: Path | None = None) -> Iterator[Path]:
    """A name to write to; it becomes `path` if all goes well, and is removed if not.

    Parameters
    ----------
    path : Path
        The final name.
    part : Path, optional
        The name until then; `path` and ".part" by default.
    """
    part = part or path.with_name(path.name + ".part")
    try:
        yield part
        publish(part, path)
    finally:
        if part.is_file():
            part.unlink()


def atomic_write_text(path: Path, text: str) -> None:
    """Replace a small text file; its folder is made where it is missing.

    Raises
    ------
    OSError
        When it cannot be written; what was there is still there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # With the number of the process: two programs may write the same file at once.
    with atomic_path(path, path.with_name(f"{path.name}.{os.getpid()}.part")) as part:
        # Names of files need not be text; their odd bytes are written as numbers.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def atomic_write_json(path: Path, content: Any) -> None:
    """Replace a small JSON file; see `atomic_write_text`."""
    atomic_write_text(path, json.dumps(content, indent=2) + "\n")


def cut_torn_line(path: Path) -> None:
    """Cut off a last line that a crash left unfinished, so that the next one begins anew."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def explain_write_failure(error: OSError, folder: Path) -> str:
    """One sentence on why nothing could be written into `folder`, and what to do."""
    if error.errno in _DISK_FULL:
        return f"The disk that holds {folder} is full: free some space and try again."
    return (
        f"Nothing can be written into {folder} ({error.strerror or error}): choose another folder."
    )


@contextmanager
def explained_write_failures(folder: Path) -> Iterator[None]:
    """Turn an OSError inside the block into an OutputError with its explanation."""
    try:
        yield
    except OSError as error:
        raise OutputError(explain_write_failure(error, folder)) from error


def read_text(path: Path) -> str:
    """The text of a table as spreadsheets save it: UTF-8, UTF-16 with its mark, or Windows-1252.

    Raises
    ------
    OSError
        When it cannot be read.
    UnicodeDecodeError
        When it begins as UTF-16 and is damaged.
    """
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
