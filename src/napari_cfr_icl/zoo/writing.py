"""How files get their names: complete or not at all."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["explain_write_failure", "publish"]

# Too large for the file system (FAT) or for a quota: the cure is the same as for a full disk.
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def publish(part: Path, target: Path) -> None:
    """Give a complete file its final name, in one step and only once its bytes are on the disk."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    part.replace(target)


def explain_write_failure(error: OSError, folder: Path) -> str:
    """One sentence on why nothing could be written into `folder`, and what to do."""
    if error.errno in _DISK_FULL:
        return f"The disk that holds {folder} is full: free some space and try again."
    return (
        f"Nothing can be written into {folder} ({error.strerror or error}): choose another folder."
    )
