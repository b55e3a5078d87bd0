"""SBD, the Semantic Boundaries Dataset: img/, inst/*.mat, train.txt and val.txt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.evaluation.datasets.dataset import (
    Dataset,
    Picture,
    TrueObject,
    objects_of_labels,
)
from napari_cfr_icl.evaluation.datasets.folders import folder, names_in
from napari_cfr_icl.images.planes import read_photo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LEAST_FILL = 0.08
"""Share of its box below which the public code calls a training object a flawed annotation."""


def sbd(root: Path, split: str = "val") -> Dataset:
    """SBD.

    Parameters
    ----------
    root : Path
        The folder `dataset` of the archive, or the one around it.
    split : {"val", "train"}, optional
        Evaluation takes every object; training leaves flawed annotations out.
    """
    if (root / "dataset").is_dir():
        root = root / "dataset"
    images, instances = folder(root, "img"), folder(root, "inst")
    return Dataset(
        "SBD" if split == "val" else f"SBD {split}",
        root,
        [
            Picture(
                name,
                partial(read_photo, images / f"{name}.jpg"),
                partial(_objects, instances / f"{name}.mat", split == "train"),
            )
            for name in names_in(root / f"{split}.txt")
        ],
    )


def _objects(path: Path, without_flawed: bool) -> list[TrueObject]:
    labels = read_instances(path)
    objects = objects_of_labels(labels)
    if not without_flawed:
        return objects
    from scipy.ndimage import find_objects  # Here: whoever asks for help need not wait for it.

    boxes = find_objects(labels)
    return [item for item in objects if item.area >= _LEAST_FILL * _size(boxes[int(item.key) - 1])]


def read_instances(path: Path) -> NDArray[np.int32]:
    """The instance ids of one image, (rows, columns).

    Raises
    ------
    InputError
        When the file is missing or holds no `GTinst.Segmentation`.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["GTinst"])
        labels = content["GTinst"]["Segmentation"][0, 0]
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (ValueError, KeyError, TypeError, IndexError, NotImplementedError, OSError) as error:
        raise InputError(f"{path} holds no instances of SBD: {error}") from error
    return np.asarray(labels, np.int32)


def _size(box: tuple[slice, ...] | None) -> int:
    return int(np.prod([side.stop - side.start for side in box or ()]))
