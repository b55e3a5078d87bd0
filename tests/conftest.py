"""What holds for every test: none leaves a thread running."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Before napari is imported, which reads and writes its settings there.
_SETTINGS = TemporaryDirectory(prefix="napari-")
os.environ["NAPARI_CONFIG"] = str(Path(_SETTINGS.name, "settings.yaml"))
# No model of the machine's own micro-sam is found.
os.environ["MICROSAM_CACHEDIR"] = str(Path(_SETTINGS.name, "micro_sam"))

_KEPT = ("asyncio_", "zarr_io")
"""Names of threads that zarr starts once and keeps for the process."""

_PATIENCE = 5.0
"""Seconds that a thread may take to end after the test that started it."""


@pytest.fixture(autouse=True)
def no_thread_left_running() -> Iterator[None]:
    """Fail a test that leaves a thread behind: later tests would then fail for its sake.

    OpenMP's and torch's own threads are not Python's and are not seen. A daemon thread counts too:
    it dies with the process, not with the test.
    """
    before = set(threading.enumerate())
    yield
    started = [
        thread
        for thread in set(threading.enumerate()) - before
        if not thread.name.startswith(_KEPT)
    ]
    for thread in started:
        thread.join(_PATIENCE)
    left = [thread.name for thread in started if thread.is_alive()]
    if left:
        pytest.fail(f"the test left these threads running: {', '.join(sorted(left))}")
