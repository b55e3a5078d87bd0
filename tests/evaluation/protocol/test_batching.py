from __future__ import annotations

import threading
from functools import partial

import pytest
import torch

from blob_dataset import TINY_MODEL, write_blobs, write_settings
from napari_cfr_icl.evaluation.protocol.batching import SideBySide
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions, Protocol
from napari_cfr_icl.evaluation.run import evaluate

NOWHERE = torch.full((1, 2, 3), -1.0)


def doubled(batches, image, previous, points):
    batches.append(len(image))
    return 2 * image + previous


def passes(run, job, count, side=3):
    """Some passes of one job, each from the one before."""
    value = torch.full((1, 1, side, side), float(job))
    for _ in range(count):
        value = run(value, torch.ones(1, 1, side, side), NOWHERE)
    return float(value[0, 0, 0, 0])


def alone(job, count):
    return passes(partial(doubled, []), job, count)


def threads_left():
    return [thread for thread in threading.enumerate() if "cfr-icl-object" in thread.name]


def test_passes_of_all_threads_meet_in_one_batch():
    batches, desk = [], SideBySide(3)
    run = desk.gathered(partial(doubled, batches))
    counts = [2, 2, 2, 1, 3]
    jobs = [partial(passes, run, job, count) for job, count in enumerate(counts)]
    results = list(desk.results(jobs))
    assert sorted(results) == sorted(alone(job, count) for job, count in enumerate(counts))
    # Three side by side for two passes; then the last two, one of them longer.
    assert batches == [3, 3, 2, 1, 1]
    assert not threads_left()


def test_windows_of_other_sizes_and_other_networks_go_apart():
    batches, others, desk = [], [], SideBySide(4)
    one, other = (desk.gathered(partial(doubled, where)) for where in (batches, others))
    jobs = [
        partial(passes, one, 0, 1, 3),
        partial(passes, one, 1, 1, 5),
        partial(passes, one, 2, 1, 3),
        partial(passes, other, 3, 1, 3),
    ]
    assert list(desk.results(jobs)) == [alone(job, 1) for job in range(4)]
    assert batches == [2, 1]
    assert others == [1]


def test_a_job_that_fails_is_heard_of_and_ends_the_others():
    desk = SideBySide(2)
    run = desk.gathered(partial(doubled, []))

    def fails():
        passes(run, 0, 1)
        raise ValueError("no such object")

    with pytest.raises(ValueError, match="no such object"):
        list(desk.results([fails, partial(passes, run, 1, 1000)]))
    assert not threads_left()


def test_a_network_that_fails_fails_the_jobs():
    def broken(image, previous, points):
        raise RuntimeError("out of memory")

    desk = SideBySide(2)
    run = desk.gathered(broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(desk.results([partial(passes, run, job, 1) for job in range(3)]))
    assert not threads_left()


def test_a_batch_that_memory_does_not_hold_is_cut():
    tried = []

    def cramped(image, previous, points):
        tried.append(len(image))
        if len(image) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return 2 * image + previous

    desk = SideBySide(5)
    run = desk.gathered(cramped)
    results = list(desk.results(partial(passes, run, job, 1) for job in range(5)))
    assert sorted(results) == [alone(job, 1) for job in range(5)]
    assert tried == [5, 2, 3, 1, 2]
    assert not threads_left()


def test_stopping_in_the_middle_leaves_no_thread():
    desk = SideBySide(2)
    run = desk.gathered(partial(doubled, []))
    results = desk.results(partial(passes, run, job, 1 + job) for job in range(6))
    assert next(results) == alone(0, 1)
    results.close()
    assert not threads_left()


def test_clicks_of_passes_that_meet_keep_their_places():
    def asked(run, positives, negatives):
        slots = max(len(positives), len(negatives))
        points = torch.full((1, 2 * slots, 3), -1.0)
        for half, rows in enumerate((positives, negatives)):
            for slot, row in enumerate(rows):
                points[0, half * slots + slot] = torch.tensor([row, 0.0, 0.0])
        return run(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3), points)[0].tolist()

    desk = SideBySide(2)
    run = desk.gathered(lambda image, previous, points: points[..., 0])
    jobs = [partial(asked, run, [7.0], []), partial(asked, run, [1.0, 2.0, 3.0], [4.0])]
    assert list(desk.results(jobs)) == [[7, -1, -1, -1, -1, -1], [1, 2, 3, 4, -1, -1]]


def test_objects_clicked_side_by_side_need_the_same_clicks(tmp_path):
    data = write_blobs(tmp_path / "blobs", pictures=2, count=3)
    preset = str(write_settings(tmp_path / "tiny.json"))

    def records(batch):
        return evaluate(
            EvaluateOptions(
                (DatasetChoice(data),),
                tmp_path / str(batch),
                (str(TINY_MODEL),),
                ("std", "cfr-1"),
                (preset,),
                Protocol(max_clicks=3),
                device="cpu",
                worst=0,
                batch=batch,
            )
        )

    one, four = records(1), records(4)
    assert [record.clicks for record in four] == [record.clicks for record in one]
    assert [record.passes for record in four] == [record.passes for record in one]
    for together, single in zip(four, one, strict=True):
        assert together.ious == pytest.approx(single.ious, abs=1e-3)
