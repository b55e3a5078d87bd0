from __future__ import annotations

import pytest

from blob_dataset import blobs
from napari_cfr_icl.engine.runtime.distributed import Distributed
from napari_cfr_icl.evaluation.datasets.dataset import Dataset, Picture, objects_of_labels
from napari_cfr_icl.evaluation.protocol.options import SampleOptions
from napari_cfr_icl.evaluation.protocol.work_list import STRIDE, drawn, work_items


def dataset(name="set", pictures=8, objects=6):
    return Dataset(
        name,
        None,
        [
            Picture(str(n), lambda: None, lambda n=n: objects_of_labels(blobs(n, objects)[1]))
            for n in range(pictures)
        ],
    )


def names(*datasets, **sample):
    return [
        (page.dataset, page.picture.key, item.key)
        for page in work_items(datasets, SampleOptions(**sample))
        for _, item in page.objects
    ]


def test_numbers_go_through_all_data_sets_and_begin_anew_at_each_picture():
    every = list(work_items([dataset("a", 2, 3), dataset("b", 2, 2)], SampleOptions()))

    numbers = [[index for index, _ in page.objects] for page in every]
    begun = [number * STRIDE for number in range(4)]
    assert [found[0] for found in numbers] == begun
    assert [found[-1] - found[0] for found in numbers] == [2, 2, 1, 1]
    assert [(page.dataset, page.number, page.count) for page in every] == [
        ("a", 0, 4),
        ("a", 1, 4),
        ("b", 2, 4),
        ("b", 3, 4),
    ]


def test_sample_is_drawn_by_its_seed_alone():
    first = names(dataset(), pictures=3, objects_per_picture=2)

    assert len(first) == 6
    assert len({picture for _, picture, _ in first}) == 3
    assert names(dataset(), pictures=3, objects_per_picture=2) == first
    others = [names(dataset(), pictures=3, objects_per_picture=2, seed=s) for s in (1, 2, 3)]
    assert all(other != first for other in others)


def test_sample_of_one_set_does_not_depend_on_the_others():
    alone = names(dataset("b"), pictures=3, objects_per_picture=2)
    together = names(dataset("a"), dataset("b"), pictures=3, objects_per_picture=2)

    assert [name for name in together if name[0] == "b"] == alone


def test_pictures_are_read_one_after_another():
    read = []
    pictures = [Picture(str(n), lambda: None, lambda n=n: read.append(n) or []) for n in range(4)]

    turn = work_items([Dataset("set", None, pictures)], SampleOptions())
    next(turn)
    next(turn)

    assert read == [0, 1]


@pytest.mark.parametrize("processes", [2, 3, 5, 8])
def test_single_objects_are_shared_out_evenly(processes):
    every = list(work_items([dataset(pictures=4 * processes, objects=1)], SampleOptions()))

    indices = [index for page in every for index, _ in page.objects]
    shares = [
        sum(Distributed(rank, processes).owns(i) for i in indices) for rank in range(processes)
    ]
    assert shares == [4] * processes


@pytest.mark.parametrize(("wanted", "expected"), [(None, 5), (9, 5), (5, 5), (2, 2)])
def test_no_more_is_drawn_than_there_is(wanted, expected):
    numbers = drawn(5, wanted, "seed")

    assert len(numbers) == expected
    assert numbers == sorted(set(numbers))
