"""Your own data: images and label images of the same names, one object per id."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.dataset import (
    Dataset,
    Picture,
    TrueObject,
    objects_of_labels,
)
from napari_cfr_icl.evaluation.datasets.folders import title_of
from napari_cfr_icl.evaluation.datasets.pairs import pairs_in, pairs_of
from napari_cfr_icl.images.planes import image_plane, label_plane, label_shape

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.evaluation.datasets.pairs import Pair, Pairs


def label_images(root: Path, ignored_id: int | None = None, images: Path | None = None) -> Dataset:
    """Images with label images: in one folder as `pairs_in` finds them, or in two.

    Parameters
    ----------
    root : Path
        The folder; of the label images alone where `images` is given.
    ignored_id : int, optional
        Id of the pixels that count neither as object nor as background; those of negative ids
        never do.
    images : Path, optional
        The folder of the images, with the names and sub-folders of the label images.

    Returns
    -------
    Dataset
        Every plane of a stack of labels is a picture of its own.

    Raises
    ------
    InputError
        When the layout is none of these, or a file lacks its partner.
    """
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.")
    pairs = _pairs(root) if images is None else _pairs_of(root, images)
    pictures = [picture for pair in pairs.found for picture in _pictures(pair, ignored_id)]
    doubtful = [_unreadable(name, InputError(f"{why}.")) for name, why in pairs.doubtful]
    return Dataset(title_of(root), root, pictures + doubtful)


def _pairs(root: Path) -> Pairs:
    pairs = pairs_in(root)
    if pairs.side_by_side and not (pairs.found or pairs.doubtful):
        raise InputError(
            f"{root} holds neither the folders 'images' and 'labels' nor pairs such as NAME.tif "
            "and NAME_labels.tif."
        )
    if pairs.unpaired_images and not pairs.side_by_side:
        raise InputError(f"There is no label image for {pairs.unpaired_images[0]!r} in {root}.")
    if not (pairs.found or pairs.doubtful):
        raise InputError(f"There are no images in {root}.")
    return pairs


def _pairs_of(labels: Path, images: Path) -> Pairs:
    pairs = pairs_of(labels, images)
    if pairs.unpaired_labels:
        raise InputError(f"There is no image for {pairs.unpaired_labels[0]!r} in {images}.")
    if not (pairs.found or pairs.doubtful):
        raise InputError(f"There are no label images in {labels}.")
    return pairs


def _pictures(pair: Pair, ignored_id: int | None) -> list[Picture]:
    try:
        shape = label_shape(pair.labels)
    except InputError as error:
        return [_unreadable(pair.name, error)]
    return [
        Picture(
            pair.name + "".join(f"[{i}]" for i in index),
            partial(image_plane, pair.image, shape, index),
            partial(_objects, pair.labels, index, ignored_id),
        )
        for index in np.ndindex(shape[:-2])
    ]


def _unreadable(name: str, error: InputError) -> Picture:
    """A picture that says what is wrong with its labels when its turn comes."""

    def read() -> NoReturn:
        raise error

    return Picture(name, read, read)


def _objects(path: Path, index: tuple[int, ...], ignored_id: int | None) -> list[TrueObject]:
    plane = label_plane(path, index)
    ids = [label for label in np.unique(plane).tolist() if label > 0 and label != ignored_id]
    return objects_of_labels(plane, ids, ignored=(plane < 0) | (plane == ignored_id))
