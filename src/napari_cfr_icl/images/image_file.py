"""An image file that was opened: its arrays, and the meaning of each axis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import ImageError, SettingsError
from napari_cfr_icl.images.orientation import STORED
from napari_cfr_icl.images.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.images.pixel_sizes import Sizes

MOST_CHANNELS = 8
"""A last axis of at most this length holds channels, where the file does not say."""

_SAMPLES, _CHANNELS = "S", "C"
_NAMELESS = frozenset("QI")  # what tifffile calls axes of which the file says nothing
_LEADING = "QTZ"


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """The arrays in an image file, read when they are indexed.

    Parameters
    ----------
    path : Path
        The file.
    levels : sequence of array-like
        The picture at falling resolutions, finest first.
    axes : str
        One letter for each axis, as far as the file tells: Y and X for rows and columns, S for
        colours, C for channels, anything else for planes. Empty where it does not.
    orientation : int
        EXIF orientation, which is not applied to the arrays; see `images.orientation`.
    note : str
        Sentences on what was assumed about the file, or is missing in it.
    sizes : dict
        Size and unit of a pixel by the letter of its axis, as far as the file tells.
    """

    path: Path
    levels: Sequence[Any]
    axes: str = ""
    orientation: int = STORED
    note: str = ""
    sizes: Sizes = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis at the finest level."""
        return tuple(self.levels[0].shape)

    @property
    def assumption(self) -> str:
        """Assumptions about the pixels, in sentences; empty if there are none."""
        if self.orientation == STORED:
            return self.note
        return f"{self.note} " * bool(self.note) + (
            f"{self.path} asks to be shown turned (EXIF orientation {self.orientation}): rows and "
            "columns are those of the stored pixels, as napari shows them."
        )

    @property
    def likely_axes(self) -> str:
        """A letter for every axis, as the file tells or guessed; empty where nobody can."""
        nameless = [axis for axis, letter in enumerate(self.axes) if letter in _NAMELESS]
        if self.channel_axis is None and (nameless or not self.axes):
            return _guessed(self.shape)
        letters = list(self.axes)
        free = [letter for letter in _LEADING if letter == "Q" or letter not in self.axes]
        for axis, letter in zip(reversed(nameless), reversed(free), strict=False):
            letters[axis] = letter
        return "".join(letters)

    def named(self, axes: str | None) -> ImageFile:
        """The same with a letter for every axis: as asked for, as the file tells, or guessed.

        Raises
        ------
        SettingsError
            When the letters asked for do not fit the file.
        ImageError
            When there is no picture in it.
        """
        if axes is None:
            letters = self.likely_axes
        else:
            letters = axes.upper()
            distinct = len(set(letters)) == len(letters)
            if len(letters) != len(self.shape) or not distinct or not {"Y", "X"} <= set(letters):
                raise SettingsError(
                    f"{axes!r} cannot be the axes of {self.path}, which are {by(self.shape)}: "
                    "give each a letter, among them Y and X, and C for channels."
                )
        if not letters and len(self.shape) > 1:
            raise ImageError(
                f"{self.path} has {len(self.shape)} axes, {by(self.shape)}: say with --axes which "
                "they are, a letter for each, among them Y and X."
            )
        if not {"Y", "X"} <= set(letters):
            raise ImageError(
                f"{self.path} holds no picture of rows and columns, but {by(self.shape)} numbers."
            )
        return replace(self, axes=letters)

    @property
    def channel_axis(self) -> int | None:
        """The axis of colours or channels; None where there is none, or the file names none."""
        letter = next((letter for letter in (_SAMPLES, _CHANNELS) if letter in self.axes), None)
        return None if letter is None else self.axes.index(letter)

    @property
    def is_photo(self) -> bool:
        """True where the channels are colours, in the order red, green, blue."""
        return _SAMPLES in self.axes

    @property
    def plane_axes(self) -> tuple[int, ...]:
        """The axes along which planes are stacked, longer than 1. Needs names."""
        drawn = {self.axes.index("Y"), self.axes.index("X"), self.channel_axis}
        return tuple(i for i, length in enumerate(self.shape) if i not in drawn and length != 1)

    def plane(self, chosen: tuple[int, ...] | None) -> Plane:
        """The plane with these numbers, one for each of `plane_axes`.

        Raises
        ------
        ImageError
            When the image is a stack and none was chosen, or has no such plane.
        """
        position = [0] * len(self.shape)
        stacked = self.plane_axes
        if stacked and chosen is None:
            raise ImageError(self._explain_stack())
        if chosen and not stacked:
            raise ImageError(f"{self.path} is a single plane, no stack: leave out --plane.")
        if len(chosen or ()) != len(stacked):
            raise ImageError(
                f"{self.path} needs {len(stacked)} numbers to choose a plane, not "
                f"{len(chosen or ())}: its axes {self.axes} are {by(self.shape)}."
            )
        for axis, number in zip(stacked, chosen or (), strict=True):
            if number >= self.shape[axis]:
                raise ImageError(
                    f"{self.path} has no plane {number} along {self.axes[axis]}: the last is "
                    f"{self.shape[axis] - 1}."
                )
            position[axis] = number
        rows, cols = self.axes.index("Y"), self.axes.index("X")
        return Plane(rows, cols, self.channel_axis, tuple(position))

    def read(self) -> NDArray[Any]:
        """A copy of all pixels; colours and channels are the last axis."""
        pixels = np.array(self.levels[0][...])
        channels = self.channel_axis
        return pixels if channels is None else np.moveaxis(pixels, channels, -1)

    def _explain_stack(self) -> str:
        stacked = self.plane_axes
        ranges = ",".join(f"0..{self.shape[axis] - 1}" for axis in stacked)
        sentence = (
            f"{self.path} is a stack: its axes {self.axes} are {by(self.shape)}. "
            f"Choose a plane with --plane {ranges}"
        )
        if self.channel_axis is None and len(stacked) == 1:
            as_channels = self.axes.replace(self.axes[stacked[0]], _CHANNELS)
            return f"{sentence}, or say --axes {as_channels} if these are channels."
        return f"{sentence}."


def _guessed(shape: tuple[int, ...]) -> str:
    """Letters for the axes of an array that nothing is known of; few last ones are channels."""
    if len(shape) >= 3 and shape[-1] <= MOST_CHANNELS and shape[-1] < min(shape[-3:-1]):
        last = _SAMPLES if shape[-1] in (3, 4) else _CHANNELS
        return _guessed(shape[:-1]) + last
    stacked = len(shape) - 2
    if not 0 <= stacked <= len(_LEADING):
        return ""
    return _LEADING[len(_LEADING) - stacked :] + "YX"


def by(shape: tuple[int, ...]) -> str:
    """A shape as people write it: "3 x 512 x 512"."""
    return " x ".join(str(length) for length in shape)
