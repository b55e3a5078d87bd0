"""Has the system load torch's libraries before Python does, which stands still meanwhile."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

_LAST = "libtorch_python.so"
"""Needs all the others."""


def load_torch_libraries() -> None:
    """Load them as the import of torch will, but with Python's lock given back.

    Half a second in which a window goes on answering. Does nothing but on Linux, and where torch is
    imported already or does not look as expected; the import says what is wrong then.
    """
    spec = None if "torch" in sys.modules else PathFinder.find_spec("torch")
    if sys.platform != "linux" or spec is None or spec.origin is None:
        return
    path = Path(spec.origin).parent / "lib" / _LAST
    with suppress(OSError, AttributeError):
        # A call of ctypes gives the lock back; its own opening of a library does not.
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
        load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
