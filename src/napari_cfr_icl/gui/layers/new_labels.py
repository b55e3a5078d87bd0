"""New labels layers: in memory, on the disk where they are large, of a part of a huge plane."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._paths import data_folder
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.gui.layers.click_layer import TAG
from napari_cfr_icl.gui.layers.placement import data_to_world, transform_of
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.gui.layers.preview import unlike_preview

LABEL_TYPE = np.uint16
"""Enough ids for a field of cells, and every other program reads it."""

MOST_IN_MEMORY = 1 << 31
"""Bytes of the largest labels that are kept in memory."""

MOST_DRAWN = 1 << 28
"""Pixels of the largest plane of labels: napari draws planes as a whole, or cannot edit them."""

PART_SIDE = 4096
"""Rows and columns of labels that cover a part of a larger plane."""

CHUNK = 512

PART = "cfr_icl_part"
"""In a layer's metadata: it covers a part of the image's planes."""


def is_large(image: Image) -> bool:
    """True for an image whose labels would not be kept in memory."""
    return _size(data_shape(image)) > MOST_IN_MEMORY


def is_drawable(plane: LayerPlane) -> bool:
    """True for a plane that one labels layer can cover."""
    return plane.shape[0] * plane.shape[1] <= MOST_DRAWN


def empty_labels(
    image: Image, plane: LayerPlane | None = None, part: Window | None = None
) -> Labels:
    """An empty labels layer on an image.

    Parameters
    ----------
    image : napari.layers.Image
        The image.
    plane : LayerPlane, optional
        One of its planes, where the layer is to cover a part of the planes parallel to it.
    part : Window, optional
        That part.

    Raises
    ------
    OutputError
        When there is no room for it.
    """
    shape, placed = list(data_shape(image)), transform_of(image)
    metadata: dict[str, Any] = {TAG: "objects"}
    if plane is not None and part is not None:
        for axis, side in zip(plane.axes, part.shape, strict=True):
            shape[axis] = side
        start = np.zeros(image.ndim)
        start[list(plane.axes)] = part.top, part.left
        placed = {"affine": data_to_world(image, start), "units": image.units}
        metadata[PART] = True
    data = _array(tuple(shape), image.name)
    if (folder := folder_of(data)) is not None:
        metadata[TAG + "_folder"] = str(folder)
    return Labels(data, name="objects", colormap=unlike_preview(), metadata=metadata, **placed)


def part_around(mask: Window, plane: LayerPlane) -> Window:
    """The part of a plane that a labels layer for this mask covers."""
    sides = zip((mask.top, mask.left), mask.shape, plane.shape, strict=True)
    (top, height), (left, width) = (_stretched(*side) for side in sides)
    return Window(top, left, height, width)


def part_reaches(layer: Labels, mask: Window, image: Image, plane: LayerPlane) -> bool:
    """False for a mask on a plane outside labels of ours that cover a part of it."""
    if PART not in layer.metadata:
        return True
    corners = [(mask.top, mask.left), (mask.bottom - 1, mask.right - 1)]
    worlds = (image.data_to_world(plane.coordinates(*corner)) for corner in corners)
    places = [np.rint(layer.world_to_data(world)) for world in worlds]
    return all((place >= 0).all() and (place < data_shape(layer)).all() for place in places)


def folder_of(data: Any) -> Path | None:
    """The folder of labels that are kept on the disk."""
    root = getattr(getattr(data, "store", None), "root", None)
    return None if root is None else Path(root)


def stored_chunks(data: Any) -> list[tuple[slice, ...]] | None:
    """The parts of a Zarr array in a folder that were ever written; None for other arrays.

    A chunk that is missing is empty; its name says where it lies: c/0/3/7, or 0.3.7 in older ones.
    """
    root, sides = folder_of(data), getattr(data, "chunks", None)
    if root is None or sides is None or getattr(data, "shards", None) or data.fill_value:
        return None
    inside = root / data.path
    names = (path.relative_to(inside).as_posix() for path in inside.rglob("*"))
    places = (re.findall(r"\d+", name) for name in names if re.fullmatch(r"[c/.\d]+", name))
    return [
        tuple(
            slice(int(i) * side, (int(i) + 1) * side) for i, side in zip(place, sides, strict=True)
        )
        for place in places
        if len(place) == data.ndim
    ]


def move_labels(layer: Labels, folder: Path) -> None:
    """Keep labels that are on the disk in another folder from now on.

    Raises
    ------
    OutputError
        When they cannot be written there; they stay where they were then.
    """
    import shutil

    import zarr

    there = folder_of(layer.data)
    if there is None:
        return
    try:
        moved = shutil.move(there, folder / there.name)
        layer.data = zarr.open_array(moved, mode="r+")
    except (OSError, shutil.Error) as error:
        raise OutputError(f"The labels cannot be kept in {folder}: {error}.") from error
    layer.metadata[TAG + "_folder"] = str(moved)


def _array(shape: tuple[int, ...], name: str) -> Any:
    size = _size(shape)
    if size <= MOST_IN_MEMORY:
        return np.zeros(shape, LABEL_TYPE)
    try:
        import zarr
    except ImportError as error:
        raise OutputError(
            f"Labels of this image would take {size / 2**30:.0f} GiB. To keep them on the disk "
            "needs the package zarr: pip install zarr."
        ) from error
    words = "".join(letter if letter.isalnum() else "-" for letter in name)[:40]
    folder = data_folder() / "labels" / f"{words}-{datetime.now():%Y%m%d-%H%M%S-%f}.zarr"
    chunks = (1,) * (len(shape) - 2) + tuple(min(side, CHUNK) for side in shape[-2:])
    try:
        return zarr.create_array(folder, shape=shape, dtype=LABEL_TYPE, chunks=chunks)
    except OSError as error:
        raise OutputError(f"Labels cannot be kept in {folder.parent}: {error}.") from error


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(LABEL_TYPE).itemsize


def _stretched(start: int, side: int, limit: int) -> tuple[int, int]:
    length = min(limit, max(side, PART_SIDE))
    return max(0, min(start + side // 2 - length // 2, limit - length)), length
