"""Many policies on one object at little more than the cost of one.

The inner loop of a click is recorded once, step by step, only as far as some policy needs it. From
the recording every policy's stop is decided. Policies that stopped at the same mask so far see the
same next click and go on together; where they part, the later clicks have to be run for each part,
because the refined mask decides the next click and is fed back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl.engine.clicks import Clicks
from napari_cfr_icl.engine.refine import contradicts, has_converged, steps_for, stop_threshold
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.evaluation.protocol.metrics import iou
from napari_cfr_icl.evaluation.protocol.predictors import with_settings
from napari_cfr_icl.evaluation.protocol.simulate import reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.predictor import Prediction, Predictor
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.evaluation.protocol.options import Protocol
    from napari_cfr_icl.evaluation.protocol.simulated_users import User

_MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class PolicyTrial:
    """One object under one policy; one value for each click.

    Parameters
    ----------
    ious : tuple of float
        IoU after each click.
    passes : tuple of int
        Passes through the network that a run under this policy alone takes.
    """

    ious: tuple[float, ...]
    passes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """One object under all policies.

    Parameters
    ----------
    trials : tuple of PolicyTrial
        One for each policy, in their order.
    passes : int
        Passes through the network that were really made.
    loops : int
        Inner loops that were recorded.
    partings : int
        Times that policies stopped at different masks, so that later clicks could not be shared.
    """

    trials: tuple[PolicyTrial, ...]
    passes: int
    loops: int
    partings: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of an inner loop under a policy.

    Parameters
    ----------
    passes : int
        Passes made until then.
    kept : int
        Index of the step whose mask is the answer: the last, or the one before a refused step.
    """

    passes: int
    kept: int


class RecordedLoop:
    """The inner loop of one click, recorded as far as it is asked for.

    Parameters
    ----------
    predictor : Predictor
        Gives the network and everything but the inner loop.
    image : ImageSource
        The picture.
    clicks : Clicks
        All clicks so far.
    previous : Prediction or None
        The answer to the click before.
    """

    def __init__(
        self, predictor: Predictor, image: ImageSource, clicks: Clicks, previous: Prediction | None
    ) -> None:
        settings = predictor.settings
        endless = Refinement(steps=_MOST_STEPS, rezoom=settings.refinement.rezoom)
        endless_predictor = with_settings(predictor, replace(settings, refinement=endless))
        self._clicks = clicks
        self._threshold = settings.mask_threshold
        self._more = endless_predictor.steps(image, clicks, previous)
        self._steps: list[Prediction] = []
        self._refused: dict[int, bool] = {}
        self._limits: dict[tuple[int, int, float], int | None] = {}

    @property
    def passes(self) -> int:
        """Passes through the network made so far."""
        return len(self._steps)

    def stop(self, policy: Refinement) -> Stop:
        """The end of this loop under `policy`; runs further steps where it needs them."""
        self._step(0)
        steps = steps_for(policy, len(self._clicks))
        for index in range(1, steps + 1):
            if policy.guard and self._is_refused(index):
                return Stop(index + 1, index - 1)
            if self._has_converged(index, policy):
                return Stop(index + 1, index)
        self._step(steps)
        return Stop(steps + 1, steps)

    def answer(self, stop: Stop) -> Prediction:
        """The predictor's answer under a policy that stops there."""
        last, kept = self._step(stop.passes - 1), self._step(stop.kept)
        return replace(last, probabilities=kept.probabilities)

    def _step(self, index: int) -> Prediction:
        while len(self._steps) <= index:
            self._steps.append(next(self._more))
        return self._steps[index]

    def _is_refused(self, index: int) -> bool:
        if index not in self._refused:
            older, newer = self._step(index - 1), self._step(index)
            self._refused[index] = contradicts(
                newer.probabilities, older.probabilities, self._clicks, self._threshold
            )
        return self._refused[index]

    def _has_converged(self, index: int, policy: Refinement) -> bool:
        if not policy.adaptive:
            return False
        step = self._step(index)
        key = (index, policy.threshold_pixels, policy.threshold_fraction)
        if key not in self._limits:
            self._limits[key] = stop_threshold(policy, step.probabilities, self._threshold)
        return has_converged(policy, step.trace[-1].changed_pixels, self._limits[key])


class _Explorer:
    """Clicks one object under all policies, depth first: one branch's masks in memory at a time."""

    def __init__(
        self,
        predictor: Predictor,
        image: ImageSource,
        truth: NDArray[np.int8],
        user: User,
        policies: Sequence[Refinement],
        protocol: Protocol,
    ) -> None:
        self._predictor = predictor
        self._image = image
        self._truth = truth
        self._user = user
        self._policies = policies
        self._protocol = protocol
        self.ious: list[list[float]] = [[] for _ in policies]
        self.policy_passes: list[list[int]] = [[] for _ in policies]
        self.passes = self.loops = self.partings = 0

    def explore(self, clicks: Clicks, previous: Prediction | None, alive: Sequence[int]) -> None:
        """One click more for the policies `alive`, which share everything so far."""
        mask = np.zeros(self._truth.shape, bool) if previous is None else previous.mask().full()
        clicks = clicks.added(self._user.next_click(self._truth, mask, clicks))
        branches = self._branches(clicks, previous, alive)
        while branches:
            answer, members = branches.pop()
            quality = float(iou(self._truth, answer.mask().full()))
            for policy in members:
                self.ious[policy].append(quality)
            if len(clicks) < self._protocol.max_clicks and not reached(quality, self._protocol):
                self.explore(clicks, answer, members)

    def _branches(
        self, clicks: Clicks, previous: Prediction | None, alive: Sequence[int]
    ) -> list[tuple[Prediction, list[int]]]:
        """The different answers to the newest click, each with its policies."""
        loop = RecordedLoop(self._predictor, self._image, clicks, previous)
        answers: dict[tuple[object, ...], tuple[Prediction, list[int]]] = {}
        for policy in alive:
            stop = loop.stop(self._policies[policy])
            self.policy_passes[policy].append(stop.passes)
            answer = loop.answer(stop)
            _, members = answers.setdefault((stop.kept, answer.zoomed), (answer, []))
            members.append(policy)
        self.passes += loop.passes
        self.loops += 1
        self.partings += len(answers) - 1
        return list(answers.values())


def replay_policies(
    predictor: Predictor,
    image: ImageSource,
    truth: NDArray[np.int8],
    user: User,
    policies: Sequence[Refinement],
    protocol: Protocol,
) -> Replay:
    """Click one object under every policy; the same numbers as a run for each of them.

    Parameters
    ----------
    predictor : Predictor
        Gives the network and everything but the inner loop.
    image : ImageSource
        The picture.
    truth : ndarray of int8, shape (rows, columns)
        1 object, 0 background, -1 ignored.
    user : User
        Who clicks.
    policies : sequence of Refinement
        The policies; they share the predictor's `rezoom`.
    protocol : Protocol
        When to stop.
    """
    explorer = _Explorer(predictor, image, truth, user, policies, protocol)
    explorer.explore(Clicks(), None, range(len(policies)))
    trials = tuple(
        PolicyTrial(tuple(ious), tuple(passes))
        for ious, passes in zip(explorer.ious, explorer.policy_passes, strict=True)
    )
    return Replay(trials, explorer.passes, explorer.loops, explorer.partings)
