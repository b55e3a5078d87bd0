"""Zarr folders: single arrays, and pyramids as OME-Zarr describes them. Nothing is read yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.cli.opened import Opened

if TYPE_CHECKING:
    from pathlib import Path

_DAMAGE = (AttributeError, OSError, LookupError, RuntimeError, TypeError, ValueError)
_MARKS = ("zarr.json", ".zarray", ".zgroup")


class _Level:
    """An array whose chunks are read when they are needed, and may then turn out to be damaged."""

    def __init__(self, path: Path, array: Any) -> None:
        self._path, self._array = path, array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index: Any) -> Any:
        try:
            return self._array[index]
        except _DAMAGE as error:
            raise ImageError(
                f"{self._path} is damaged or incomplete ({type(error).__name__} {error})."
            ) from error


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr array or group."""
    return any((path / mark).is_file() for mark in _MARKS)


def open_zarr(path: Path) -> Opened:
    """The array in a folder, or the first pyramid of a group.

    Raises
    ------
    ImageError
        When it is damaged, or a group without a pyramid; or when the package zarr is missing.
    """
    try:
        # Not at the top: it is not among the packages that come with this one.
        import zarr
    except ImportError as error:
        raise ImageError(f"Reading {path} needs the package zarr: pip install zarr.") from error
    try:
        opened = zarr.open(path, mode="r")
        if isinstance(opened, zarr.Array):
            return Opened(path, [_Level(path, opened)])
        return _pyramid(path, opened)
    except _DAMAGE as error:
        raise ImageError(
            f"{path} cannot be read as a Zarr image ({type(error).__name__} {error})."
        ) from error


def _pyramid(path: Path, group: Any) -> Opened:
    # From version 0.5 on, everything lies under "ome".
    pyramids = group.attrs.get("ome", group.attrs).get("multiscales")
    if not pyramids:
        arrays = ", ".join(sorted(group.array_keys())) or "none"
        raise ImageError(
            f"{path} does not say which picture is in it: choose one of its arrays ({arrays})."
        )
    described = pyramids[0]
    names = [axis if isinstance(axis, str) else axis["name"] for axis in described.get("axes", ())]
    axes = "".join(name[0].upper() for name in names) or "TCZYX"
    levels = [group[each["path"]] for each in described["datasets"]]
    if len(axes) != levels[0].ndim:
        raise ValueError(f"{len(axes)} names for {levels[0].ndim} axes")
    # A coarser level in which the planes are fewer, too, would show other planes.
    kept = [_Level(path, each) for each in levels if _same_planes(each, levels[0], axes)]
    return Opened(path, kept, axes)


def _same_planes(one: Any, other: Any, axes: str) -> bool:
    return all(
        mine == theirs
        for mine, theirs, letter in zip(one.shape, other.shape, axes, strict=True)
        if letter not in "YX"
    )
