"""The formats by name, and what can be chosen about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import InputError
from napari_cfr_icl._options import Options, option
from napari_cfr_icl.evaluation.datasets.coco_json import coco_json
from napari_cfr_icl.evaluation.datasets.label_images import label_images
from napari_cfr_icl.evaluation.datasets.lvis import coco_lvis
from napari_cfr_icl.evaluation.datasets.mask_files import (
    any_colour,
    mask_files,
    one_mask_each,
    trimap,
)
from napari_cfr_icl.evaluation.datasets.pascal_voc import pascal_voc
from napari_cfr_icl.evaluation.datasets.sbd import sbd

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_cfr_icl.evaluation.datasets.dataset import Dataset, Picture, TrueObject


@dataclass(frozen=True, slots=True)
class ReaderOptions(Options):
    """The part of a data set that is read, and how."""

    split: str = option("val", "SBD, Pascal VOC, COCO+LVIS: val, train or another list.")
    min_area: int = option(
        1, "Leave out objects of fewer pixels.", (1, None), label="smallest area"
    )
    images: Path | None = option(
        None, "Folder of the images, if not beside the labels that DATASET holds."
    )
    ignored_id: int | None = option(
        None,
        "Id in label images that counts neither as object nor as background; negative ones never "
        "do.",
    )
    with_stuff: bool = option(False, "COCO+LVIS: take sky, grass and so on too.")
    merge_equal_greys: bool = option(
        False,
        "Pascal VOC: merge objects whose colours share a grey value, as the public code does.",
    )


FORMATS: dict[str, Callable[[Path, ReaderOptions], Dataset]] = {
    "grabcut": lambda path, _: one_mask_each("GrabCut", path, ("data_GT", "boundary_GT"), trimap),
    "berkeley": lambda path, _: one_mask_each("Berkeley", path, ("images", "masks"), trimap),
    # Published with windows of 672 instead of 448 pixels, 600 instead of 400.
    "davis": lambda path, _: one_mask_each("DAVIS", path, ("img", "gt"), any_colour, 1.5),
    "coco-mval": lambda path, _: one_mask_each("COCO_MVal", path, ("img", "gt"), any_colour),
    "sbd": lambda path, options: sbd(path, options.split),
    "pascal-voc": lambda path, options: pascal_voc(path, options.split, options.merge_equal_greys),
    "coco-lvis": lambda path, options: coco_lvis(path, options.split, options.with_stuff),
    "coco-json": lambda path, options: coco_json(path, options.images),
    "mask-files": lambda path, _: mask_files(path),
    "folder": lambda path, options: label_images(path, options.ignored_id, options.images),
}
"""Name on the command line -> reader."""


def open_dataset(path: Path, name: str, options: ReaderOptions | None = None) -> Dataset:
    """The data set at `path`; nothing is written there, and no picture is read yet.

    Parameters
    ----------
    path : Path
        Folder of the data set, or the json file.
    name : str
        Its format, one of `FORMATS`.
    options : ReaderOptions, optional
        What to take of it.

    Raises
    ------
    InputError
        When there is no such format, or the files are not laid out as it says.
    """
    if name not in FORMATS:
        raise InputError(f"There is no format {name!r}; choose one of {', '.join(FORMATS)}.")
    if not path.exists():
        raise InputError(f"There is no data set at {path}.")
    chosen = options or ReaderOptions()
    dataset = FORMATS[name](path, chosen)
    pictures = [
        replace(picture, objects=partial(_large_objects, picture, chosen.min_area))
        for picture in dataset.pictures
    ]
    return replace(dataset, pictures=pictures)


def _large_objects(picture: Picture, min_area: int) -> list[TrueObject]:
    return [item for item in picture.objects() if item.area >= min_area]
