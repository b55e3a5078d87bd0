"""Kinds of model files by their content, whatever their name, and their integrity."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileKind", "file_sha256", "find_damage", "kind_of", "other_archive"]

_HEAD = 512

# What zipfile was seen to raise for files with bytes changed or missing.
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


class FileKind(Enum):
    """Kind of a file; the value is its name in messages."""

    TORCH_ZIP = "a PyTorch checkpoint"
    TORCH_LEGACY = "a PyTorch checkpoint in the format before 1.6"
    SAFETENSORS = "a safetensors file"
    ARCHIVE_7Z = "a 7z archive"
    WEB_PAGE = "a web page, such as a login or an error page"
    TEXT = "a text file"
    EMPTY = "an empty file"
    FOLDER = "a folder"
    OTHER = "a file of an unknown kind"


def kind_of(path: Path) -> FileKind:
    """Kind by the first bytes of `path`; raises OSError if it cannot be read."""
    if path.is_dir():
        return FileKind.FOLDER
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return _kind_of_bytes(head)


def _kind_of_bytes(head: bytes) -> FileKind:
    signatures = (
        (b"PK\x03\x04", FileKind.TORCH_ZIP),
        (b"\x80\x02", FileKind.TORCH_LEGACY),
        (b"7z\xbc\xaf\x27\x1c", FileKind.ARCHIVE_7Z),
    )
    for signature, kind in signatures:
        if head.startswith(signature):
            return kind
    # A safetensors file begins with the length of its JSON header, in eight bytes of which the last
    # are zero, and then has the header itself.
    if head[6:9] == b"\0\0{":
        return FileKind.SAFETENSORS
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> FileKind:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return FileKind.EMPTY
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return FileKind.WEB_PAGE
    is_text = all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)
    return FileKind.TEXT if is_text else FileKind.OTHER


def find_damage(path: Path) -> str | None:
    """Damage of a downloaded checkpoint in words, or None.

    A zip has a checksum for each member, so damage is found even without a published one.
    """
    kind = kind_of(path)
    if kind is FileKind.TORCH_ZIP:
        return _find_zip_damage(path)
    if kind in (FileKind.TORCH_LEGACY, FileKind.SAFETENSORS):
        return None
    return f"it is {kind.value}"


def _find_zip_damage(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except _ZIP_DAMAGE as error:
        return f"it is damaged or incomplete ({error})"
    return None if broken is None else f"it is damaged (its part {broken} fails its checksum)"


def other_archive(path: Path) -> str | None:
    """What a sound zip is that is no PyTorch checkpoint, and what to do with it; None if it is."""
    with zipfile.ZipFile(path) as archive:
        members = sorted(archive.infolist(), key=lambda member: member.file_size)
    names = {member.filename.rpartition("/")[2] for member in members}
    if "data.pkl" not in names:
        largest = members[-1].filename if members else "nothing"
        return f"a zip archive: unpack it, and choose the checkpoint in it (it holds {largest})"
    if "constants.pkl" in names:
        return "a TorchScript program: choose a checkpoint of its weights"
    return None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
