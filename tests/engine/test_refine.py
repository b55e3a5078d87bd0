import numpy as np
import pytest

from napari_cfr_icl.engine import Click, Clicks, Patch, Refinement, Window
from napari_cfr_icl.engine.refine import changed_pixels, refine

SHAPE = (10, 10)
CLICKS = Clicks([Click(0, 0)])


def _mask(pixels):
    """A mask of the first `pixels` pixels in row-major order."""
    values = np.zeros(SHAPE, np.float32)
    values.flat[:pixels] = 0.8
    return Patch.from_full(values)


class Script:
    """A network that gives the masks of a list in turn, and remembers what it was fed."""

    def __init__(self, *areas):
        self.masks = [_mask(area) for area in areas]
        self.fed = []

    def __call__(self, previous):
        self.fed.append(previous)
        return self.masks[len(self.fed) - 1]


def _run(script, refinement, clicks=CLICKS, previous=None):
    return list(refine(script, previous, clicks, refinement, 0.5))


def test_standard_inference_is_one_pass_over_the_previous_mask():
    script, previous = Script(30), _mask(7)
    (step,) = _run(script, Refinement(), previous=previous)
    assert script.fed == [previous]
    assert step.stopped == "limit"
    assert step.trace.changed_pixels is None


def test_cfr_feeds_each_mask_into_the_next_pass():
    script = Script(30, 50, 55)
    steps = _run(script, Refinement(steps=2))
    assert script.fed == [None, *script.masks[:2]]
    assert [step.trace.changed_pixels for step in steps] == [None, 20, 5]
    assert [step.stopped for step in steps] == ["running", "running", "limit"]


@pytest.mark.parametrize(
    ("inclusive", "passes"), [(False, 4), (True, 3)], ids=["paper: below", "public code: at"]
)
def test_a_cfr_stops_at_its_threshold(inclusive, passes):
    refinement = Refinement(steps=4, adaptive=True, threshold_pixels=5, inclusive=inclusive)
    steps = _run(Script(30, 50, 55, 56, 57), refinement)
    assert len(steps) == passes
    assert steps[-1].stopped == "converged"


def test_the_relative_threshold_counts_when_it_is_larger():
    refinement = Refinement(steps=4, adaptive=True, threshold_pixels=2, threshold_fraction=0.1)
    steps = _run(Script(30, 50, 54, 54, 54), refinement)
    assert [step.trace.threshold_pixels for step in steps] == [None, 5, 5]
    assert steps[-1].stopped == "converged"


def test_only_the_first_clicks_are_refined():
    refinement = Refinement(steps=2, first_clicks=1)
    assert len(_run(Script(1, 2, 3), refinement)) == 3
    assert len(_run(Script(1, 2, 3), refinement, CLICKS.added(Click(5, 5)))) == 1


def test_the_guard_refuses_a_step_that_loses_a_click():
    script = Script(30, 0, 40)
    steps = _run(script, Refinement(steps=2, guard=True))
    assert [step.stopped for step in steps] == ["running", "refused"]
    assert steps[-1].probabilities is script.masks[0]
    assert len(_run(Script(30, 0, 40), Refinement(steps=2))) == 3


def test_a_loop_is_stopped_between_two_steps():
    script = Script(30, 50, 55)
    loop = refine(script, None, CLICKS, Refinement(steps=2), 0.5)
    next(loop)
    loop.close()
    assert len(script.fed) == 1


def test_changed_pixels_are_counted_over_both_windows():
    older = Patch(np.ones((4, 4), np.float32), Window(0, 0, 4, 4), SHAPE)
    newer = Patch(np.ones((4, 4), np.float32), Window(2, 2, 4, 4), SHAPE)
    assert changed_pixels(older, newer, 0.5) == 2 * 16 - 2 * 4
    assert changed_pixels(older, newer, 1.0) == 0
