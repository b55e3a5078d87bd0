"""The predictor: from image, clicks and the previous mask to refined masks, pass by pass.

Results depend on no state between calls: all that is needed to continue an object is in the
`Prediction` that the caller passes back. Use a predictor from one thread only.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from napari_cfr_icl._errors import ClickError, DeviceError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.passes import Passes
from napari_cfr_icl.engine.prediction import Prediction, as_feedback
from napari_cfr_icl.engine.prompts.anchor import anchored
from napari_cfr_icl.engine.prompts.rough_mask import BoxMask, RoughMask
from napari_cfr_icl.engine.refine import refine
from napari_cfr_icl.engine.runtime.network import Network
from napari_cfr_icl.engine.settings import Refinement, Settings
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_cfr_icl.engine.models import ClickModel


Previous = Prediction | Patch | NDArray[Any] | None

FORKED = (
    "This process was forked from the one that loaded the network and lacks its threads: start the "
    "pool with multiprocessing's method 'spawn', or call torch.set_num_threads(1) in each process."
)


class Predictor:
    """Predicts masks from clicks with one network.

    Parameters
    ----------
    model : ClickModel
        A click model as `napari_cfr_icl.zoo.load` returns it.
    settings : Settings, optional
        By default the `interactive` preset for this model.
    device : str, optional
        "auto" (the default), "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    DeviceError
        When this machine has no such device.
    """

    def __init__(
        self, model: ClickModel, settings: Settings | None = None, device: str = "auto"
    ) -> None:
        self._process = os.getpid()
        self.settings = settings or Settings.interactive(model)
        self.network = Network(model.choosing(self.settings.masks), device, self.settings.precision)

    def predict(
        self,
        source: Any,
        clicks: Iterable[Click],
        previous: Previous = None,
        view: Window | None = None,
    ) -> Prediction:
        """The refined mask: the last of `steps`, which describes parameters and errors."""
        *_, last = self.steps(source, clicks, previous, view)
        return last

    def steps(
        self,
        source: Any,
        clicks: Iterable[Click],
        previous: Previous = None,
        view: Window | None = None,
    ) -> Iterator[Prediction]:
        """Run the network and its inner loop for the newest click, yielding after every pass.

        Parameters
        ----------
        source : array-like or list of array-like or ImageSource
            (rows, columns) or (rows, columns, channels); a list is a pyramid, finest first.
        clicks : iterable of Click
            All clicks of the object so far, oldest first, in pixels of the image. None are needed
            when a previous mask is given.
        previous : Prediction or Patch or ndarray, optional
            The object's last prediction; or a mask from elsewhere to correct, (rows, columns).
        view : Window, optional
            What the user is looking at: a first click then looks no farther.

        Yields
        ------
        Prediction
            One per pass. Stop iterating to interrupt the loop between two passes.

        Raises
        ------
        ClickError
            When there is neither a click nor a previous mask, or a click lies outside the image.
        MaskError
            When the previous mask does not fit the image.
        DeviceError
            When the device runs out of memory, or in a process forked from the predictor's.
        """
        self._check_process()
        image = ImageSource.of(source)
        clicks = _checked(Clicks(clicks), image.shape, previous)
        rough = _rough_mask(previous)
        passes = self._passes(image, self._anchored(clicks, previous, image.shape), rough)
        passes.view = view
        feedback = self._continue(passes, previous)
        if rough is not None and previous is rough:
            # A network that takes boxes gets the box itself, not the ellipse in it.
            feedback = feedback if passes.box is None else None
            passes.limit = rough.limit if passes.box is None else None
        refinement, threshold = self._refinement(passes), self.settings.mask_threshold
        trace = []
        for step in refine(passes.run, feedback, passes.clicks, refinement, threshold):
            trace.append(step.trace)
            record = tuple(trace)
            yield Prediction(
                step.probabilities, passes.window, record, step.stopped, threshold, rough=rough
            )

    def _check_process(self) -> None:
        """Refuse to wait in a forked process for threads that it lacks; one thread is enough."""
        if os.getpid() != self._process and torch.get_num_threads() > 1:
            raise DeviceError(FORKED)

    def _passes(self, image: ImageSource, clicks: Clicks, rough: RoughMask | None) -> Passes:
        """The passes of a click; a box takes the place of the clicks that stand for it."""
        if not (self.network.takes_boxes and isinstance(rough, BoxMask)):
            return Passes(self.network, self.settings, image, clicks)
        others = Clicks(click for click in clicks if click not in rough.clicks)
        passes = Passes(self.network, self.settings, image, others)
        passes.box = rough.box
        return passes

    def _anchored(self, clicks: Clicks, previous: Previous, image_shape: tuple[int, int]) -> Clicks:
        """The clicks, and one on the object where the network needs one."""
        if previous is None or clicks.positives or not self.network.caches_image_features:
            return clicks
        last = previous.probabilities if isinstance(previous, Prediction) else previous
        return anchored(clicks, as_feedback(last, image_shape), self.settings.mask_threshold)

    def _refinement(self, passes: Passes) -> Refinement:
        """The inner loop; the answer to a box or lasso is refined as a first click's is."""
        refinement = self.settings.refinement
        if passes.limit is not None and self.network.caches_image_features:
            # Measured: docs/gestures.md.
            return replace(refinement, first_clicks=None)
        return refinement

    def _continue(self, passes: Passes, previous: Previous) -> Patch | None:
        """Take up the object where it was left; returns the mask to feed back."""
        zoom, image_shape = self.settings.zoom, passes.image.shape
        if previous is None:
            return None
        if isinstance(previous, Prediction):
            passes.window, passes.seen = previous.zoomed, previous.probabilities
            return previous.fed_back or as_feedback(previous.probabilities, image_shape)
        mask = as_feedback(previous, image_shape)
        if zoom is not None and zoom.follow_mask:
            passes.seen = mask
        return mask


def _rough_mask(previous: Previous) -> RoughMask | None:
    """The box or lasso that an object began with."""
    rough = previous.rough if isinstance(previous, Prediction) else previous
    return rough if isinstance(rough, RoughMask) else None


def _checked(clicks: Clicks, image_shape: tuple[int, int], previous: Previous) -> Clicks:
    if not clicks and previous is None:
        raise ClickError("There is nothing to predict from: give a click or a mask.")
    rows, cols = image_shape
    for click in clicks:
        # Pixel centres are whole numbers, so the image reaches half a pixel beyond them.
        if not (-0.5 <= click.row <= rows - 0.5 and -0.5 <= click.col <= cols - 0.5):
            raise ClickError(
                f"The click at row {click.row:g}, column {click.col:g} lies outside the image of "
                f"{rows} rows and {cols} columns."
            )
    return clicks


__all__ = ["Prediction", "Predictor"]
