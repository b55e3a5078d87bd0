"""Labels with their metadata for other programs: scale, units, axes, the image's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.images.pixel_sizes import METRES, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_cfr_icl.images.pixel_sizes import Sizes

LEADING_AXES = "QTZ"
"""Letters of the axes before rows and columns, the last ones first used."""

PIXEL = "pixel"
"""The unit where nobody has said one."""

_NAMED = {"t": "T", "time": "T", "z": "Z", "depth": "Z", "c": "C", "channel": "C"}

MOST_SLICES = 1 << 20
"""Up to this id a table of boxes is made by id; beyond it ids are numbered anew first."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelImage:
    """Finished objects of an image.

    Parameters
    ----------
    labels : ndarray of int, shape (..., rows, columns)
        Ids, 0 is background; leading axes are planes of a stack.
    image_name : str
        Name of the image's file, for formats that refer to it.
    scale : tuple of float
        Size of a pixel along each axis; all 1 where nobody has said.
    units : tuple of str
        Unit of each of them, such as "µm"; "pixel" where nobody has said.
    names : tuple of str
        What the axes are called; T, time, Z, C and the like are understood.
    """

    labels: NDArray[Any]
    image_name: str = "image"
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def sized(cls, labels: NDArray[Any], image_name: str, axes: str, sizes: Sizes) -> LabelImage:
        """Labels with the pixel sizes of their image, as its file tells them.

        Parameters
        ----------
        labels : ndarray of int, shape (..., rows, columns)
            Ids.
        image_name : str
            Name of the image's file.
        axes : str
            A letter for each axis of `labels`.
        sizes : dict
            Size and unit by letter.
        """
        known = [sizes.get(letter, (1.0, PIXEL)) for letter in axes]
        scale, units = zip(*known, strict=True)
        return cls(labels, image_name, scale, units, tuple(axes))

    def __post_init__(self) -> None:
        if self.labels.ndim < 2 or self.labels.dtype.kind not in "ui":
            raise ValueError("labels are whole numbers of (..., rows, columns)")
        for name, default in (("scale", 1.0), ("units", PIXEL), ("names", "")):
            given = getattr(self, name) or (default,) * self.labels.ndim
            if len(given) != self.labels.ndim:
                raise ValueError(f"{name} needs one value for each axis")
            object.__setattr__(self, name, tuple(given))

    @property
    def axes(self) -> str:
        """One letter for each axis: Y and X, before them as named, by their units, or Z, T and Q.

        Raises
        ------
        OutputError
            When there are more axes than that.
        """
        leading = self.labels.ndim - 2
        if leading > len(LEADING_AXES):
            raise OutputError(
                f"Labels of {self.labels.ndim} axes cannot be written in this format: choose COCO "
                "(.json), or export some of the planes."
            )
        said = [_letter(*each) for each in zip(self.names, self.units, strict=True)][:-2]
        kept = [letter if said.count(letter) == 1 else "" for letter in said]
        free = [letter for letter in reversed(LEADING_AXES) if letter not in kept]
        letters = [letter or free.pop(0) for letter in reversed(kept)]
        return "".join(reversed(letters)) + "YX"

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.labels.shape[-2], self.labels.shape[-1]

    def planes(self) -> Iterator[tuple[int, ...]]:
        """The index of every plane; one empty index for an image of two axes."""
        return np.ndindex(*self.labels.shape[:-2])

    def named(self, index: tuple[int, ...]) -> dict[str, int]:
        """An index of a plane with the letters of its axes."""
        return dict(zip(self.axes, index, strict=False))

    def objects(self, index: tuple[int, ...]) -> Iterator[tuple[int, Patch]]:
        """Every object of a plane by rising id: the id, and a patch of bool that just holds it."""
        plane = self.labels[index]
        ids = np.arange(1, MOST_SLICES)
        numbered = plane
        if plane.size and not 0 <= plane.min() <= plane.max() < MOST_SLICES:
            ids = np.unique(plane[plane > 0])
            numbered = np.where(plane > 0, np.searchsorted(ids, plane) + 1, 0)
        for number, found in enumerate(ndimage.find_objects(numbered), start=1):
            if found is not None:
                rows, cols = found
                box = Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
                yield int(ids[number - 1]), Patch(numbered[found] == number, box, self.plane_shape)


def _letter(name: str, unit: str) -> str:
    """The letter of an axis of this name and unit; empty where neither tells."""
    by_unit = "T" if unit in SECONDS else "Z" if unit in METRES else ""
    return _NAMED.get(name.lower(), by_unit)
