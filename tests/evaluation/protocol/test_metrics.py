from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_cfr_icl.evaluation.protocol.metrics import (
    PAPER_THRESHOLDS,
    at_limit,
    bootstrap_mean,
    failed,
    iou,
    iou_at,
    iou_curve,
    noc,
    paired_difference,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "golden" / "noc.json").read_text())


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize(
    "thresholds", [GOLDEN["iou_thrs"], PAPER_THRESHOLDS], ids=["golden", "own"]
)
def test_clicks_are_counted_as_the_public_code_counts(index, thresholds):
    threshold, limit = thresholds[index], GOLDEN["max_clicks"]
    counts = [noc(ious, threshold, limit) for ious in GOLDEN["ious"]]

    assert np.mean(counts) == GOLDEN["noc_mean"][index]
    assert np.std(counts) == GOLDEN["noc_std"][index]
    assert sum(at_limit(i, threshold, limit) for i in GOLDEN["ious"]) == GOLDEN["over_max"][index]


def test_iou_leaves_ignored_pixels_out():
    example = GOLDEN["iou_example"]
    value = iou(np.array(example["gt"], np.int8), np.array(example["pred"], bool))

    assert value == example["iou"]
    assert value.dtype == np.float32


def test_iou_of_nothing_with_nothing_is_unknown():
    assert np.isnan(iou(np.full((3, 3), -1, np.int8), np.ones((3, 3), bool)))


def test_success_at_the_last_click_is_no_failure():
    assert noc([0.1, 0.9], 0.9, 2) == 2
    assert at_limit([0.1, 0.9], 0.9, 2)
    assert not failed([0.1, 0.9], 0.9, 2)
    assert failed([0.1, 0.8], 0.9, 2)


def test_unknown_iou_never_passes():
    assert noc([np.nan, np.nan], 0.8, 5) == 5


def test_clicks_after_the_limit_do_not_count():
    assert noc([0.1, 0.2, 0.9], 0.8, 2) == 2
    assert failed([0.1, 0.2, 0.9], 0.8, 2)


def test_curve_keeps_the_last_iou():
    np.testing.assert_allclose(iou_curve([0.5, 0.96], 4), [0.5, 0.96, 0.96, 0.96])
    np.testing.assert_allclose(iou_curve([0.1, 0.2, 0.3], 2), [0.1, 0.2])
    assert [iou_at([0.5, 0.96], k) for k in (1, 2, 5)] == pytest.approx([0.5, 0.96, 0.96])


def test_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap_mean(rng.normal(2, 1, 60), resamples=300) for _ in range(300)]

    covered = np.mean([i.low <= 2 <= i.high for i in intervals])
    # 0.95 but for the chance of 300 trials and for the percentile method's slight optimism
    assert 0.90 < covered < 0.98


def test_interval_of_alike_objects_is_that_of_their_images():
    per_image = np.random.default_rng(1).normal(size=20)
    images = np.repeat(np.arange(20), 30).tolist()

    grouped = bootstrap_mean(np.repeat(per_image, 30), images)
    alone = bootstrap_mean(per_image)

    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    assert grouped.count == 600


def test_interval_leaves_unknown_values_out():
    interval = bootstrap_mean([1, np.nan, 3], ["a", "b", "c"])

    assert (interval.mean, interval.count) == (2, 2)
    assert bootstrap_mean([np.nan]).count == 0
    assert str(bootstrap_mean([2.0, 2.0])) == "2.00 [2.00, 2.00]"


def test_many_objects_resample_in_pieces_of_bounded_size():
    values = np.random.default_rng(2).normal(size=300_000)

    interval = bootstrap_mean(values, resamples=12)

    assert interval.low < values.mean() < interval.high
    assert interval.high - interval.low < 0.02


def test_paired_difference_is_sharper_than_the_means():
    rng = np.random.default_rng(3)
    hard = rng.normal(5, 3, 100)
    difference = paired_difference(hard, hard - 0.5 + rng.normal(0, 0.1, 100))

    assert difference.mean == pytest.approx(-0.5, abs=0.05)
    assert difference.high < 0
    with pytest.raises(ValueError, match="same objects"):
        paired_difference([1], [1, 2])
