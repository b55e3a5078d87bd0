"""One mask file per object: GrabCut, Berkeley, DAVIS, COCO_MVal, and folders like them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl._errors import InputError, MaskError
from napari_cfr_icl.evaluation.datasets.dataset import IGNORED, Dataset, Picture, TrueObject
from napari_cfr_icl.evaluation.datasets.folders import by_name, files_in, folder, title_of
from napari_cfr_icl.images.planes import read_photo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Decoder = Callable[[NDArray[np.uint8]], NDArray[np.int8]]

_UNSURE = 128
"""Grey value of the pixels that the annotators left open."""


def one_mask_each(
    name: str, root: Path, folders: tuple[str, str], decoder: Decoder, window_scale: float = 1.0
) -> Dataset:
    """A data set with one object in each image: a folder of images, and one of their masks."""
    images, masks = folder(root, folders[0]), folder(root, folders[1])
    mask_paths = files_in(masks)
    pictures = []
    for path in files_in(images):
        mask = by_name(mask_paths, path.name.split(".")[0], masks)
        objects = partial(_objects, [mask], decoder)
        pictures.append(Picture(path.name, partial(read_photo, path, mask), objects))
    return Dataset(name, root, pictures, window_scale)


def mask_files(root: Path) -> Dataset:
    """Any images/ with masks/ of the same names; NAME_1, NAME_2 for several objects."""
    masks = files_in(folder(root, "masks"))
    pictures = []
    for path in files_in(folder(root, "images")):
        mine = [mask for mask in masks if path.stem in (mask.stem, mask.stem.rpartition("_")[0])]
        if not mine:
            raise InputError(f"There is no mask for {path.name!r} in {root / 'masks'}.")
        objects = partial(_objects, mine, trimap)
        pictures.append(Picture(path.name, partial(read_photo, path, mine[0]), objects))
    return Dataset(title_of(root), root, pictures)


def trimap(picture: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Brighter than 128 is object, 128 ignored; the blue channel decides, as in the public code."""
    value = picture[..., 2]
    truth = (value > _UNSURE).astype(np.int8)
    truth[value == _UNSURE] = IGNORED
    return truth


def any_colour(picture: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Whatever is not black is object."""
    return np.asarray(picture.max(axis=2) > 0, np.int8)


def _objects(masks: Sequence[Path], decoder: Decoder) -> list[TrueObject]:
    truths = [decoder(read_photo(mask)) for mask in masks]
    if len({truth.shape for truth in truths}) > 1:
        raise MaskError(f"{masks[0]} and its other masks differ in size.")
    # what one file leaves open, the public code leaves open for every object of the image
    ignored = np.any([truth == IGNORED for truth in truths], axis=0)
    for truth in truths:
        truth[ignored] = IGNORED
    keys = (mask.stem for mask in masks)
    return [TrueObject.from_truth(key, truth) for key, truth in zip(keys, truths, strict=True)]
