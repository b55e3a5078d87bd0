"""Errors that libraries were seen to raise for image files with bytes changed or missing."""

from __future__ import annotations

import struct
import tokenize
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tifffile
from PIL import Image

from napari_cfr_icl._errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
"""To be caught around the decoding alone: it would hide mistakes of our own elsewhere."""


@contextmanager
def explained_damage(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into an ImageError of one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}.") from None
    except DAMAGE as error:
        detail = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ImageError(
            f"{path} cannot be read: it is damaged, incomplete or no image of a known kind "
            f"({detail})."
        ) from error
