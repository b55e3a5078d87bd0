"""Fading: the part of a mask where the picture still looks like the object on its first plane.

A network that is shown a mask tends to find it again, also where the object has ended and only its
blur is left. Out of focus an object is half as bright over its background at its end, so what is
nearer to the background than to the object is cut off (measured: benchmarks/fill.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import ndimage

from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GAP, _RING = 2, 6
"""Pixels between an object and the ring that counts as its background, and the ring's width."""

_SEPARABLE = 0.85
"""Share of pixels, of object and ring alike, that must be told apart by brightness alone."""

_LEAST_LEFT = 0.2
"""Of a mask of which less than this share is left, nothing is."""

_SMOOTHING = 1.0


class _Levels(NamedTuple):
    background: float
    inside: float


@dataclass(slots=True, eq=False)
class Fading:
    """Cuts masks on other planes down to where the object has not faded. Used in one thread.

    Where brightness does not tell the object from its surroundings, masks stay as they are.

    Parameters
    ----------
    source : object
        The pixels of the plane where the object is known.
    mask : Patch of bool
        The object there; not empty.
    contrast : float
        Brightness over the background below which a pixel has faded, as a share of the object's on
        its first plane, 0 to 1; 0 cuts nothing off.
    """

    source: Any
    mask: Patch
    contrast: float
    _known: tuple[_Levels | None] | None = None

    def kept(self, source: Any, probabilities: Patch, threshold: float) -> Patch:
        """The probabilities on another plane, zero where the object has faded.

        Parameters
        ----------
        source : object
            The pixels of that plane.
        probabilities : Patch
            float32, 0 to 1.
        threshold : float
            Probability above which a pixel belongs to the object.
        """
        found = probabilities.threshold(threshold)
        bounds = found.bounds()
        levels = self._levels() if self.contrast and bounds is not None else None
        if levels is None or bounds is None:
            return probabilities
        inside = found.read(bounds)
        brightness = ndimage.gaussian_filter(_brightness(source, bounds), _SMOOTHING)
        limit = levels.background + self.contrast * (levels.inside - levels.background)
        like = (brightness > limit) == (levels.inside > levels.background)
        left = _largest_part(ndimage.binary_fill_holes(inside & like))
        if np.count_nonzero(left) < _LEAST_LEFT * np.count_nonzero(inside):
            left[:] = False
        values = probabilities.read(bounds) * left
        return Patch(values, bounds, probabilities.image_shape)

    def _levels(self) -> _Levels | None:
        if self._known is None:
            self._known = (_levels_of(self.source, self.mask),)
        return self._known[0]


def _levels_of(source: Any, mask: Patch) -> _Levels | None:
    """Brightness of background and object; None where it does not tell them apart."""
    bounds = mask.bounds()
    if bounds is None:
        return None
    reach = _GAP + _RING
    whole = Window.whole(mask.image_shape)
    window = bounds.grown(reach, reach).intersection(whole) or bounds
    inside, brightness = mask.read(window), _brightness(source, window)
    near = ndimage.binary_dilation(inside, iterations=_GAP)
    ring = ndimage.binary_dilation(inside, iterations=reach) & ~near
    if not ring.any():
        return None
    levels = _Levels(float(np.median(brightness[ring])), float(np.median(brightness[inside])))
    middle, is_brighter = sum(levels) / 2, levels.inside > levels.background
    told = np.mean((brightness[inside] > middle) == is_brighter)
    told_apart = np.mean((brightness[ring] > middle) != is_brighter)
    return levels if levels[0] != levels[1] and told + told_apart >= 2 * _SEPARABLE else None


def _brightness(source: Any, window: Window) -> NDArray[np.float32]:
    brightness: NDArray[np.float32] = source.read(window).mean(axis=-1)
    return brightness


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))  # type: ignore[no-any-return]
