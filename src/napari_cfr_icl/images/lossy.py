"""Compression that changes numbers, told by the compressed pixels themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cfr_icl._errors import MaskError

if TYPE_CHECKING:
    from pathlib import Path

TIFF_CODECS = {6, 7, 22610, 33003, 33004, 33005, 33007, 34712, 34892, 34934, 50001, 50002, 52546}
"""Numbers that TIFF gives to JPEG, JPEG XR, JPEG 2000, WebP and JPEG XL."""

_CODING_STYLE, _WAVELET = b"\xff\x52", 13  # a marker of JPEG 2000, and where it says which one
_REVERSIBLE = 1


def refuse_lossy(path: Path, stream: bytes) -> None:
    """Refuse a label image whose ids were changed, or may have been, when it was compressed.

    Parameters
    ----------
    path : Path
        Its file.
    stream : bytes
        Compressed pixels, with their header.

    Raises
    ------
    MaskError
        For JPEG, JPEG XR, JPEG XL and AVIF, and for WebP and JPEG 2000 that are not lossless.
    """
    if stream.startswith(b"\xff\xd8"):
        kind = "JPEG, which changes ids"
    elif stream.startswith(b"RIFF") and b"VP8L" not in stream:
        kind = "WebP with losses, which changes ids"
    elif _is_lossy_jpeg_2000(stream):
        kind = "JPEG 2000 with losses, which changes ids"
    elif stream.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        kind = "JPEG XL, which may change ids"
    elif stream.startswith(b"II\xbc"):
        kind = "JPEG XR, which may change ids"
    elif stream[4:8] == b"ftyp":
        kind = "AVIF, which may change ids"
    else:
        return
    raise MaskError(f"{path} is compressed as {kind}: save labels as PNG or TIFF.")


def _is_lossy_jpeg_2000(stream: bytes) -> bool:
    if not stream.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")):
        return False
    at = stream.find(_CODING_STYLE)
    return stream[at + _WAVELET : at + _WAVELET + 1] != bytes([_REVERSIBLE])
