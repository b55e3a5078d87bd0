"""The axes that an image's planes are stacked along: their names, and the one to walk through."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.components import Dims
from napari.layers import Image

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.exports.label_image import PIXEL
from napari_cfr_icl.gui.layers.planes import LayerPlane, data_shape
from napari_cfr_icl.images.opening import is_readable, open_image
from napari_cfr_icl.images.pixel_sizes import METRES, SECONDS, Sizes

_NAMES = {
    "t": "time", "time": "time", "frame": "time", "frames": "time",
    "z": "z", "depth": "z", "slice": "z", "slices": "z",
    "c": "channel", "ch": "channel", "channel": "channel", "channels": "channel",
    "q": "", "i": "",
}  # fmt: skip
"""Names of axes as files and people write them."""

MOST_CHANNELS = 6
"""More planes along an axis without a name are taken for a stack."""

_COLOURS = ("green", "magenta", "cyan", "red", "yellow", "blue")


@dataclass(frozen=True, slots=True)
class StackAxis:
    """An axis of an image that is not on the screen and has several planes.

    Parameters
    ----------
    axis : int
        Its number in the data.
    planes : int
        Its length.
    name : str
        "z", "time", "channel", another one that was given, or empty.
    """

    axis: int
    planes: int
    name: str

    @property
    def is_time(self) -> bool:
        """True for points in time, whose planes are frames."""
        return self.name == "time"

    @property
    def title(self) -> str:
        """Name and length for a menu."""
        return f"{self.name or f'axis {self.axis}'} ({self.planes})"


class StackAxes:
    """The axes of every image of a viewer, and the user's choice among them."""

    def __init__(self) -> None:
        self._chosen: WeakKeyDictionary[Image, int] = WeakKeyDictionary()
        self._told: WeakKeyDictionary[Image, tuple[object, str, Sizes]] = WeakKeyDictionary()

    def of(self, image: Image, plane: LayerPlane, dims: Dims) -> list[StackAxis]:
        """The axes along which planes parallel to `plane` are stacked."""
        names = self._names(image, dims)
        lengths = enumerate(data_shape(image))
        return [
            StackAxis(axis, length, names[axis])
            for axis, length in lengths
            if axis not in plane.axes and length > 1
        ]

    def chosen(self, image: Image, axes: list[StackAxis]) -> StackAxis | None:
        """The axis to walk through: as chosen, z, time, or one that holds no channels.

        Without names it is the innermost: z of (t, z, y, x); but not one as short as channels
        inside a longer one.
        """
        wanted = self._chosen.get(image)
        for axis in axes:
            if axis.axis == wanted:
                return axis
        stacked = [axis for axis in axes if axis.name != "channel"]
        named = [axis for name in ("z", "time") for axis in stacked if axis.name == name]
        longer = [axis for axis in stacked if channel_axis(axes) != axis]
        return next(iter([*named, *reversed(longer), *stacked]), None)

    def choose(self, image: Image, axis: int) -> None:
        """Walk through another axis of an image from now on."""
        self._chosen[image] = axis

    def lost_sizes(self, image: Image) -> Sizes:
        """Pixel sizes of the image's file that napari has left out; empty without any."""
        _, sizes = self._facts(image)
        is_bare = np.allclose(image.scale, 1) and all(str(unit) == PIXEL for unit in image.units)
        return sizes if is_bare and any(size != 1 for size, _ in sizes.values()) else {}

    def restore_sizes(self, image: Image) -> None:
        """Give an image the pixel sizes and the names of its file."""
        letters, sizes = self._facts(image)
        for name, value in as_placed(letters, sizes).items():
            setattr(image, name, value)

    def _names(self, image: Image, dims: Dims) -> list[str]:
        letters, _ = self._facts(image)
        # A viewer that is being closed has fewer axes already than its image.
        shown = ("",) * image.ndim + dims.axis_labels
        shown = shown[len(shown) - image.ndim :]
        said = zip(image.axis_labels, shown, letters or [""] * image.ndim, strict=True)
        return [next(filter(None, map(_name, labels)), "") for labels in said]

    def _facts(self, image: Image) -> tuple[str, Sizes]:
        """A letter for each axis of the data, or none, and pixel sizes, as the file tells."""
        known = self._told.get(image)
        if known is None or known[0] is not image.data:
            known = self._told[image] = (image.data, *_read_facts(image))
        return known[1], known[2]


def as_placed(letters: str, sizes: Sizes) -> dict[str, Any]:
    """The arguments of a layer that has the axes and the pixel sizes of its file."""
    known = [sizes.get(letter, (1.0, PIXEL)) for letter in letters]
    return {
        "axis_labels": tuple(letter.lower() for letter in letters),
        # Napari takes no units that nobody else knows.
        "units": tuple(unit if unit in METRES | SECONDS else PIXEL for _, unit in known),
        "scale": tuple(size for size, _ in known),
    }


def channel_axis(axes: list[StackAxis]) -> StackAxis | None:
    """The axis of channels: named so, or without a name and shorter than another one."""
    named = next((axis for axis in axes if axis.name == "channel"), None)
    short = [axis for axis in axes if not axis.name and axis.planes <= MOST_CHANNELS]
    longest = max((axis.planes for axis in axes), default=0)
    return named or next((axis for axis in reversed(short) if axis.planes < longest), None)


def channel_layers(image: Image, axis: int) -> list[Image]:
    """The channels of a layer that has them on a slider, as layers in its place, without units."""
    kept = [number for number in range(image.ndim) if number != axis]
    inside = [*kept, image.ndim]
    levels: Any = image.data if image.multiscale else [image.data]
    before = (slice(None),) * axis
    place = {
        "scale": image.scale[kept],
        "translate": image.translate[kept],
        "affine": np.asarray(image.affine.affine_matrix)[np.ix_(inside, inside)],
        "axis_labels": [image.axis_labels[number] for number in kept],
    }
    channels = []
    for number in range(data_shape(image)[axis]):
        own = [level[(*before, number)] for level in levels]
        layer = Image(
            own if image.multiscale else own[0],
            multiscale=image.multiscale,
            name=f"{image.name} [{number}]",
            colormap=_COLOURS[number % len(_COLOURS)],
            blending="additive" if number else "translucent_no_depth",
            metadata=dict(image.metadata),
            **place,
        )
        channels.append(layer)
    return channels


def _name(label: str) -> str:
    """Name of an axis; empty for a number, and for a name that napari made up."""
    said = label.strip().lower()
    is_napari_own = said.startswith("axis ") or said.lstrip("-").isdigit()
    return "" if is_napari_own else _NAMES.get(said, said)


def _read_facts(image: Image) -> tuple[str, Sizes]:
    path = image.source.path
    if path is None or not Path(path).exists() or not is_readable(Path(path)):
        return "", {}
    with suppress(CfrIclError, OSError):
        file = open_image(Path(path))
        # Napari leaves out axes of one plane.
        full = list(zip(file.axes, file.shape, strict=False))
        for pairs in (full, [pair for pair in full if pair[1] > 1]):
            if tuple(length for _, length in pairs) == data_shape(image):
                return "".join(letter for letter, _ in pairs), dict(file.sizes)
    return "", {}
