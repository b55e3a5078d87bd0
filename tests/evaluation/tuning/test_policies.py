from __future__ import annotations

import pytest

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.settings import Refinement, Settings
from napari_cfr_icl.evaluation.tuning.policies import Grid, canonical, describe, policies_of

SMALL = Grid(steps=(1, 2), pixels=(20,), fractions=(0.01,), first_clicks=(1, None), guards=(False,))


def test_every_policy_is_tried_once():
    policies = policies_of(SMALL, Refinement(steps=2))

    assert len(set(policies)) == len(policies)
    assert policies[0].steps == 0
    # CFR-1 without thresholds, CFR-2 with none or one of two thresholds, each for two kinds of
    # clicks, and no refinement; the current one is among them
    assert len(policies) == 1 + (1 + 3) * 2
    assert policies[1] == Refinement(steps=2, threshold_pixels=0)


def test_what_the_grid_does_not_vary_is_kept():
    current = Settings.interactive().refinement

    policies = policies_of(SMALL, current)

    assert current.rezoom
    assert all(policy.rezoom for policy in policies)
    assert canonical(current) in policies


@pytest.mark.parametrize(
    "policy",
    [
        Refinement(steps=0, adaptive=True, guard=True, first_clicks=3, threshold_pixels=7),
        Refinement(steps=0),
    ],
)
def test_differences_without_effect_are_none(policy):
    assert canonical(policy) == canonical(Refinement())


def test_one_step_has_nothing_to_stop():
    adaptive = Refinement(steps=1, adaptive=True, threshold_fraction=0.1, guard=True)

    assert canonical(adaptive) == canonical(Refinement(steps=1, guard=True))
    assert canonical(Refinement(steps=2, adaptive=True)) != canonical(Refinement(steps=2))


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Refinement(), "no refinement"),
        (Refinement(steps=4), "CFR-4, every click"),
        (Refinement(steps=1, first_clicks=1, guard=True), "CFR-1, first click, checked"),
        (
            Refinement(steps=4, adaptive=True, threshold_pixels=0, threshold_fraction=0.002),
            "A-CFR-4 below 0.2 %, every click",
        ),
        (
            Refinement(3, True, threshold_pixels=20, threshold_fraction=0.01, first_clicks=2),
            "A-CFR-3 below 20 px or 1 %, first 2 clicks",
        ),
    ],
)
def test_policies_in_words(policy, text):
    assert describe(policy) == text


def test_empty_grid_is_refused():
    with pytest.raises(SettingsError, match="at least one value for steps"):
        Grid(steps=())
