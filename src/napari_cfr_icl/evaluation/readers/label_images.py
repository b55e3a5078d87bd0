"""Your own data: images and label images of the same names, one object per id."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from napari_cfr_icl._errors import ImageError, InputError, MaskError
from napari_cfr_icl.evaluation.dataset import Dataset, Picture, TrueObject, objects_of_labels
from napari_cfr_icl.evaluation.readers.files import title_of
from napari_cfr_icl.evaluation.readers.images import SUFFIXES, read_labels, read_pixels, shape_of
from napari_cfr_icl.evaluation.readers.zarr_folders import is_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
LABEL_FOLDERS = ("labels", "label", "masks", "mask", "gt")
LABEL_ENDINGS = ("", "_labels", "_label", "_masks", "_mask", "_gt")
"""What may follow the image's name in the name of its label image."""


def label_images(root: Path, ignored_id: int | None = None) -> Dataset:
    """Images with label images, in two folders or side by side.

    Parameters
    ----------
    root : Path
        A folder with `images` and `labels` (or another of `IMAGE_FOLDERS` and `LABEL_FOLDERS`), or
        with NAME.tif and NAME_labels.tif (or another of `LABEL_ENDINGS`) side by side.
    ignored_id : int, optional
        Id of the pixels that count neither as object nor as background.

    Returns
    -------
    Dataset
        Every plane of a stack of labels is a picture of its own.

    Raises
    ------
    InputError
        When the layout is none of these, or an image lacks its label image.
    """
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.")
    return Dataset(
        title_of(root),
        root,
        [
            picture
            for image, labels in _pairs(root)
            for picture in _pictures(image, labels, ignored_id)
        ],
    )


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    images, labels = _first(root, IMAGE_FOLDERS), _first(root, LABEL_FOLDERS)
    if images is None or labels is None:
        return _pairs_side_by_side(root)
    by_stem = {path.stem: path for path in _readable(labels)}
    pairs = []
    for image in _readable(images):
        found = [by_stem[name] for name in _label_names(image) if name in by_stem]
        if not found:
            raise InputError(f"There is no label image for {image.name!r} in {labels}.")
        pairs.append((image, found[0]))
    if not pairs:
        raise InputError(f"There are no images in {images}.")
    return pairs


def _pairs_side_by_side(root: Path) -> list[tuple[Path, Path]]:
    by_stem = {path.stem: path for path in _readable(root)}
    pairs = [
        (image, by_stem[name])
        for image in by_stem.values()
        for name in _label_names(image)[1:]
        if name in by_stem
    ]
    if not pairs:
        raise InputError(
            f"{root} holds neither the folders 'images' and 'labels' nor pairs such as NAME.tif "
            "and NAME_labels.tif."
        )
    return pairs


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _readable(place: Path) -> list[Path]:
    return [
        path
        for path in sorted(place.iterdir())
        if not path.name.startswith(".") and (path.suffix.lower() in SUFFIXES or is_zarr(path))
    ]


def _label_names(image: Path) -> list[str]:
    return [image.stem + ending for ending in LABEL_ENDINGS]


def _pictures(image: Path, labels: Path, ignored_id: int | None) -> list[Picture]:
    try:
        shape = _without_single_axes(shape_of(labels))
    except ImageError as error:
        return [_unreadable(image, error)]
    return [
        Picture(
            image.name + "".join(f"[{i}]" for i in index),
            partial(_image_plane, image, shape, index),
            partial(_objects, labels, index, ignored_id),
        )
        for index in np.ndindex(shape[:-2])
    ]


def _unreadable(image: Path, error: ImageError) -> Picture:
    """A picture that says what is wrong with its labels when its turn comes."""

    def read() -> NoReturn:
        raise error

    return Picture(image.name, read, read)


def _without_single_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without axes of length 1, as long as two axes are left."""
    kept = list(shape)
    while len(kept) > 2 and 1 in kept:
        kept.remove(1)
    return tuple(kept)


def _objects(path: Path, index: tuple[int, ...], ignored_id: int | None) -> list[TrueObject]:
    labels = read_labels(path)
    plane = labels.reshape(_without_single_axes(labels.shape))[index]
    if ignored_id is None:
        return objects_of_labels(plane)
    ids = [label for label in np.unique(plane).tolist() if label > 0 and label != ignored_id]
    return objects_of_labels(plane, ids, ignored=plane == ignored_id)


def _image_plane(path: Path, shape: tuple[int, ...], index: tuple[int, ...]) -> NDArray[Any]:
    pixels = read_pixels(path)
    if pixels.shape == shape:
        return np.asarray(pixels[index])
    # the last axis that the labels lack is taken for the channels: (3, rows, columns) is found too
    for axis in reversed(range(pixels.ndim)):
        if pixels.shape[:axis] + pixels.shape[axis + 1 :] == shape:
            return np.asarray(np.moveaxis(pixels, axis, -1)[index])
    squeezed = pixels.reshape(_without_single_axes(pixels.shape))
    if squeezed.shape == shape:
        return np.asarray(squeezed[index])
    raise MaskError(f"{path} has the shape {pixels.shape}, its label image {shape}.")
