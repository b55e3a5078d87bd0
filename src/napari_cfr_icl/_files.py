"""How files get their names: complete or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["explain_write_failure", "publish", "whole_or_nothing"]

# Too large for the file system (FAT) or for a quota: the cure is the same as for a full disk.
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def publish(part: Path, path: Path) -> None:
    """Give a complete file its final name, in one step and only once its bytes are on the disk."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    part.replace(path)


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """Give a name to write to; it becomes `path` if all goes well, and is removed if not."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        publish(part, path)
    finally:
        if part.exists():
            part.unlink()


def explain_write_failure(error: OSError, folder: Path) -> str:
    """One sentence on why nothing could be written into `folder`, and what to do."""
    if error.errno in _DISK_FULL:
        return f"The disk that holds {folder} is full: free some space and try again."
    return (
        f"Nothing can be written into {folder} ({error.strerror or error}): choose another folder."
    )
