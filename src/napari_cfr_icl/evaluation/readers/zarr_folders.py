"""Zarr folders: the array in one, not read yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

ZARR_SUFFIX = ".zarr"


def is_zarr(path: Path) -> bool:
    """Whether a folder's name says that it holds Zarr."""
    return path.suffix.lower() == ZARR_SUFFIX


def open_zarr(path: Path) -> Any:
    """The array in a Zarr folder; of a group, such as OME-Zarr, its finest level.

    Raises
    ------
    ImageError
        When there is none, or the package zarr is missing.
    """
    try:
        import zarr
    except ImportError as error:
        raise ImageError(f"Reading {path} needs the package zarr: pip install zarr.") from error
    try:
        opened = zarr.open(str(path), mode="r")
        return opened["0"] if isinstance(opened, zarr.Group) else opened
    except (OSError, KeyError, ValueError) as error:
        raise ImageError(f"{path} cannot be read as zarr: {error!r}") from error
