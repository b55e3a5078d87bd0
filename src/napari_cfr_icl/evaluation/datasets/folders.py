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
    """The folder `name` in `root`, in lower or upper case.

    Raises
    ------
    InputError
        When it is not there.
    """
    inner = sorted(root.iterdir()) if root.is_dir() else []
    for found in (root / name, *(path for path in inner if path.name.lower() == name.lower())):
        if found.is_dir():
            return found
    raise InputError(f"{root} is not laid out as expected: there is no folder {name!r} in it.")


def listed_path(place: Path, name: str) -> Path:
    """The file that a list names, from a folder on: as written, or with Windows' backslashes.

    A path of another machine stands for its last part, if there is such a file in the folder.
    """
    written = place / name
    slashed = name.replace("\\", "/")
    others = (place / slashed, place / slashed.rpartition("/")[2])
    return written if written.exists() else next((p for p in others if p.exists()), written)


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
