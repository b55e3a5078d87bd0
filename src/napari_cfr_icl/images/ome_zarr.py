"""Zarr folders: single arrays, and pyramids as OME-Zarr describes them. Chunks are read lazily."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from napari_cfr_icl._errors import ImageError, SettingsError
from napari_cfr_icl.images.decode_errors import DAMAGE
from napari_cfr_icl.images.image_file import ImageFile
from napari_cfr_icl.images.pixel_sizes import zarr_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZARR_SUFFIX = ".zarr"
_MARKS = ("zarr.json", ".zarray", ".zgroup")
_MOST_NAMED = 24
_MOST_DEPTH = 3  # row, column and field of a plate


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


def open_pyramid(path: Path, series: str | None = None) -> ImageFile:
    """The picture in a folder: an array, a pyramid, or one of the pyramids under it.

    Parameters
    ----------
    path : Path
        The folder.
    series : str, optional
        Place of the picture in a folder that holds several, such as 0, or A/1/0 on a plate.

    Raises
    ------
    ImageError
        When it is damaged, or a group without a picture or with several; or when the package zarr
        is missing.
    SettingsError
        When there is no such series.
    """
    try:
        # Not at the top: it is not among the packages that come with this one.
        import zarr
    except ImportError as error:
        raise ImageError(f"Reading {path} needs the package zarr: pip install zarr.") from error
    try:
        opened, within = zarr.open(path, mode="r"), ""
        if series is not None:
            if isinstance(opened, zarr.Array) or series.strip("/") not in opened:
                there = "" if isinstance(opened, zarr.Array) else _listed(opened)
                raise SettingsError(
                    f"{path} has no series {series!r}: there are {there or 'none'}."
                )
            opened = opened[series.strip("/")]
            within = f"{series.strip('/')}/"
        if isinstance(opened, zarr.Array):
            return ImageFile(path, [ZarrArray(path, opened)])
        return _image_of_group(path, opened, within)
    except DAMAGE as error:
        raise ImageError(
            f"{path} cannot be read as a Zarr image ({type(error).__name__} {error})."
        ) from error


def _image_of_group(path: Path, group: Any, within: str) -> ImageFile:
    pyramids = _pyramids(group)
    if pyramids:
        return _described(path, group, pyramids[0])
    # What programs that describe nothing call the finest level.
    if "0" in group.array_keys():
        return ImageFile(path, [ZarrArray(path, group["0"])])
    listed = list(islice(_places(group, within), _MOST_NAMED + 1))
    if len(listed) == 1:
        ((_, child),) = listed
        return _described(path, child, _pyramids(child)[0])
    if listed:
        raise ImageError(
            f"{path} holds several images: choose one with --series, such as "
            f"--series {listed[0][0]}, or give its folder. There are {_listed(group, within)}."
        )
    raise ImageError(
        f"{path} does not say which picture is in it: choose one of its arrays "
        f"({', '.join(sorted(group.array_keys())) or 'none'})."
    )


def _pyramids(group: Any) -> Any:
    # From version 0.5 on, everything lies under "ome".
    return group.attrs.get("ome", group.attrs).get("multiscales")


def _places(group: Any, before: str = "", depth: int = _MOST_DEPTH) -> Iterator[tuple[str, Any]]:
    """Pyramids under a group with their places, in the order that people count."""
    for name in sorted(group.group_keys(), key=lambda name: (len(name), name)):
        child = group[name]
        if _pyramids(child):
            yield before + name, child
        elif depth > 1:
            yield from _places(child, f"{before}{name}/", depth - 1)


def _listed(group: Any, within: str = "") -> str:
    """The images under a group by their places, with names where they have others."""
    listed = []
    for place, child in islice(_places(group, within), _MOST_NAMED + 1):
        name = _pyramids(child)[0].get("name")
        listed.append(f"{place} ({name})" if name and name.strip("/") != place else place)
    return ", ".join([*listed[:_MOST_NAMED], "and more"] if listed[_MOST_NAMED:] else listed)


def _described(path: Path, group: Any, described: Any) -> ImageFile:
    listed = described.get("axes", ())
    names = [axis if isinstance(axis, str) else axis["name"] for axis in listed]
    axes = "".join(name[0].upper() for name in names) or "TCZYX"
    levels = [group[each["path"]] for each in described["datasets"]]
    if len(axes) != levels[0].ndim:
        raise ValueError(f"{len(axes)} names for {levels[0].ndim} axes")
    # A coarser level in which the planes are fewer, too, would show other planes.
    kept = [ZarrArray(path, each) for each in levels if _same_planes(each, levels[0], axes)]
    transforms = [
        *described["datasets"][0].get("coordinateTransformations", ()),
        *described.get("coordinateTransformations", ()),
    ]
    return ImageFile(path, kept, axes, sizes=zarr_sizes(listed, transforms))


def _same_planes(one: Any, other: Any, axes: str) -> bool:
    return all(
        mine == theirs
        for mine, theirs, letter in zip(one.shape, other.shape, axes, strict=True)
        if letter not in "YX"
    )
