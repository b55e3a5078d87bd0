"""Pairs of images and label images, found by their names."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.folders import LABEL_FOLDERS
from napari_cfr_icl.images.opening import is_readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    unpaired_images, unpaired_labels : tuple of str
        Files without a partner. Where images and labels lie side by side, anything without labels
        is a lonely image; where images lie elsewhere, images without labels are not wanted.
    doubtful : tuple of (str, str)
        Names of images that belong together with label images, but not one to one, and why.
    side_by_side : bool
        Whether they lie in one folder.
    """

    found: tuple[Pair, ...]
    unpaired_images: tuple[str, ...] = ()
    unpaired_labels: tuple[str, ...] = ()
    doubtful: tuple[tuple[str, str], ...] = ()
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
    files = {path: _Name.of(path, images) for path in _readable(images)}
    others = {path: _Name.of(path, labels) for path in _readable(labels)}
    matched = _matched(files, others, endings)
    partners, used = matched.partners, {*matched.partners.values(), *matched.unclear}
    return Pairs(
        tuple(Pair(image, partners[image], image.name) for image in files if image in partners),
        tuple(image.name for image in files if image not in partners and image not in used),
        () if side_by_side else tuple(path.name for path in others if path not in used),
        matched.doubtful,
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
    files = {path: _Name.of(path, images) for path in _tree(images)}
    others = {path: _Name.of(path, labels) for path in _tree(labels)}
    matched = _matched(files, others, LABEL_ENDINGS)
    image_of = {partner: image for image, partner in matched.partners.items()}
    found = [
        Pair(image_of[path], path, files[image_of[path]].full)
        for path in others
        if path in image_of
    ]
    lonely = [
        name.full for path, name in others.items() if path not in {*image_of, *matched.unclear}
    ]
    return Pairs(tuple(found), unpaired_labels=tuple(lonely), doubtful=matched.doubtful)


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


@dataclass(frozen=True, slots=True)
class _Name:
    """Name of a file in a folder, taken apart: a/b.ome.tif is a/b, .ome, .tif."""

    full: str
    stem: str
    is_ome: bool
    ending: str

    @classmethod
    def of(cls, path: Path, place: Path) -> _Name:
        relative = path.relative_to(place)
        stem, is_ome = _without_ome(relative.with_suffix("").as_posix())
        return cls(relative.as_posix(), stem, is_ome, path.suffix.lower())

    def of_image(self, ending: str) -> tuple[str, bool] | None:
        """Stem of the image that a label image of this name with this ending belongs to."""
        if not self.stem.lower().endswith(ending):
            return None
        stem, is_ome = _without_ome(self.stem[: len(self.stem) - len(ending)])
        return stem, self.is_ome or is_ome


def _without_ome(stem: str) -> tuple[str, bool]:
    is_ome = stem.lower().endswith(".ome")
    return stem[:-4] if is_ome else stem, is_ome


@dataclass(frozen=True, slots=True)
class _Matched:
    """The label image of each image; files of which several belong together; and why."""

    partners: dict[Path, Path]
    unclear: set[Path]
    doubtful: tuple[tuple[str, str], ...]


def _matched(
    images: Mapping[Path, _Name], labels: Mapping[Path, _Name], endings: Sequence[str]
) -> _Matched:
    """Match by names. Case and .ome do not matter, unless it takes them to tell images apart."""
    by_stem = defaultdict(list)
    for image, name in images.items():
        by_stem[name.stem.lower()].append((image, name))
    wanted = defaultdict(list)
    for path, name in labels.items():
        if owners := _nearest(path, name, by_stem, endings):
            wanted[owners].append(path)
    partners: dict[Path, Path] = {}
    unclear: set[Path] = set()
    doubtful = []
    # First those that are sure: they leave one image fewer to the others.
    for owners, found in sorted(wanted.items(), key=lambda item: len(item[0])):
        left = [image for image in owners if image not in partners]
        if not left:
            continue
        if len(left) == len(found) == 1:
            partners[left[0]] = found[0]
            continue
        unclear.update(left, found)
        taken = ", ".join(labels[path].full for path in found)
        names = ", ".join(images[image].full for image in left)
        why = f"several files go by one name ({taken} for {names}): keep one image and its labels"
        doubtful += [(images[image].full, why) for image in left]
    return _Matched(partners, unclear, tuple(doubtful))


def _nearest(
    path: Path,
    name: _Name,
    by_stem: Mapping[str, Sequence[tuple[Path, _Name]]],
    endings: Sequence[str],
) -> tuple[Path, ...]:
    """The images whose names are nearest to that of a label image: one, if all is well."""
    rated = []
    for ending in endings:
        if (wanted := name.of_image(ending)) is None:
            continue
        for image, its in by_stem.get(wanted[0].lower(), ()):
            if image != path:
                same = (its.is_ome == wanted[1], its.stem == wanted[0], its.ending == name.ending)
                rated.append(((-len(ending), *same), image))
    best = max((nearness for nearness, _ in rated), default=None)
    return tuple(image for nearness, image in rated if nearness == best)
