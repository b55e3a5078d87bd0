"""COCO json, of COCO, LVIS, or any tool that writes it: polygons and run lengths."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as coco_masks

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.dataset import Dataset, Picture, TrueObject
from napari_cfr_icl.evaluation.datasets.folders import listed_path
from napari_cfr_icl.images.planes import image_plane

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_FARTHEST = 100
"""Sides of the image from its origin to the farthest corner that a polygon may have."""

_TRIANGLE = 6
"""Numbers in the smallest polygon: x and y of three corners."""


def coco_json(path: Path, images: Path | None = None) -> Dataset:
    """Images and objects listed in a COCO json file; crowds and boxes without masks are left out.

    Parameters
    ----------
    path : Path
        The json file.
    images : Path, optional
        The folder that its file names start from; by default it is looked for beside the json.

    Raises
    ------
    InputError
        When the file is missing or is no COCO json, or the images are not found.
    """
    listed, annotations = _read(path)
    place = images or _folder_of(path, listed)
    return Dataset(
        path.stem,
        path,
        [
            Picture(
                _file_name(image),
                partial(_pixels, place, image, path),
                partial(_objects, mine, image, path),
                partial(_boxes_alone, mine),
            )
            for image in listed
            if (mine := annotations.get(image.get("id")))
        ],
    )


def _read(path: Path) -> tuple[list[dict[str, Any]], dict[Any, list[dict[str, Any]]]]:
    try:
        content = json.loads(path.read_bytes())  # in UTF-8, 16 or 32, with or without its mark
        images: list[dict[str, Any]] = list(content["images"])
        of_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd"):
                of_image[annotation["image_id"]].append(annotation)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no COCO json: {error!r}") from error
    if not images or not of_image:
        raise InputError(f"{path} lists no images with objects.")
    return images, dict(of_image)


def _file_name(image: dict[str, Any]) -> str:
    name = image.get("file_name") or str(image.get("coco_url", "")).rpartition("/")[2]
    return str(name or f"image {image.get('id')}, which has no file name")


def _folder_of(path: Path, images: Sequence[dict[str, Any]]) -> Path:
    """The folder beside a json where its images are, though some may be missing."""
    subset, places = path.stem.rpartition("_")[2], []
    for around in (path.parent, path.parent.parent):
        places += [around, *sorted(around.glob("[Ii][Mm][Aa][Gg][Ee][Ss]"))]
    places += [place / subset for place in places]
    names = [_file_name(image) for image in images]
    for place in places:
        if any(listed_path(place, name).is_file() for name in names):
            return place
    raise InputError(f"The images of {path} are not beside it; say where they are with --images.")


def _pixels(place: Path, image: dict[str, Any], path: Path) -> NDArray[Any]:
    return image_plane(listed_path(place, _file_name(image)), _size(path, image))


def _size(path: Path, image: dict[str, Any]) -> tuple[int, int]:
    try:
        return int(image["height"]), int(image["width"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not say the size of {_file_name(image)}.") from error


def _boxes_alone(annotations: Sequence[dict[str, Any]]) -> str:
    """A sentence on the objects that have no mask; empty where all have."""
    count = sum(not annotation.get("segmentation") for annotation in annotations)
    return f"{count} of {len(annotations)} objects have a box only: left out" if count else ""


def _objects(
    annotations: Sequence[dict[str, Any]], image: dict[str, Any], path: Path
) -> list[TrueObject]:
    objects, size = [], _size(path, image)
    if doubt := _boxes_alone(annotations):
        _log.warning("%s, %s: %s.", path, _file_name(image), doubt)
    # Where there is no mask at all, the picture cannot be used, and its first object says why.
    for annotation in [a for a in annotations if a.get("segmentation")] or annotations:
        runs = run_lengths(annotation, size)
        truth = partial(_mask, runs, size)
        objects.append(TrueObject(str(annotation["id"]), sum(runs[1::2]), truth))
    return objects


def run_lengths(annotation: dict[str, Any], size: tuple[int, int]) -> list[int]:
    """The mask of one annotation as lengths of runs of background and object in turn.

    Runs go down the columns, as COCO counts them.

    Raises
    ------
    InputError
        When its segmentation is neither polygons nor run lengths of the image's `size`.
    """
    segmentation: Any = annotation.get("segmentation")
    try:
        if isinstance(segmentation, list):
            # the rule by which polygons become pixels is COCO's own
            polygons = _polygons(segmentation, farthest=_FARTHEST * max(size))
            merged: Any = coco_masks.merge(coco_masks.frPyObjects(polygons, *size))
            runs = _unpacked(merged["counts"])
        elif isinstance(segmentation["counts"], list):
            runs = [int(count) for count in segmentation["counts"]]
        else:
            runs = _unpacked(segmentation["counts"].encode())
    except (TypeError, AttributeError, KeyError, ValueError, IndexError) as error:
        raise InputError(f"Annotation {annotation.get('id')} has no usable mask.") from error
    own_size = size if isinstance(segmentation, list) else tuple(segmentation.get("size", size))
    if own_size != size or sum(runs) != size[0] * size[1] or min(runs) < 0:
        raise InputError(f"The mask of annotation {annotation.get('id')} does not fit its image.")
    return runs


def _polygons(segmentation: Sequence[Any], farthest: float) -> list[Any]:
    """The polygons that enclose something.

    COCO's own code takes four numbers for the sides of a box, and fewer for no input at all, and
    walks along every edge, however far it leads.
    """
    polygons = [[float(number) for number in polygon] for polygon in segmentation]
    enclosing = [polygon for polygon in polygons if len(polygon) >= _TRIANGLE]
    if not enclosing or any(len(polygon) % 2 for polygon in enclosing):
        raise ValueError("no polygon of at least three corners")
    if not all(abs(number) <= farthest for polygon in enclosing for number in polygon):
        raise ValueError("a corner that is far away, or nowhere")
    return enclosing


def _unpacked(packed: bytes) -> list[int]:
    """Run lengths from COCO's text form: 5 bits in each character, lowest first, then differences.

    Bit 5 of a character says that the number goes on, bit 4 of its last one is the sign. From the
    fourth number on, the difference to the number two before is written.
    """
    runs: list[int] = []
    number = bits = 0
    for character in packed:
        chunk = character - ord("0")
        number |= (chunk & 0x1F) << bits
        bits += 5
        if chunk & 0x20:
            continue
        if chunk & 0x10:
            number -= 1 << bits
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = bits = 0
    return runs


def _mask(runs: Sequence[int], size: tuple[int, int]) -> NDArray[np.int8]:
    values = np.arange(len(runs), dtype=np.int8) % 2
    return np.repeat(values, runs).reshape(size, order="F")
