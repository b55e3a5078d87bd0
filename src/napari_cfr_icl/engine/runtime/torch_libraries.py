"""Torch's shared libraries, loaded ahead of its import without holding Python's lock."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

SHORT_SPINNING = {"GOMP_SPINCOUNT": "10000"}
"""Arithmetic threads spin for some microseconds while they wait for each other, then sleep.

By default they spin for a thousand times as long, and take that time from other programs. Without
spinning (OMP_WAIT_POLICY=PASSIVE) a second thread gains nothing: a pass of an HRNet has hundreds of
short waits. Only GNU's OpenMP, PyTorch's on Linux, has this setting."""

_WAITING = {*SHORT_SPINNING, "OMP_WAIT_POLICY"}
_log = logging.getLogger(__name__)
_LAST = "libtorch_python.so"
"""Needs all the others."""


def load_torch_libraries() -> None:
    """Load them as the import of torch would, but with Python's lock released.

    For half a second this keeps a window responsive. Loads nothing except on Linux, or where torch
    is imported already or is not laid out as expected; its import then reports any error.
    """
    if "torch" in sys.modules:
        # Once; later calls find the torch that an earlier one loaded.
        if not _WAITING & os.environ.keys():
            _log.info(
                "Another plugin loaded torch before: its threads spin while they wait. Beside "
                "other programs, start napari with GOMP_SPINCOUNT=10000."
            )
        return
    if not _WAITING & os.environ.keys():
        os.environ.update(SHORT_SPINNING)
    spec = PathFinder.find_spec("torch")
    if sys.platform != "linux" or spec is None or spec.origin is None:
        return
    path = Path(spec.origin).parent / "lib" / _LAST
    with suppress(OSError, AttributeError):
        # ctypes releases the lock while it calls a function, not while it opens a library.
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
        load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
