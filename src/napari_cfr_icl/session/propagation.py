"""Propagation of an object from plane to plane: targets, limits, and reasons to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.ndimage import binary_erosion

from napari_cfr_icl._options import Options, option
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Patch, Window, iou
from napari_cfr_icl.engine.zooming import view_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.session.objects import Scene
    from napari_cfr_icl.session.protocols import LabelPlane

Reason = Literal[
    "arrived", "done", "ended", "faded", "changed", "met", "covered", "cancelled", "failed"
]
"""End of a propagation: one plane farther; the last plane reached; nothing was found; its picture
has faded; the mask changed too much; the object is there already; no pixel was free; the user's
wish; an error."""


STRENGTH = 0.5
"""Probability with which the last plane's object is fed back (measured: benchmarks/stack.py)."""

_COARSE_SIDE = 64


@dataclass(frozen=True, slots=True, eq=False)
class PlaneTarget:
    """A plane that an object is propagated to.

    Parameters
    ----------
    scene : Scene
        Its pixels.
    store : LabelPlane
        The label plane there.
    """

    scene: Scene
    store: LabelPlane


@dataclass(frozen=True, slots=True)
class Limits(Options):
    """Largest changes of an object from plane to plane; a larger one stops a fill.

    Parameters
    ----------
    least_overlap : float
        Smallest intersection over union of the two masks, 0 to 1.
    most_growth : float
        Largest ratio of their areas, in either direction, at least 1.
    least_contrast : float
        Smallest brightness over the background, as a share of that on the first plane, 0 to 1;
        0 for any. See `napari_cfr_icl.session.fading`.

    Raises
    ------
    SettingsError
        When a value is out of its range.
    """

    least_overlap: float = option(0.3, limits=(0, 1), label="smallest overlap")
    most_growth: float = option(3.0, limits=(1, None), label="largest growth")
    least_contrast: float = option(0.5, limits=(0, 1), label="smallest contrast")

    def allow(self, older: Patch, newer: Patch) -> bool:
        """True when the change between these masks (neither of them empty) is small enough."""
        a, b = (int(np.count_nonzero(mask.values)) for mask in (older, newer))
        if max(a, b) > self.most_growth * min(a, b):
            return False
        return iou(older, newer) >= self.least_overlap


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of a propagation.

    Parameters
    ----------
    reason : Reason
        Reason for its end.
    planes : int
        Number of planes that were written besides the one it began on.
    fills : bool
        True for a fill of planes, False for an object that is carried to one.
    ways : tuple of (Reason, int)
        Of a fill: reason and number of planes for each way that it went.
    """

    reason: Reason
    planes: int
    fills: bool
    ways: tuple[tuple[Reason, int], ...] = ()


def handed_on(mask: Patch) -> tuple[Clicks, Patch, Window]:
    """Input of the network on the next plane: a click, the mask to feed back, the view.

    A mask of full strength comes back nearly unchanged, and without one the network may take
    anything; so it is fed back weakened, with one click inside that the user does not see.

    Parameters
    ----------
    mask : Patch of bool
        The object on the plane before; not empty.
    """
    bounds = mask.bounds()
    if bounds is None:
        raise ValueError("an empty mask cannot be handed on")
    row, col = deepest(mask)
    weakened = mask.read(bounds).astype(np.float32) * np.float32(STRENGTH)
    previous = Patch(weakened, bounds, mask.image_shape)
    return Clicks([Click(row, col)]), previous, view_of(bounds)


def deepest(mask: Patch) -> tuple[int, int]:
    """(row, column) of a pixel of the mask that lies far from its border.

    Found on a coarse copy of a large mask, so it costs the same for any.

    Raises
    ------
    ValueError
        When the mask is empty.
    """
    bounds = mask.bounds()
    if bounds is None:
        raise ValueError("an empty mask has no inside")
    step = max(1, max(bounds.shape) // _COARSE_SIDE)
    # Pixels outside the object's box count as background.
    left: NDArray[np.bool_] = np.pad(mask.read(bounds)[::step, ::step], 1)
    if not left.any():
        left = np.pad(mask.read(bounds), 1)
        step = 1
    while (smaller := binary_erosion(left)).any():
        left = smaller
    places = np.argwhere(left)
    row, col = places[len(places) // 2] - 1
    return bounds.top + int(row) * step, bounds.left + int(col) * step
