"""Zarr folders: single arrays, and pyramids as OME-Zarr describes them. Chunks are read lazily."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.images.decode_errors import DAMAGE

if TYPE_CHECKING:
    from pathlib import Path

ZARR_SUFFIX = ".zarr"
_MARKS = ("zarr.json", ".zarray", ".zgroup")


class ZarrArray:
    """An array whose chunks are read when they are needed, and may then turn out to be damaged.

    Parameters
    ----------
    path : Path
        What to call it in an error.
    array : zarr.Array
        The array.
    """

    def __init__(self, path: Path, array: Any) -> None:
        self._path, self._array = path, array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = array.dtype

    def __getitem__(self, index: Any) -> Any:
        try:
            return self._array[index]
        except DAMAGE as error:
            raise ImageError(
                f"{self._path} is damaged or incomplete ({type(error).__name__} {error})."
            ) from error


def is_zarr(path: Path) -> bool:
    """True for a Zarr array or group, and for a folder named like one."""
    return path.suffix.lower() == ZARR_SUFFIX or any((path / mark).is_file() for mark in _MARKS)


def open_pyramid(path: Path) -> tuple[list[ZarrArray], str]:
    """The picture in a folder at falling resolutions, finest first, and a letter for each axis.

    Letters are in capitals; there are none where the folder does not tell.

    Raises
    ------
    ImageError
        When it is damaged, or a group without a picture; or when the package zarr is missing.
    """
    try:
        # Not at the top: it is not among the packages that come with this one.
        import zarr
    except ImportError as error:
        raise ImageError(f"Reading {path} needs the package zarr: pip install zarr.") from error
    try:
        opened = zarr.open(path, mode="r")
        if isinstance(opened, zarr.Array):
            return [ZarrArray(path, opened)], ""
        return _levels_of_group(path, opened)
    except DAMAGE as error:
        raise ImageError(
            f"{path} cannot be read as a Zarr image ({type(error).__name__} {error})."
        ) from error


def _levels_of_group(path: Path, group: Any) -> tuple[list[ZarrArray], str]:
    # From version 0.5 on, everything lies under "ome".
    pyramids = group.attrs.get("ome", group.attrs).get("multiscales")
    if pyramids:
        return _described_levels(path, group, pyramids[0])
    arrays = sorted(group.array_keys())
    # What programs that describe nothing call the finest level.
    if "0" not in arrays:
        raise ImageError(
            f"{path} does not say which picture is in it: choose one of its arrays "
            f"({', '.join(arrays) or 'none'})."
        )
    return [ZarrArray(path, group["0"])], ""


def _described_levels(path: Path, group: Any, described: Any) -> tuple[list[ZarrArray], str]:
    names = [axis if isinstance(axis, str) else axis["name"] for axis in described.get("axes", ())]
    axes = "".join(name[0].upper() for name in names) or "TCZYX"
    levels = [group[each["path"]] for each in described["datasets"]]
    if len(axes) != levels[0].ndim:
        raise ValueError(f"{len(axes)} names for {levels[0].ndim} axes")
    # A coarser level in which the planes are fewer, too, would show other planes.
    kept = [ZarrArray(path, each) for each in levels if _same_planes(each, levels[0], axes)]
    return kept, axes


def _same_planes(one: Any, other: Any, axes: str) -> bool:
    return all(
        mine == theirs
        for mine, theirs, letter in zip(one.shape, other.shape, axes, strict=True)
        if letter not in "YX"
    )
