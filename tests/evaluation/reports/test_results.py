from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.evaluation.protocol.options import Protocol
from napari_cfr_icl.evaluation.protocol.records import Method, Record, Subject
from napari_cfr_icl.evaluation.reports.results import by_size, gains, percent, result_of, timing_of

PROTOCOL = Protocol(max_clicks=4, thresholds=(0.8, 0.9))
METHOD = Method("model", "paper", "std")


def record(ious, passes=None, picture="a", area=100, index=0, method=METHOD):
    count = len(ious)
    return Record(
        method,
        Subject("set", picture, str(index), index, area, (90, 90)),
        tuple(ious),
        (Click(1, 2),) * count,
        tuple(passes or (1,) * count),
        ("limit",) * count,
        (0.5,) * count,
        (0.1,) * count,
    )


RECORDS = [
    record([0.5, 0.85, 0.95], [3, 1, 1]),
    record([0.95], [2], picture="b", index=1),
    record([0.1, 0.2, 0.3, 0.4], picture="b", index=2),
]


def test_result_holds_the_means_of_the_field():
    result = result_of(RECORDS, PROTOCOL)

    assert (result.objects, result.pictures) == (3, 2)
    assert result.noc[0.8].mean == pytest.approx((2 + 1 + 4) / 3)
    assert result.noc[0.9].mean == pytest.approx((3 + 1 + 4) / 3)
    assert result.failures[0.9].mean == pytest.approx(1 / 3)
    assert result.at_limit == {0.8: 1, 0.9: 1}
    assert set(result.iou) == {1, 3}
    assert result.iou[1].mean == pytest.approx((0.5 + 0.95 + 0.1) / 3)
    assert result.iou[3].mean == pytest.approx((0.95 + 0.95 + 0.3) / 3)
    assert result.curve == pytest.approx(
        [(0.5 + 0.95 + 0.1) / 3, 2.0 / 3, 2.2 / 3, 2.3 / 3], abs=1e-6
    )
    assert result.passes.mean == pytest.approx((5 / 3 + 2 + 1) / 3)
    assert result.passes_per_object.mean == pytest.approx((5 + 2 + 4) / 3)


def test_timing_is_per_click_and_per_pass():
    timing = timing_of(RECORDS, seed=0)

    assert timing.seconds_per_click.mean == pytest.approx(0.5)
    assert timing.seconds_per_pass.mean == pytest.approx((1.5 / 5 + 0.5 / 2 + 2 / 4) / 3)
    assert timing.user_seconds_per_click.mean == pytest.approx(0.1)


def test_gains_are_paired():
    base = [record([0.5, 0.85, 0.95], index=i, picture=str(i)) for i in range(4)]
    better = [record([0.85, 0.95], index=i, picture=str(i)) for i in range(4)]

    changes = gains(base, better, PROTOCOL)

    assert set(changes) == {"NoC@80", "NoC@90", "IoU@1", "IoU@3"}
    assert str(changes["NoC@80"]) == "-1.00 [-1.00, -1.00]"
    assert changes["IoU@1"].signed() == "+0.35 [+0.35, +0.35]"


def test_sizes_are_those_of_coco():
    areas = [1, 1023, 1024, 9215, 9216, 10**6]
    groups = by_size([record([0.9], area=area, index=i) for i, area in enumerate(areas)])

    assert {size: [r.subject.area for r in group] for size, group in groups.items()} == {
        "small": [1, 1023],
        "medium": [1024, 9215],
        "large": [9216, 10**6],
    }
    assert set(by_size([record([0.9], area=5)])) == {"small"}


def test_intervals_follow_whole_pictures():
    rng = np.random.default_rng(0)
    records = []
    for picture in range(12):
        good = rng.random() < 0.5
        for _ in range(20):
            ious = [0.95] if good else [0.1] * 4
            records.append(record(ious, picture=str(picture), index=len(records)))

    interval = result_of(records, PROTOCOL).noc[0.8]

    assert interval.high - interval.low > 1.2


@pytest.mark.parametrize(("threshold", "text"), [(0.9, "90"), (0.925, "92.5"), (0.85, "85")])
def test_thresholds_are_written_as_percent(threshold, text):
    assert percent(threshold) == text
