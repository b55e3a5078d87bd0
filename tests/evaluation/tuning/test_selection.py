from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.evaluation.protocol.records import Subject
from napari_cfr_icl.evaluation.tuning.replay import PolicyTrial, Replay
from napari_cfr_icl.evaluation.tuning.scores import Objective, Scores, balanced_means
from napari_cfr_icl.evaluation.tuning.search_records import Savings, SearchRecord
from napari_cfr_icl.evaluation.tuning.selection import compared, front, halves, recommended, select

GOAL = Objective()
POLICIES = [Refinement(), Refinement(steps=1), Refinement(steps=2), Refinement(steps=4)]


def scores(clicks, passes, datasets=None, pictures=None):
    clicks = np.asarray(clicks, float)
    count = clicks.shape[1]
    return Scores(
        clicks,
        np.asarray(passes, float),
        1 / clicks,
        np.zeros(clicks.shape, bool),
        tuple(datasets or ["set"] * count),
        tuple(pictures or [f"set/{i}" for i in range(count)]),
    )


def constant(*rows, count=12):
    """Policies that need the same (clicks, passes) on every object."""
    clicks = [[clicks] * count for clicks, _ in rows]
    return scores(clicks, [[passes] * count for _, passes in rows])


def test_front_holds_what_nothing_beats():
    found = constant((5, 5), (4, 8), (4.5, 9), (3, 20), (3, 25))

    assert front(found) == [0, 1, 3]


def test_recommended_weighs_clicks_against_passes():
    found = constant((5, 5), (4, 8), (3.9, 20))

    assert recommended(found, GOAL) == 1
    assert recommended(found, Objective(click_worth=1000)) == 2
    assert recommended(found, Objective(click_worth=1)) == 0


def test_policy_that_hurts_one_data_set_is_not_recommended():
    clicks = np.array([[5.0] * 20, [1.0] * 10 + [6.0] * 10, [4.5] * 20])
    found = scores(clicks, np.full((3, 20), 5), ["a"] * 10 + ["b"] * 10)

    assert clicks[1].mean() < clicks[2].mean()
    assert recommended(found, GOAL) == 2


def test_policy_that_may_hurt_by_chance_is_admitted():
    base = np.tile([5.0, 3.0, 7.0, 5.0], 5)
    clicks = np.stack([base, base - 2])
    clicks[1, 10:] = base[10:] + np.tile([1.0, -0.9], 5)
    found = scores(clicks, np.full((2, 20), 5), ["a"] * 10 + ["b"] * 10)

    assert clicks[1, 10:].mean() > clicks[0, 10:].mean()
    assert recommended(found, GOAL) == 1


def test_data_sets_count_alike_however_many_objects_they_have():
    values = np.array([[1.0] * 9 + [3.0]])

    assert balanced_means(values, ["large"] * 9 + ["small"]) == pytest.approx([2.0])


def test_comparison_is_by_object_and_data_set():
    found = scores([[5, 6, 2], [4, 5, 3]], [[5, 6, 2], [8, 10, 6]], ["a", "a", "b"])

    first, second = compared(found, 1, 0, GOAL)

    assert (first.dataset, first.clicks.mean, first.passes.mean) == ("a", -1, 3.5)
    assert (second.dataset, second.clicks.mean, second.passes.mean) == ("b", 1, 4)
    assert first.first_iou.mean == pytest.approx((1 / 4 - 1 / 5 + 1 / 5 - 1 / 6) / 2)


def test_halves_keep_pictures_whole():
    pictures = [f"set/{i // 5}" for i in range(40)]
    found = scores(np.ones((1, 40)), np.ones((1, 40)), pictures=pictures)

    chosen, held_out = halves(found, seed=0)

    assert sorted(chosen + held_out) == list(range(40))
    assert len(chosen) == 20
    assert not {pictures[i] for i in chosen} & {pictures[i] for i in held_out}
    assert halves(found, seed=0) == (chosen, held_out)
    assert any(halves(found, seed=s)[0] != chosen for s in (1, 2, 3))


def test_objects_of_a_single_picture_are_split():
    found = scores(np.ones((1, 6)), np.ones((1, 6)), pictures=["set/a"] * 6)

    chosen, held_out = halves(found, seed=0)

    assert (len(chosen), len(held_out)) == (3, 3)


def finding(index, trials):
    subject = Subject("set", f"{index}.png", "1", index, 100, (20, 20))
    return SearchRecord(subject, Replay(tuple(trials), passes=6, loops=3, partings=1))


def good_after(clicks, passes_each):
    ious = (*[0.5] * (clicks - 1), 0.97)
    return PolicyTrial(ious, (passes_each,) * clicks)


def test_choice_is_made_on_one_half_and_checked_on_the_other():
    trials = [good_after(4, 1), good_after(2, 2), good_after(2, 3), good_after(2, 5)]
    findings = [finding(i, trials) for i in range(8)]

    choice = select(findings, POLICIES, POLICIES[2], GOAL)

    assert (choice.recommended, choice.current) == (1, 2)
    assert choice.front == (1,)
    assert (choice.clicks.mean, choice.clicks.count) == (2, 8)
    assert choice.held_out[0].clicks.count == 4
    assert choice.held_out[0].clicks.mean == -2
    assert choice.held_out_current[0].passes.mean == -2
    assert [s.clicks for s in choice.standings] == [4, 2, 2, 2]
    assert [s.passes for s in choice.standings] == [4, 4, 6, 10]


def test_single_object_can_be_searched():
    choice = select([finding(0, [good_after(2, 1)])], POLICIES[:1], POLICIES[0], GOAL)

    assert choice.recommended == 0
    assert choice.held_out == ()


def test_savings_are_counted():
    findings = [finding(i, [good_after(4, 1), good_after(2, 2)]) for i in range(2)]

    savings = Savings.of(findings)

    assert (savings.passes, savings.passes_without, savings.partings) == (12, 16, 2)
    assert savings.factor == pytest.approx(16 / 12)
    assert savings.clicks_shared == pytest.approx(1 - 6 / 12)


def test_record_comes_back_from_its_line():
    trials = [good_after(4, 1), good_after(2, 2), good_after(4, 1)]
    written = finding(5, trials)

    read = SearchRecord.from_line(written.to_line())

    assert read.subject == written.subject
    assert [t.passes for t in read.trials] == [t.passes for t in trials]
    assert [np.float32(v) for v in read.trials[1].ious] == [np.float32(v) for v in (0.5, 0.97)]
    for line in ("", "{}", "[]", "3"):
        with pytest.raises(ValueError, match=r"no record|JSON|Expecting"):
            SearchRecord.from_line(line)
