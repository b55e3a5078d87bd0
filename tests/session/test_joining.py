import numpy as np
import pytest

from disk_finder import disk
from disk_predictor import DiskPredictor
from napari_cfr_icl.engine.windows import Patch
from napari_cfr_icl.session.joining import StackJoiner

SHAPE = 80, 100


class Keeping(DiskPredictor):
    """Answers with the mask that it is shown, which was weakened: the object has not moved."""

    def steps(self, source, clicks, previous=None, view=None):
        for answer in super().steps(source, clicks, previous, view):
            values = (previous.read(answer.probabilities.window) > 0) * np.float32(source.seen)
            yield type(answer)(Patch.from_full(values), answer.trace, answer.stopped)


class Plane:
    """Pixels without a picture: an object is seen there, or not."""

    shape = SHAPE

    def __init__(self, seen=0.9):
        self.seen = seen

    def read(self, window, max_side=None):
        return np.zeros((*window.shape, 3), np.float32)


def joined(found, known, sources=None):
    sources = sources or [Plane() for _ in found]
    return StackJoiner(sources, found, Keeping()).join(known)


def places(result):
    """Ids of each plane with the middle of their masks."""
    return [
        {
            label: tuple(np.argwhere(mask.full()).mean(axis=0).round().astype(int))
            for label, mask in masks.items()
        }
        for masks in result.planes
    ]


def test_what_overlaps_is_one_object_and_others_begin():
    found = [
        [disk(20, 60, SHAPE)],
        [disk(21, 22, SHAPE), disk(20, 61, SHAPE)],
        [disk(22, 24, SHAPE), disk(60, 60, SHAPE)],
    ]
    result = joined(found, [{5: disk(20, 20, SHAPE)}, {}, {}], [Plane(), Plane(), Plane(seen=0)])
    assert places(result) == [
        {5: (20, 20), 6: (20, 60)},
        {5: (21, 22), 6: (20, 61)},
        {5: (22, 24), 7: (60, 60)},
    ]
    assert result.doubts == []


def test_it_goes_both_ways_from_the_known_object():
    found = [[disk(20, 22, SHAPE)], [], [disk(21, 20, SHAPE)]]
    result = joined(found, [{}, {3: disk(20, 20, SHAPE)}, {}])
    assert places(result) == [{3: (20, 22)}, {3: (20, 20)}, {3: (21, 20)}]


def test_a_gap_is_propagated_over_and_said():
    found = [[], [], [disk(21, 20, SHAPE)]]
    result = joined(found, [{3: disk(20, 20, SHAPE)}, {}, {}])
    assert places(result) == [{3: (20, 20)}, {3: (20, 20)}, {3: (21, 20)}]
    assert result.doubts == ["Plane 1: object 3 was propagated, not found."]


def test_two_that_claim_one_are_said():
    known = [{3: disk(20, 20, SHAPE), 4: disk(20, 30, SHAPE)}, {}]
    both = disk(20, 25, SHAPE, radius=8)
    result = joined([[], [both]], known)
    (doubt, *_) = result.doubts
    assert "Plane 1: objects" in doubt
    assert "claim the same one" in doubt


@pytest.mark.parametrize("seen", [0, 0.9])
def test_known_objects_keep_their_pixels(seen):
    known = [{3: disk(20, 20, SHAPE)}, {9: disk(20, 21, SHAPE)}]
    result = joined([[], []], known, [Plane(seen), Plane(seen)])
    assert places(result)[1] == {9: (20, 21)}
    assert bool(result.doubts) == (seen > 0)
