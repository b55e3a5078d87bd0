"""The result of a search in words: nothing is claimed of too little."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.tuning.policy_scores import read_result


def interval(mean, count, groups):
    return {"mean": mean, "low": mean, "high": mean, "count": count, "groups": groups}


@pytest.mark.parametrize(
    ("pictures", "wanted"),
    [
        (1, "too few to judge (3 objects of 1 picture)"),
        (3, "too few to judge (3 objects of 3 pictures)"),
        (12, "-0.04 (-0.04 to -0.04) IoU after one click"),
    ],
)
def test_the_held_out_half_in_a_sentence(tmp_path, pictures, wanted):
    policies = [Refinement(), Refinement(steps=1)]
    check = {
        "dataset": "cells",
        "clicks": interval(0.0, 3, pictures),
        "passes": interval(-0.5, 3, pictures),
        "first_iou": interval(-0.04, 3, pictures),
    }
    result = {
        "standings": [
            {"policy": asdict(policy), "clicks": 3.0, "passes": 4.0, "failed": index}
            for index, policy in enumerate(policies)
        ],
        "current": 0,
        "recommended": 1,
        "front": [0],
        "held_out_current": [check],
    }
    (tmp_path / "tune.json").write_text(json.dumps(result))
    scores, sentence = read_result(tmp_path, 6)
    assert wanted in sentence
    assert "-0.04" in sentence
    assert ("(+0.00 to +0.00)" in sentence) == (pictures == 12)
    assert "(1 of 6 objects never got there)" in scores.words(1)
    assert "never" not in scores.words(0)
