"""Replaying recorded inner loops against a run for each policy: the same numbers, fewer passes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from blob_dataset import TINY_MODEL, TINY_SETTINGS, blobs
from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Predictor
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.refine import refine
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.evaluation.protocol.options import Protocol
from napari_cfr_icl.evaluation.protocol.predictors import with_settings
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_users import RealisticUser, RobotUser
from napari_cfr_icl.evaluation.tuning.policies import Grid, describe, policies_of
from napari_cfr_icl.evaluation.tuning.replay import RecordedLoop, replay_policies

PROTOCOL = Protocol(max_clicks=4, thresholds=(0.9,))
GRID = Grid(steps=(1, 2, 4), pixels=(5, 40), fractions=(0.02, 0.1), first_clicks=(1, 3, None))


@cache
def predictor(rezoom):
    refinement = Refinement(rezoom=rezoom)
    settings = replace(TINY_SETTINGS, refinement=refinement)
    return Predictor(zoo.load(TINY_MODEL), settings, device="cpu")


def alone(policy, image, truth, user, rezoom):
    settings = replace(predictor(rezoom).settings, refinement=policy)
    return simulate(with_settings(predictor(rezoom), settings), image, truth, user, PROTOCOL)


@pytest.mark.parametrize("user", [RobotUser(), RealisticUser(3)], ids=["robot", "realistic"])
@pytest.mark.parametrize("rezoom", [True, False], ids=["windows anew", "same window"])
def test_replay_gives_the_numbers_of_a_run_for_each_policy(user, rezoom):
    policies = policies_of(GRID, Refinement(rezoom=rezoom))[::3]
    picture, labels = blobs(1)
    image, truth = ImageSource.of(picture), (labels == 1).astype(np.int8)

    found = replay_policies(predictor(rezoom), image, truth, user, policies, PROTOCOL)

    total = 0
    for policy, trial in zip(policies, found.trials, strict=True):
        expected = alone(policy, image, truth, user, rezoom)
        assert list(trial.ious) == [click.iou for click in expected], describe(policy)
        assert list(trial.passes) == [click.passes for click in expected], describe(policy)
        total += sum(trial.passes)
    assert found.partings > 0
    assert total > found.passes


def test_replay_is_five_times_cheaper_than_a_run_for_each_policy():
    policies = policies_of(Grid(), Refinement(rezoom=True))
    without = made = 0
    for seed in range(3):
        picture, labels = blobs(seed)
        image, truth = ImageSource.of(picture), (labels == 1).astype(np.int8)
        found = replay_policies(predictor(True), image, truth, RobotUser(), policies, PROTOCOL)
        without += sum(sum(trial.passes) for trial in found.trials)
        made += found.passes

    assert without >= 5 * made


def random_loop(seed, length=6):
    """Masks of an inner loop that grows and shrinks at random around the clicks."""
    rng = np.random.default_rng(seed)
    values = rng.random((12, 15)).astype(np.float32)
    patches = []
    for _ in range(length):
        values = np.clip(values + rng.normal(0, 0.08, values.shape), 0, 1).astype(np.float32)
        patches.append(Patch.from_full(values))
    return patches


class Recorded:
    """Stands for a predictor whose passes are known beforehand."""

    settings = TINY_SETTINGS

    def __init__(self, patches):
        self.patches = patches

    def steps(self, _image, clicks, _previous):
        from napari_cfr_icl.engine.prediction import Prediction

        passes, trace = iter(self.patches), []
        refinement = self.settings.refinement
        for step in refine(lambda _: next(passes), None, clicks, refinement, 0.5):
            trace.append(step.trace)
            yield Prediction(step.probabilities, None, tuple(trace), step.stopped, 0.5)


@pytest.mark.parametrize("seed", range(8))
def test_stops_are_those_of_the_engine(seed):
    patches = random_loop(seed)
    rng = np.random.default_rng(seed)
    clicks = Clicks(
        Click(int(row), int(col), bool(sign))
        for row, col, sign in zip(
            rng.integers(12, size=3), rng.integers(15, size=3), rng.integers(2, size=3), strict=True
        )
    )
    inclusive = Refinement(rezoom=True, inclusive=True)
    grid = Grid((1, 2, 4), (3, 9, 12), (0.05, 0.1, 0.2), (1, 3, None), (False, True))
    loop = RecordedLoop(Recorded(patches), None, clicks, None)
    seen = set()
    for policy in (*policies_of(grid, Refinement(rezoom=True)), *policies_of(grid, inclusive)):
        passes = iter(patches)
        *_, last = refine(lambda _, passes=passes: next(passes), None, clicks, policy, 0.5)

        stop = loop.stop(policy)

        assert stop.passes == last.trace.index + 1, describe(policy)
        assert patches[stop.kept] is last.probabilities, describe(policy)
        seen.add(last.stopped)
    assert "limit" in seen


def test_random_loops_end_in_every_way():
    """The test above would prove little if some way never happened."""
    seen = set()
    for seed in range(8):
        clicks = Clicks([Click(6, 7), Click(2, 3, positive=False), Click(9, 9)])
        policies = policies_of(Grid(pixels=(9,), fractions=(0.1,)), Refinement(rezoom=True))
        for policy in policies:
            passes = iter(random_loop(seed))
            *_, last = refine(lambda _, passes=passes: next(passes), None, clicks, policy, 0.5)
            seen.add(last.stopped)
    assert seen == {"limit", "converged", "refused"}


def test_no_more_is_recorded_than_some_policy_needs():
    loop = RecordedLoop(Recorded(random_loop(0)), None, Clicks([Click(6, 7)]), None)

    loop.stop(Refinement(steps=0))
    assert loop.passes == 1
    loop.stop(Refinement(steps=2))
    assert loop.passes == 3
    loop.stop(Refinement(steps=4, adaptive=True, threshold_pixels=10**6))
    assert loop.passes == 3
