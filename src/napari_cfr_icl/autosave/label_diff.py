"""Changes of a label image: some pixels of a box, with their ids before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.autosave.serialization import pack_array, pack_bits, unpack_array, unpack_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LabelDiff:
    """A change of labels of any number of axes.

    Parameters
    ----------
    start : tuple of int
        First pixel of the box that holds it, along every axis.
    pixels : ndarray of bool
        Mask of the box's changed pixels.
    before, after : ndarray of int, or int
        Their ids, in the order of `pixels`; one number where it is the same for all.
    """

    start: tuple[int, ...]
    pixels: NDArray[np.bool_]
    before: NDArray[Any] | int
    after: NDArray[Any] | int

    @classmethod
    def of(
        cls, start: tuple[int, ...], pixels: NDArray[np.bool_], before: Any, after: Any
    ) -> LabelDiff:
        """The change of these pixels; values in their order, or single."""
        return cls(start, pixels, _single(before), _single(after))

    @classmethod
    def at(cls, indices: Sequence[NDArray[Any]], before: Any, after: Any) -> LabelDiff:
        """The change at these indices, one array for each axis; values fit them, or are single."""
        places = [np.ravel(index) for index in indices]
        start = tuple(int(place.min()) for place in places)
        shape = tuple(int(place.max()) - low + 1 for place, low in zip(places, start, strict=True))
        # One number for each place: quicker than an index for each axis.
        inside = np.zeros(len(places[0]), np.intp)
        for place, low, side in zip(places, start, shape, strict=True):
            inside *= side
            inside += place
            inside -= low
        pixels = np.zeros(shape, bool)
        pixels.reshape(-1)[inside] = True
        ordered = (_ordered(values, inside, pixels) for values in (before, after))
        return cls(start, pixels, *ordered)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Index of the box."""
        return tuple(
            slice(low, low + side) for low, side in zip(self.start, self.pixels.shape, strict=True)
        )

    def apply(self, labels: Any) -> None:
        """Make the change in an array, which must be large enough."""
        box = np.array(labels[self.slices])
        if box.shape != self.pixels.shape:
            raise ValueError("the change reaches beyond the labels")
        box[self.pixels] = self.after
        labels[self.slices] = box

    def holds_in(self, labels: Any, *, undone: bool) -> bool:
        """True when the array has the ids after the change, or with `undone` those before it."""
        box = np.asarray(labels[self.slices])
        return bool((box[self.pixels] == (self.before if undone else self.after)).all())

    def takes_back(self, other: LabelDiff) -> bool:
        """True when this is the exact opposite of `other`."""
        return (
            self.start == other.start
            and np.array_equal(self.pixels, other.pixels)
            and np.array_equal(self.before, other.after)
            and np.array_equal(self.after, other.before)
        )

    def reversed(self) -> LabelDiff:
        """The opposite change."""
        return LabelDiff(self.start, self.pixels, self.after, self.before)

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON, without the ids before."""
        return {
            "start": list(self.start),
            "shape": list(self.pixels.shape),
            "pixels": pack_bits(self.pixels),
            "ids": self.after if isinstance(self.after, int) else pack_array(self.after),
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> LabelDiff:
        """A change from plain data. Its ids before are unknown: it takes back no other.

        Raises
        ------
        ValueError
            When it is damaged.
        """
        pixels = unpack_bits(data["pixels"], tuple(int(side) for side in data["shape"]))
        ids = data["ids"] if isinstance(data["ids"], int) else unpack_array(data["ids"])
        return cls(tuple(int(low) for low in data["start"]), pixels, np.zeros(0, int), ids)


def _single(values: Any) -> NDArray[Any] | int:
    """The values as a list, or one number where they are all the same."""
    given = np.ravel(values)
    if given.size and (given == given[0]).all():
        return int(given[0])
    return given


def _ordered(
    values: Any, inside: NDArray[np.intp], pixels: NDArray[np.bool_]
) -> NDArray[Any] | int:
    """Values given for places, in the order of the pixels; a single one where all are the same."""
    given = _single(values)
    if isinstance(given, int):
        return given
    box = np.zeros(pixels.shape, given.dtype)
    box.reshape(-1)[inside] = given
    return box[pixels]
