"""Pairs of images and label images, found by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.folders import LABEL_FOLDERS
from napari_cfr_icl.images.opening import is_readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
LABEL_ENDINGS = ("", "_labels", "_label", "_masks", "_mask", "_gt", "_cp_masks")
"""Endings that a label image's name adds to that of its image; the last is Cellpose's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its label image.

    Parameters
    ----------
    image, labels : Path
        The files.
    name : str
        Name of the pair: the image's place in the folder of images.
    """

    image: Path
    labels: Path
    name: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs in a folder, or in two, and files without a partner.

    Parameters
    ----------
    found : tuple of Pair
        In the order of the images' names, or of the labels' where images lie elsewhere.
    lonely_images, lonely_labels : tuple of str
        Files without a partner. Where images and labels lie side by side, anything without labels
        is a lonely image; where images lie elsewhere, images without labels are not wanted.
    side_by_side : bool
        Whether they lie in one folder.
    """

    found: tuple[Pair, ...]
    lonely_images: tuple[str, ...] = ()
    lonely_labels: tuple[str, ...] = ()
    side_by_side: bool = False


def pairs_in(root: Path) -> Pairs:
    """The pairs in a folder.

    Parameters
    ----------
    root : Path
        Holds `images` and `labels` (or another of `IMAGE_FOLDERS` and `LABEL_FOLDERS`), or NAME.tif
        and NAME_labels.tif (or another of `LABEL_ENDINGS`) side by side.
    """
    images, labels = _first(root, IMAGE_FOLDERS), _first(root, LABEL_FOLDERS)
    side_by_side = images is None or labels is None
    if images is None or labels is None:
        images = labels = root
    endings = LABEL_ENDINGS[1:] if side_by_side else LABEL_ENDINGS
    by_name = _by_name(_readable(labels), labels)
    partners = {}
    for image in _readable(images):
        names = (name + ending for name in _names(image, images) for ending in endings)
        partners[image] = next((by_name[name] for name in names if name in by_name), None)
    used = {partner for partner in partners.values() if partner is not None}
    lonely = (path.name for path in dict.fromkeys(by_name.values()) if path not in used)
    return Pairs(
        tuple(Pair(i, partner, i.name) for i, partner in partners.items() if partner is not None),
        tuple(i.name for i, partner in partners.items() if partner is None and i not in used),
        () if side_by_side else tuple(lonely),
        side_by_side,
    )


def pairs_of(labels: Path, images: Path) -> Pairs:
    """The pairs of two folders: the same names in the same sub-folders.

    Parameters
    ----------
    labels : Path
        The folder of the label images; each should have its image.
    images : Path
        The folder of the images.

    Raises
    ------
    InputError
        When one of the folders is not there.
    """
    for place in (labels, images):
        if not place.is_dir():
            raise InputError(f"There is no folder {place}.")
    by_name = _by_name(_tree(images), images)
    found, lonely = [], []
    for path in _tree(labels):
        stems = (
            name.removesuffix(ending)
            for name in _names(path, labels)
            for ending in LABEL_ENDINGS
            if name.endswith(ending)
        )
        image = next((by_name[s] for s in stems if by_name.get(s, path) != path), None)
        if image is None:
            lonely.append(path.relative_to(labels).as_posix())
        else:
            found.append(Pair(image, path, image.relative_to(images).as_posix()))
    return Pairs(tuple(found), lonely_labels=tuple(lonely))


def _first(root: Path, names: Iterable[str]) -> Path | None:
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    return next((folders[name] for name in names if name in folders), None)


def _readable(place: Path) -> list[Path]:
    return [path for path in _visible(place) if is_readable(path)]


def _tree(place: Path) -> Iterator[Path]:
    """Readable files in a folder and its sub-folders; a Zarr folder counts as one file."""
    for path in _visible(place):
        if is_readable(path):
            yield path
        elif path.is_dir():
            yield from _tree(path)


def _visible(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if not path.name.startswith("."))


def _by_name(paths: Iterable[Path], place: Path) -> dict[str, Path]:
    """Files by each of their names; where two would have one, the first of the names decides."""
    named = {_names(path, place): path for path in paths}
    shortest = {short: path for (_, short), path in named.items()}
    return shortest | {name: path for (name, _), path in named.items()}


def _names(path: Path, place: Path) -> tuple[str, str]:
    """A file's place in a folder without its ending, and without .ome before that."""
    name = path.relative_to(place).with_suffix("").as_posix()
    return name, name.removesuffix(".ome")
