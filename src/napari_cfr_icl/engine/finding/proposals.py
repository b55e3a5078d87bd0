"""Proposals: masks that the machine clicked, and the checks that they have to survive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl.engine.windows import Patch, iou

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.clicks import Click
    from napari_cfr_icl.engine.windows import Window

SURE, UNSURE = 0.7, 0.3
"""Probabilities between which the outline of an uncertain mask moves."""

MOST_OVERLAP = 0.3
"""Share of a proposal that may belong to other objects; it loses those pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """Objects that show what is to be found.

    Parameters
    ----------
    examples : sequence of Patch of bool
        Finished objects of the kind, anywhere in their image.
    rejected : sequence of Patch of bool
        Proposals that the user rejected: what looks like them is proposed no more.
    source : array-like or list of array-like or ImageSource, optional
        Their image, such as the plane before; by default the one that is searched.
    """

    examples: Sequence[Patch]
    rejected: Sequence[Patch] = ()
    source: Any = None


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """Progress of a search: the tiles that were looked at, and all of them.

    Parameters
    ----------
    done, total : int
        Numbers of tiles.
    """

    done: int
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """An object that the machine found.

    Parameters
    ----------
    mask : Patch
        Its pixels, bool.
    certainty : float
        0 to 1.
    click : Click
        The click it was made with.
    """

    mask: Patch
    certainty: float
    click: Click


@dataclass(frozen=True, slots=True)
class Shapes:
    """Sizes and shapes of the examples: logarithms of their area and of their compactness.

    Compactness is the area over the square of the longer side: 0.8 for a disk, little for a line.

    Parameters
    ----------
    typical : tuple of float
        Median of each.
    spreads : tuple of float
        Accepted deviation of each, at least 0.5.
    """

    typical: tuple[float, float]
    spreads: tuple[float, float]

    @classmethod
    def of(cls, masks: Sequence[NDArray[np.bool_]]) -> Shapes:
        """Learn from masks, (rows, columns), none of them empty."""
        values = np.array([_logarithms(mask) for mask in masks])
        area, compactness = np.median(values, axis=0)
        spreads = np.maximum(0.5, 1.5 * values.std(axis=0) + 0.3)
        return cls((float(area), float(compactness)), (float(spreads[0]), float(spreads[1])))

    @property
    def diameter(self) -> float:
        """That of a disk of the typical area, in pixels."""
        return math.sqrt(4 * math.exp(self.typical[0]) / math.pi)

    def likeness(self, mask: NDArray[np.bool_]) -> float:
        """1 for a usual size and shape, falling to 0 far from the examples'."""
        found = zip(_logarithms(mask), self.typical, self.spreads, strict=True)
        beyond = (max(0.0, abs(value - usual) / spread - 1) for value, usual, spread in found)
        return math.exp(-0.5 * sum(each**2 for each in beyond))


def certainty(
    first: NDArray[np.float32],
    refined: NDArray[np.float32],
    scores: NDArray[np.float32],
    shapes: Shapes,
) -> float:
    """The certainty of a mask, 0 to 1: a product of what speaks for it.

    Two passes agree, the outline is sharp, and look, size and shape are those of the examples.

    Parameters
    ----------
    first, refined : ndarray of float32, shape (rows, columns)
        Probabilities after the first pass and after the step of CFR that follows.
    scores : ndarray of float32, shape (rows, columns)
        `Appearance.scores` there.
    shapes : Shapes
        Of the examples.
    """
    mask = refined > 0.5
    if not mask.any():
        return 0.0
    agreement = iou(Patch.from_full(first > 0.5), Patch.from_full(mask))
    sharpness = np.count_nonzero(refined > SURE) / np.count_nonzero(refined > UNSURE)
    looks = 0.5 + 0.5 * math.tanh(float(scores[mask].mean()))
    return float(agreement * sharpness * looks * shapes.likeness(mask))


def tight(mask: Patch) -> Patch | None:
    """A mask in the smallest window that holds it; None where it is empty."""
    box = mask.bounds()
    return None if box is None else Patch(mask.read(box), box, mask.image_shape)


def drawn(masks: Iterable[Patch], window: Window) -> NDArray[np.bool_]:
    """The pixels of a window that belong to any of these masks; the window's shape."""
    pixels = np.zeros(window.shape, bool)
    for mask in masks:
        common = mask.window.intersection(window)
        if common is not None:
            pixels[common.relative_to(window).slices] |= mask.read(common)
    return pixels


def _logarithms(mask: NDArray[np.bool_]) -> tuple[float, float]:
    area = int(mask.sum())
    longer = max(np.count_nonzero(mask.any(axis=axis)) for axis in (0, 1))
    return math.log(area), math.log(area / longer**2)
