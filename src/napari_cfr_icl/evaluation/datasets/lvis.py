"""COCO+LVIS: {train,val}/images, masks as pickled layers, and hannotation.pickle."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.dataset import Dataset, Picture, TrueObject
from napari_cfr_icl.evaluation.datasets.folders import folder
from napari_cfr_icl.evaluation.datasets.safe_pickle import read_pickle
from napari_cfr_icl.images.planes import read_photo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def coco_lvis(root: Path, split: str = "val", with_stuff: bool = False) -> Dataset:
    """COCO+LVIS, the combination that the field trains on.

    Parameters
    ----------
    root : Path
        The folder that holds `train` and `val`.
    split : {"val", "train"}, optional
        Which of them.
    with_stuff : bool, optional
        Take the regions of uncountable things (sky, grass) too.
    """
    place = folder(root, split)
    images, masks = folder(place, "images"), folder(place, "masks")
    annotations = read_pickle(place / "hannotation.pickle")
    try:
        counts = {str(key): int(item["num_instance_masks"]) for key, item in annotations.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{place / 'hannotation.pickle'} holds no annotations of COCO+LVIS."
        ) from error
    return Dataset(
        f"COCO+LVIS {split}",
        root,
        [
            Picture(
                key,
                partial(read_photo, images / f"{key}.jpg"),
                partial(_objects, masks / f"{key}.pickle", None if with_stuff else count),
            )
            for key, count in counts.items()
        ],
    )


def _objects(path: Path, count: int | None) -> list[TrueObject]:
    content = read_pickle(path)
    try:
        encoded, places = content
        layers = [_decoded(layer) for layer in encoded]
        return [
            _object(str(index), layers[int(layer)], int(value))
            for index, (layer, value) in enumerate(places[:count])
        ]
    except (TypeError, ValueError, IndexError, UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path} holds no masks of COCO+LVIS: {error}") from error


def _decoded(layer: Sequence[Any]) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(bytes(layer))) as picture:
        return np.asarray(picture)


def _object(key: str, layer: NDArray[np.uint8], value: int) -> TrueObject:
    return TrueObject(key, int(np.count_nonzero(layer == value)), partial(_truth, layer, value))


def _truth(layer: NDArray[np.uint8], value: int) -> NDArray[np.int8]:
    return np.asarray(layer == value, np.int8)
