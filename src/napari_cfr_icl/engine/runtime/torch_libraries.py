"""Torch's shared libraries, loaded ahead of its import without holding Python's lock."""

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
    """Load them as the import of torch would, but with Python's lock released.

    For half a second this keeps a window responsive. Does nothing except on Linux, or where torch
    is imported already or is not laid out as expected; its import then reports any error.
    """
    spec = None if "torch" in sys.modules else PathFinder.find_spec("torch")
    if sys.platform != "linux" or spec is None or spec.origin is None:
        return
    path = Path(spec.origin).parent / "lib" / _LAST
    with suppress(OSError, AttributeError):
        # ctypes releases the lock while it calls a function, not while it opens a library.
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
        load(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)
