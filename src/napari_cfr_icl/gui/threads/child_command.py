"""Commands of this program as processes that compute beside napari."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from napari_cfr_icl.engine.runtime.torch_libraries import PASSIVE_WAITING


def child_command(arguments: Iterable[str]) -> list[str]:
    """The words that run `napari-cfr-icl ARGUMENTS`."""
    # -P: a module that happens to lie in the working folder is not imported.
    return [sys.executable, "-P", "-m", "napari_cfr_icl", *arguments]


def child_environment() -> dict[str, str]:
    """Ours, with arithmetic threads that sleep while they wait for each other."""
    return PASSIVE_WAITING | os.environ


def last_line(errors: bytes) -> str:
    """The last line of what a process wrote to its error stream; empty where it wrote none."""
    lines = [line.strip() for line in errors.decode("utf-8", "replace").split("\n")]
    return next(filter(None, reversed(lines)), "")
