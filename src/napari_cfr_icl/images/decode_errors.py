"""What libraries were seen to raise for image files with bytes changed or missing."""

from __future__ import annotations

import struct
import tokenize
import zlib

import tifffile
from PIL import Image

DAMAGE = (
    tifffile.TiffFileError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
)
"""To be caught around the reading alone: it would hide mistakes of our own elsewhere."""
