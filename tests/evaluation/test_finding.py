import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_cfr_icl import cli
from napari_cfr_icl.engine import Click, Patch, Window
from napari_cfr_icl.engine.finding.proposals import Proposal
from napari_cfr_icl.evaluation.finding import FindingScore, clicks_to_complete, met_by, table


def square(top, left, side=10):
    mask = np.zeros((40, 60), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def proposal(mask, certainty):
    return Proposal(Patch(mask[:, :], Window(0, 0, 40, 60), (40, 60)), certainty, Click(0, 0))


def test_each_object_is_met_once_by_the_surest_proposal():
    truths = [square(0, 0), square(20, 20)]
    proposals = [
        proposal(square(0, 1), 0.5),  # IoU 90 / 110
        proposal(square(0, 0), 0.4),  # better, but less sure
        proposal(square(20, 23), 0.9),  # IoU 70 / 130
        proposal(square(20, 50), 0.9),  # nothing there
    ]
    met = met_by(proposals, truths)
    assert {number: round(quality, 3) for number, (quality, _) in met.items()} == {
        0: round(90 / 110, 3),
        1: round(70 / 130, 3),
    }


def test_the_dearest_twentieth_of_the_objects_is_left():
    assert clicks_to_complete([1] * 19 + [10]) == 19
    assert clicks_to_complete([2, 3]) == 5


def test_scores_and_their_table():
    score = FindingScore("set", "a", 3, 8, 10, 6, 4, 1.0, 4.0, 12, 30)
    assert score.f1(score.fair) == pytest.approx(12 / 18)
    row = table([score]).splitlines()[-1]
    assert row == "| set | 3 | 1 | 0.67 | 0.44 | 2.50 | 1.00 | 4.00 | 12.00 | 30.00 |"


def test_disks_are_found_from_one_and_from_three(tmp_path, capsys):
    rows, cols = np.indices((120, 160))
    labels = np.zeros((120, 160), np.uint16)
    centres = [(row, col) for row in (30, 90) for col in (25, 75, 130)]
    for label, (row, col) in enumerate(centres, start=1):
        labels[(rows - row) ** 2 + (cols - col) ** 2 < 14**2] = label
    soft = ndimage.gaussian_filter((labels > 0) * 180.0, 1.5) + 30
    for folder, pixels in (("images", soft.astype(np.uint8)), ("labels", labels)):
        (tmp_path / "set" / folder).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "set" / folder / "disks.png")
    words = ["evaluate", str(tmp_path / "set"), "--out", str(tmp_path / "out")]
    cli.main([*words, "--protocol", "find", "--model", "cfr-icl-mobilesam"])
    scores = json.loads((tmp_path / "out" / "find.json").read_text("utf-8"))
    assert [score["examples"] for score in scores] == [1, 3, 5]
    assert [score["others"] for score in scores] == [5, 3, 1]
    assert all(score["good"] == score["others"] for score in scores)
    assert all(score["clicks"] < score["clicks_alone"] for score in scores[:2])
    assert (tmp_path / "out" / "find.md").read_text("utf-8") in capsys.readouterr().out
