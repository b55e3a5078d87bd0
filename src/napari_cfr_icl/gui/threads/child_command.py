"""Commands of this program as processes that compute beside napari."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from napari_cfr_icl.engine.runtime.torch_libraries import SHORT_SPINNING


def child_command(arguments: Iterable[str]) -> list[str]:
    """The words that run `napari-cfr-icl ARGUMENTS`."""
    # -P: a module that happens to lie in the working folder is not imported.
    return [sys.executable, "-P", "-m", "napari_cfr_icl", *arguments]


def child_environment() -> dict[str, str]:
    """Ours, with arithmetic threads that sleep while they wait for each other.

    By default they spin, and where two programs have more threads than there are cores, each spins
    away the time that the other needs: on two busy cores a training step took 60 s instead of 1.5.
    """
    kept = {name: value for name, value in os.environ.items() if name not in SHORT_SPINNING}
    return {"OMP_WAIT_POLICY": "PASSIVE"} | kept


def last_line(errors: bytes) -> str:
    """The last line of what a process wrote to its error stream; empty where it wrote none."""
    lines = [line.strip() for line in errors.decode("utf-8", "replace").split("\n")]
    return next(filter(None, reversed(lines)), "")
