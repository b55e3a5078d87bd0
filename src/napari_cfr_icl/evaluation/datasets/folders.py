"""Folders and lists of files, with errors that name what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cfr_icl._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABEL_FOLDERS = ("labels", "label", "masks", "mask", "gt")
_SAY_LITTLE = ("train", "val", "validation", "test", *LABEL_FOLDERS)


def folder(root: Path, name: str) -> Path:
    """The folder `name` in `root`.

    Raises
    ------
    InputError
        When it is not there.
    """
    found = root / name
    if not found.is_dir():
        raise InputError(f"{root} is not laid out as expected: there is no folder {name!r} in it.")
    return found


def files_in(place: Path) -> list[Path]:
    """The files of a folder by name, hidden ones left out.

    Raises
    ------
    InputError
        When there are none.
    """
    found = sorted(path for path in place.iterdir() if path.is_file() and path.name[0] != ".")
    if not found:
        raise InputError(f"There are no files in {place}.")
    return found


def names_in(path: Path) -> list[str]:
    """The names listed in a text file, one in each line.

    Raises
    ------
    InputError
        When the file is missing or empty.
    """
    if not path.is_file():
        raise InputError(f"There is no list of images at {path}.")
    names = path.read_text(encoding="utf-8").split()
    if not names:
        raise InputError(f"{path} lists no images.")
    return names


def by_name(paths: Sequence[Path], name: str, place: Path) -> Path:
    """The file called `name` up to its first dot.

    Raises
    ------
    InputError
        When there is none.
    """
    for path in paths:
        if path.name.split(".")[0] == name:
            return path
    raise InputError(f"There is no mask for {name!r} in {place}.")


def title_of(root: Path) -> str:
    """Name of the data set in a folder: the folder's, with its parent's where that says more."""
    place = root.resolve()
    if place.name.lower() in _SAY_LITTLE:
        return f"{place.parent.name} {place.name}"
    return place.name
