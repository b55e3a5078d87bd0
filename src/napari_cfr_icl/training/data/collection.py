"""Collections: the user's pictures with their labels, found in whatever order they lie.

Nothing is read here but names and headers; `check.inspect_dataset` reads everything once.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_cfr_icl._errors import CfrIclError, InputError
from napari_cfr_icl._files import read_text
from napari_cfr_icl.evaluation.datasets.coco_json import coco_json
from napari_cfr_icl.evaluation.datasets.folders import LABEL_FOLDERS, listed_path, title_of
from napari_cfr_icl.evaluation.datasets.pairs import IMAGE_FOLDERS, Pair, pairs_in, pairs_of
from napari_cfr_icl.images.planes import (
    image_plane,
    label_plane,
    label_shape,
    orientation_doubt,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.datasets.dataset import Picture

Split = Literal["train", "val"]
SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validation": "val",
}
LIST_NAME = "collection.csv"
UNKNOWN = -1
"""Value of labels where it is not known whether there is an object."""

_Listed = tuple[Pair, str, Split | None]
"""A pair, its group, and its side where the collection says so."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One picture with its labels, not read yet.

    Attributes
    ----------
    key : str
        Its name, unique in the collection.
    group : str
        What may not fall apart between training and held-out pictures: the file, or what a list
        says.
    split : str or None
        "train" or "val" where the collection says so.
    image, labels : callable
        Return (rows, columns[, channels]) of any type, and int32 (rows, columns), 0 background,
        -1 where the truth is unknown.
    doubt : callable
        Returns a sentence on what had to be assumed about the image; empty where nothing had.
    """

    key: str
    group: str
    split: Split | None
    image: Callable[[], NDArray[Any]]
    labels: Callable[[], NDArray[np.int32]]
    doubt: Callable[[], str] = str


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """Pictures with labels.

    Attributes
    ----------
    name : str
        What reports call it.
    path : Path
        Where it lies.
    examples : tuple of Example
        In a fixed order.
    troubles : tuple of (str, str)
        Files that could not be taken in, and why.
    """

    name: str
    path: Path
    examples: tuple[Example, ...]
    troubles: tuple[tuple[str, str], ...] = ()


def open_collection(path: Path, images: Path | None = None) -> Collection:
    """The collection at `path`.

    Parameters
    ----------
    path : Path
        A folder with `images` and `labels` in it, or NAME.tif beside NAME_labels.tif, or `train`
        and `val` that are such folders; a CSV file with the columns image and labels, and perhaps
        group and split (also as `collection.csv` in the folder); or a COCO json.
    images : Path, optional
        The folder of the images, where they lie elsewhere. Names in a list or a COCO json start
        there; a folder at `path` is one of label images then, and its images have the same names
        in the same sub-folders.

    Raises
    ------
    InputError
        When it is none of these, or there is nothing in it.
    """
    path = path.expanduser()
    if not path.exists():
        raise InputError(f"There is no collection at {path}.")
    collection = _opened(path, None if images is None else images.expanduser())
    if not collection.examples:
        raise InputError(f"{path} holds no image with a label image.{_reasons(collection)}")
    return collection


def _reasons(collection: Collection) -> str:
    """Reasons why files cannot be used, each with the first three of them."""
    names: dict[str, list[str]] = {}
    for name, reason in collection.troubles:
        names.setdefault(reason, []).append(name)
    shown = []
    for reason, files in names.items():
        more = f" and {len(files) - 3} more" if files[3:] else ""
        shown.append(f"{reason[0].upper()}{reason[1:]}: {', '.join(files[:3])}{more}")
    return f" {'. '.join(shown[:3])}." if shown else ""


def _opened(path: Path, images: Path | None) -> Collection:
    if path.suffix.lower() == ".csv":
        return _from_list(path, images)
    if path.suffix.lower() == ".json":
        return _from_coco(path, images)
    if not path.is_dir():
        raise InputError(f"{path} is no collection: give a folder, a CSV list or a COCO json.")
    if (path / LIST_NAME).is_file():
        return _from_list(path / LIST_NAME, images)
    parts = [p for p in sorted(path.iterdir()) if p.is_dir() and p.name.lower() in SPLIT_FOLDERS]
    if parts:
        return _from_parts(path, parts, images)
    return _from_folder(path, images)


def _from_parts(path: Path, parts: Iterable[Path], images: Path | None) -> Collection:
    """`train` and `val`, each a collection: the split is given."""
    examples, troubles = [], []
    for part in parts:
        divided = images is not None and (images / part.name).is_dir()
        opened = _opened(part, images / part.name if images and divided else images)
        split = SPLIT_FOLDERS[part.name.lower()]
        for example in opened.examples:
            name = f"{part.name}/{example.key}"
            group = f"{part.name}/{example.group}"
            examples.append(replace(example, key=name, group=group, split=split))
        troubles += [(f"{part.name}/{name}", why) for name, why in opened.troubles]
    return Collection(title_of(path), path, tuple(examples), tuple(troubles))


def _from_folder(path: Path, images: Path | None) -> Collection:
    pairs = pairs_in(path) if images is None else pairs_of(path, images)
    troubles = [(name, "there is no label image of this name") for name in pairs.unpaired_images]
    troubles += [(name, "there is no image of this name") for name in pairs.unpaired_labels]
    troubles += pairs.doubtful
    found: list[_Listed] = [(pair, pair.name, None) for pair in pairs.found]
    return _collected(path, found, troubles)


def _from_list(path: Path, images: Path | None) -> Collection:
    pairs: list[_Listed] = []
    for number, row in _rows(path):
        split = row.get("split", "").lower()
        if split and split not in SPLIT_FOLDERS:
            raise InputError(f"Line {number} of {path}: split is train or val, not {split!r}.")
        if not (row["image"] and row["labels"]):
            raise InputError(f"Line {number} of {path} must name an image and its labels.")
        image = listed_path(images or path.parent, row["image"])
        labels = listed_path(path.parent, row["labels"])
        group = row.get("group") or row["image"]
        pairs.append((Pair(image, labels, image.name), group, SPLIT_FOLDERS.get(split)))
    return _collected(path.parent, pairs, [])


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of each line of a list, by the names of the columns in lower case.

    Cells are divided by commas, semicolons or tabs, whatever the first line has most of; names that
    folders of images and labels may have will do for the columns.
    """
    try:
        text = read_text(path)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        rows = StringIO(text, newline="")
        columns, *lines = csv.reader(rows, delimiter=delimiter, skipinitialspace=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except ValueError:
        columns, lines = [], []
    names = [name.strip().lower() for name in columns]
    for wanted, others in (("image", IMAGE_FOLDERS), ("labels", LABEL_FOLDERS)):
        if wanted not in names:
            names = [wanted if name in others else name for name in names]
    if not {"image", "labels"} <= set(names):
        found = ", ".join(columns) or "none"
        raise InputError(f"{path} needs the columns image and labels; it has {found}.")
    for number, cells in enumerate(lines, start=2):
        if any(cell.strip() for cell in cells):
            padded = [cell.strip() for cell in cells] + [""] * len(names)
            yield number, dict(zip(names, padded, strict=False))


def _from_coco(path: Path, images: Path | None) -> Collection:
    dataset = coco_json(path, images)

    def painted(picture: Picture) -> NDArray[np.int32]:
        truths = [item.truth() for item in sorted(picture.objects(), key=lambda item: -item.area)]
        labels = np.zeros(truths[0].shape if truths else picture.image().shape[:2], np.int32)
        for number, truth in enumerate(truths, start=1):
            labels[truth == 1] = number  # small ones last, so that none is hidden
        return labels

    examples = tuple(
        Example(item.key, item.key, None, item.image, partial(painted, item), item.doubt)
        for item in dataset.pictures
    )
    return Collection(dataset.name, path, examples)


def _collected(
    path: Path, pairs: Iterable[_Listed], troubles: Iterable[tuple[str, str]]
) -> Collection:
    examples: list[Example] = []
    troubles = list(troubles)
    for pair, group, split in pairs:
        try:
            examples += _examples(pair, group, split)
        except CfrIclError as error:
            troubles.append((pair.labels.name, str(error)))
    return Collection(title_of(path), path, tuple(examples), tuple(troubles))


def _examples(pair: Pair, group: str, split: Split | None) -> Iterator[Example]:
    shape = label_shape(pair.labels)
    for index in np.ndindex(shape[:-2]):
        yield Example(
            pair.name + "".join(f"[{i}]" for i in index),
            group,
            split,
            partial(image_plane, pair.image, shape, index),
            partial(_ids, pair.labels, index),
            partial(orientation_doubt, pair.image, shape),
        )


def _ids(path: Path, index: tuple[int, ...]) -> NDArray[np.int32]:
    """Labels as training needs them: int32, (rows, columns), -1 for all ids below 0.

    Ids too large for that, such as hashes and times, get the lowest numbers that are free.
    """
    labels = label_plane(path, index)
    if labels.dtype.kind == "i":
        labels = np.maximum(labels, UNKNOWN)
    large = labels > np.iinfo(np.int32).max
    narrow = np.where(large, 0, labels).astype(np.int32)
    if large.any():
        ids, numbers = np.unique(labels[large], return_inverse=True)
        taken = np.unique(narrow)
        free = np.setdiff1d(np.arange(1, len(ids) + len(taken) + 1), taken)
        narrow[large] = free[numbers]
    return narrow
