"""Predictions: immutable results, from which a next call can continue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.engine.refine import StepTrace, StopReason


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The mask of one object after one pass of the network.

    Pass it to the next call as `previous` to continue the object. It is immutable, so a list of
    predictions is an undo history.

    Parameters
    ----------
    probabilities : Patch
        float32, 0 to 1, in image resolution; zero outside the patch.
    zoomed : Window or None
        The network's window in image pixels; None for the whole image unzoomed.
    trace : tuple of StepTrace
        The passes of the inner loop since the click, oldest first.
    stopped : {"running", "limit", "converged", "refused"}
        Whether and why the inner loop has ended.
    mask_threshold : float
        Probability above which a pixel belongs to the object.
    fed_back : Patch or None
        The next input of the network instead of `probabilities`.
    rough : Patch or None
        The `prompts.rough_mask.RoughMask` that the object began with.
    """

    probabilities: Patch
    zoomed: Window | None
    trace: tuple[StepTrace, ...]
    stopped: StopReason
    mask_threshold: float
    fed_back: Patch | None = None
    rough: Patch | None = None

    @property
    def passes(self) -> int:
        """Number of passes through the network since the click."""
        return len(self.trace)

    def mask(self, threshold: float | None = None) -> Patch:
        """The object as a patch of bool; another threshold needs no new pass."""
        return self.probabilities.threshold(self.mask_threshold if threshold is None else threshold)

    def with_feedback(self, mask: Patch | NDArray[Any]) -> Prediction:
        """Feed `mask` back next instead of the prediction's own; the window stays.

        The published program's window does this at every click once a mask was loaded into it.

        Parameters
        ----------
        mask : Patch or ndarray, shape (rows, columns)
            Probabilities 0 to 1, or a mask of 0 and 1, of the whole image.

        Raises
        ------
        MaskError
            When the mask does not fit the image.
        """
        return replace(self, fed_back=as_feedback(mask, self.probabilities.image_shape))


def as_feedback(mask: Patch | NDArray[Any], image_shape: tuple[int, int]) -> Patch:
    """A given mask as probabilities.

    Parameters
    ----------
    mask : Patch or ndarray, shape (rows, columns)
        bool, 0 and 1, or probabilities 0 to 1. Integers other than 0 count as object.
    image_shape : tuple of int
        (rows, columns) that it has to fit.

    Returns
    -------
    Patch
        float32, 0 to 1.

    Raises
    ------
    MaskError
        When the shape is another, or values are not finite or not between 0 and 1.
    """
    patch = mask if isinstance(mask, Patch) else _full_patch(np.asarray(mask))
    if patch.image_shape != tuple(image_shape):
        raise MaskError(
            f"The mask is {patch.image_shape[0]} x {patch.image_shape[1]} pixels, the image "
            f"{image_shape[0]} x {image_shape[1]}; both must be of one size."
        )
    values = patch.values
    if values.dtype.kind in "bui":
        return Patch((values != 0).astype(np.float32), patch.window, patch.image_shape)
    if values.dtype.kind != "f":
        raise MaskError(f"A mask must hold numbers, not {values.dtype}.")
    # NaN fails this comparison too.
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise MaskError("A mask of decimals must hold probabilities from 0 to 1.")
    return Patch(values.astype(np.float32, copy=False), patch.window, patch.image_shape)


def _full_patch(mask: NDArray[Any]) -> Patch:
    if mask.ndim != 2 or mask.size == 0:
        raise MaskError(f"A mask needs (rows, columns), not the shape {mask.shape}.")
    return Patch.from_full(mask)
