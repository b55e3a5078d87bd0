"""Pascal VOC 2012: JPEGImages/, SegmentationObject/ and ImageSets/Segmentation/."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.evaluation.datasets.dataset import (
    Dataset,
    Picture,
    TrueObject,
    objects_of_labels,
)
from napari_cfr_icl.evaluation.datasets.folders import folder, names_in
from napari_cfr_icl.images.photos import read_indices
from napari_cfr_icl.images.planes import read_photo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_VOID = 255
_VOID_GREY = 220
# Red, green and blue in an 8-bit grey value, in units of 2**-14, as OpenCV weighs them.
_GREY_WEIGHTS = np.array([4899, 9617, 1868])
_GREY_SHIFT = 14


def pascal_voc(root: Path, split: str = "val", merge_equal_greys: bool = False) -> Dataset:
    """Pascal VOC.

    Parameters
    ----------
    root : Path
        The folder VOC2012, or one that holds it.
    split : str, optional
        Name of a list in ImageSets/Segmentation.
    merge_equal_greys : bool, optional
        Tell objects apart by the grey value of their colour, as the public code does, which merges
        objects of crowded images (1 and 16, 3 and 18, ...). For comparison only.
    """
    for inner in ("VOC2012", "VOCdevkit/VOC2012"):
        if (root / inner).is_dir():
            root = root / inner
    images, masks = folder(root, "JPEGImages"), folder(root, "SegmentationObject")
    return Dataset(
        "PascalVOC" if split == "val" else f"PascalVOC {split}",
        root,
        [
            Picture(
                name,
                partial(read_photo, images / f"{name}.jpg"),
                partial(_objects, masks / f"{name}.png", merge_equal_greys),
            )
            for name in names_in(root / "ImageSets" / "Segmentation" / f"{split}.txt")
        ],
    )


def _objects(path: Path, merge_equal_greys: bool) -> list[TrueObject]:
    indices, palette = read_indices(path)
    labels, void = indices, _VOID
    if merge_equal_greys:
        labels, void = grey_values(palette)[indices], _VOID_GREY
    ids = [label for label in np.unique(labels).tolist() if label not in (0, void)]
    return objects_of_labels(labels, ids, ignored=labels == void)


def grey_values(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey values of (count, 3) RGB colours, rounded as OpenCV rounds them."""
    weighed = colours.astype(np.int64) @ _GREY_WEIGHTS
    return np.asarray((weighed + (1 << (_GREY_SHIFT - 1))) >> _GREY_SHIFT, np.uint8)
