"""Simulation: one object, clicked until its mask is good enough."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.prompts.prompt import Prompt
from napari_cfr_icl.evaluation.protocol.metrics import iou, noc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.predictor import Prediction, Predictor
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.protocol.options import Protocol
    from napari_cfr_icl.evaluation.protocol.simulated_users import User


@dataclass(frozen=True, slots=True)
class Simulation:
    """The outcome of one click.

    Parameters
    ----------
    click : Click
        The click.
    iou : float
        Of the mask after it, the exact value of a float32.
    passes : int
        Passes through the network that it took.
    stopped : str
        Why the inner loop ended.
    seconds : float
        Duration of the prediction.
    user_seconds : float
        Time that finding the click took.
    """

    click: Click
    iou: float
    passes: int
    stopped: str
    seconds: float
    user_seconds: float


def simulate(
    predictor: Predictor,
    image: ImageSource,
    truth: NDArray[np.int8],
    user: User,
    protocol: Protocol,
    begin: Prompt | None = None,
) -> list[Simulation]:
    """Click one object until the target or the last click is reached.

    Parameters
    ----------
    predictor : Predictor
        Under the settings to evaluate.
    image : ImageSource
        The picture.
    truth : ndarray of int8, shape (rows, columns)
        1 object, 0 background, -1 ignored.
    user : User
        Who clicks.
    protocol : Protocol
        When to stop.
    begin : Prompt, optional
        What takes the place of the first click.

    Returns
    -------
    list of Simulation
        One for each click, in order.
    """
    clicks, previous = Clicks(), None
    mask = np.zeros(truth.shape, bool)
    done: list[Simulation] = []
    for _ in range(protocol.max_clicks):
        begun = time.perf_counter()
        prompt = begin if begin is not None and not done else None
        prompt = prompt or Prompt(clicks.added(user.next_click(truth, mask, clicks)), previous)
        clicks = prompt.clicks
        chosen = time.perf_counter()
        previous = predictor.predict(image, clicks, prompt.previous, prompt.view)
        predicted = time.perf_counter()
        mask = previous.mask().full()
        quality = float(iou(truth, mask))
        done.append(
            Simulation(
                clicks[-1] if prompt is not begin else clicks[0],
                quality,
                previous.passes,
                previous.stopped,
                seconds=predicted - chosen,
                user_seconds=chosen - begun,
            )
        )
        if reached(quality, protocol):
            break
    return done


def reached(quality: float, protocol: Protocol) -> bool:
    """True where an IoU makes further clicks needless."""
    # counted as NoC counts, so that a run never stops one click before its threshold
    return noc([quality], protocol.stop_at, max_clicks=2) == 1


def replay(
    predictor: Predictor,
    image: ImageSource,
    clicks: Iterable[Click],
    begin: Prompt | None = None,
) -> Iterator[Prediction]:
    """The predictions that clicks made earlier led to, one after each click.

    With `begin` it stands for the first click.
    """
    made, previous = Clicks(), None
    for click in clicks:
        prompt = begin if begin is not None and not made else Prompt(made.added(click), previous)
        made = prompt.clicks
        previous = predictor.predict(image, made, prompt.previous, prompt.view)
        yield previous
