"""The state machine: which mask is fed back, and that undo brings back exactly what was there."""

from __future__ import annotations

import queue
import threading
import weakref

import numpy as np
import pytest

from disk_predictor import DiskPredictor
from napari_cfr_icl._errors import MaskError, ModelError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.session.objects import ObjectState, Scene
from napari_cfr_icl.session.runner import Failed, Finished, Prepared, Preparing
from napari_cfr_icl.session.session import Session
from plain_store import PlainStore

SHAPE = (40, 60)
A, B, C = Click(10, 10), Click(20, 40), Click(12, 14, positive=False)


class Desk:
    """A session with its predictor, and a person who waits for it."""

    def __init__(self, predictor, synchronous, make=None):
        self.predictor = predictor
        self.messages = queue.Queue()
        self.scene = Scene("plane", np.zeros(SHAPE, np.uint8), SHAPE)
        self.store = PlainStore(SHAPE)
        self.errors = []
        self.session = Session(make or (lambda engine: predictor), self._deliver)
        self.synchronous = synchronous
        self.session.failed.connect(self.errors.append)

    def _deliver(self, message):
        if self.synchronous:
            self.session.receive(message)
        else:
            self.messages.put(message)

    def click(self, *clicks):
        self.session.set_clicks(Clicks(clicks), self.scene)

    def wait(self):
        """Take messages until the newest request is done."""
        while self.session.is_busy:
            self.session.receive(self.messages.get(timeout=10))

    def pump(self, kind):
        """Take messages up to the first of `kind`."""
        while True:
            message = self.messages.get(timeout=10)
            self.session.receive(message)
            if isinstance(message, kind):
                return


@pytest.fixture
def desk(monkeypatch):
    """A desk where every answer is there at once."""
    monkeypatch.setenv("NAPARI_CFR_ICL_SYNC", "1")
    return Desk(DiskPredictor(passes=2), synchronous=True)


@pytest.fixture
def slow_desk():
    """A desk whose predictor waits for permission before every pass."""
    gate = threading.Semaphore(0)
    desk = Desk(DiskPredictor(passes=2, may_step=gate), synchronous=False)
    yield desk
    gate.release(1000)
    assert desk.session.close(timeout=10)


def values(desk):
    shown = desk.session.state.shown
    return None if shown is None else shown.probabilities.full()


def test_an_added_click_goes_on_from_the_last_answer(desk):
    desk.click(A)
    first = desk.session.state.answer
    desk.click(A, B)
    assert desk.predictor.asked == [(Clicks([A]), None), (Clicks([A, B]), first)]
    assert first.stopped == "limit"


@pytest.mark.parametrize(
    ("edited", "kept"),
    [
        pytest.param((A, C), 1, id="middle-deleted"),
        pytest.param((B, C), 0, id="first-deleted"),
        pytest.param((A, B, Click(30, 30)), 2, id="last-moved"),
        pytest.param((Click(0, 0), B, C), 0, id="first-moved"),
        pytest.param((A, Click(20, 40, positive=False), C), 1, id="sign-changed"),
    ],
)
def test_an_edit_goes_on_from_the_answer_before_it(desk, edited, kept):
    answers = [None]
    for count in (1, 2, 3):
        desk.click(*(A, B, C)[:count])
        answers.append(desk.session.state.answer)
    desk.click(*edited)
    assert desk.predictor.asked[-1] == (Clicks(edited), answers[kept])


def test_deleting_the_newest_click_needs_no_pass(desk):
    desk.click(A)
    first = desk.session.state.answer
    desk.click(A, B)
    passes = len(desk.predictor.asked)
    desk.click(A)
    assert desk.session.state.answer is first
    assert len(desk.predictor.asked) == passes


def test_several_clicks_at_once_are_one_prediction(desk):
    desk.click(A, B, C)
    assert len(desk.predictor.asked) == 1


def test_the_same_clicks_again_are_no_change(desk):
    desk.click(A)
    desk.click(A)
    assert len(desk.predictor.asked) == 1
    desk.session.undo()
    assert not desk.session.can_undo


def test_undo_and_redo_walk_over_clicks_objects_and_drops_exactly(desk):
    session, store = desk.session, desk.store
    walk = [
        lambda: desk.click(A),
        lambda: desk.click(A, B),
        lambda: session.write(store),
        lambda: desk.click(B),
        lambda: desk.click(B, C),
        lambda: desk.click(Click(21, 40), C),
        lambda: session.drop(),
        lambda: desk.click(Click(30, 10)),
        lambda: session.write(store),
    ]

    def snapshot():
        return session.state.clicks, values(desk), store.labels.copy()

    seen = [snapshot()]
    for act in walk:
        act()
        seen.append(snapshot())
    passes = len(desk.predictor.asked)
    for _ in range(2):
        for expected in reversed(seen[:-1]):
            session.undo()
            assert_same(snapshot(), expected)
        assert not session.can_undo
        for expected in seen[1:]:
            session.redo()
            assert_same(snapshot(), expected)
        assert not session.can_redo
    assert len(desk.predictor.asked) == passes


def assert_same(found, expected):
    assert found[0] == expected[0]
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


def test_a_new_step_forgets_what_was_undone(desk):
    desk.click(A)
    desk.click(A, B)
    desk.session.undo()
    desk.click(A, C)
    assert not desk.session.can_redo
    desk.session.undo()
    assert desk.session.state.clicks == Clicks([A])


def test_undo_before_the_answer_came_asks_again(slow_desk):
    slow_desk.click(A)
    slow_desk.click(A, B)
    slow_desk.session.undo()
    slow_desk.predictor.may_step.release(10)
    slow_desk.wait()
    assert slow_desk.session.state.clicks == Clicks([A])
    assert slow_desk.session.state.answer.stopped == "limit"
    assert slow_desk.predictor.asked[-1] == (Clicks([A]), None)


def test_late_answers_of_older_clicks_change_nothing(slow_desk):
    slow_desk.click(A)
    slow_desk.predictor.may_step.release(2)
    stale = [slow_desk.messages.get(timeout=10) for _ in range(5)]
    slow_desk.session.drop()
    for message in stale:
        slow_desk.session.receive(message)
    assert slow_desk.session.state.is_empty
    assert slow_desk.session.mask is None


def test_writing_while_the_answer_is_awaited_waits_for_it(slow_desk):
    slow_desk.click(A)
    slow_desk.session.write(slow_desk.store)
    assert slow_desk.store.labels.max() == 0
    slow_desk.predictor.may_step.release(2)
    slow_desk.pump(Finished)
    assert slow_desk.store.labels[10, 10] == 1
    assert slow_desk.session.state.is_empty


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda desk: desk.session.show(desk.scene), id="contrast"),
        pytest.param(lambda desk: desk.session.use_engine("another"), id="model"),
    ],
)
def test_a_write_waits_on_for_the_mask_that_another_contrast_or_model_gives(slow_desk, change):
    slow_desk.click(A)
    slow_desk.session.write(slow_desk.store)
    change(slow_desk)
    slow_desk.predictor.may_step.release(1000)
    slow_desk.wait()
    assert slow_desk.store.labels[10, 10] == 1
    assert slow_desk.session.state.is_empty


def test_undo_calls_the_waiting_write_off(slow_desk):
    slow_desk.click(A)
    slow_desk.session.write(slow_desk.store)
    slow_desk.session.undo()
    slow_desk.session.redo()
    slow_desk.predictor.may_step.release(1000)
    slow_desk.wait()
    assert not slow_desk.store.labels.any()


def test_a_click_calls_the_waiting_write_off(slow_desk):
    slow_desk.click(A)
    slow_desk.session.write(slow_desk.store)
    slow_desk.click(A, B)
    slow_desk.predictor.may_step.release(20)
    slow_desk.wait()
    assert slow_desk.store.labels.max() == 0
    assert slow_desk.session.state.clicks == Clicks([A, B])


def test_the_next_object_takes_the_next_id_and_leaves_the_first_alone(desk):
    desk.click(A)
    desk.session.write(desk.store)
    first = desk.store.labels == 1
    desk.click(Click(10, 15))
    desk.session.write(desk.store)
    assert ((desk.store.labels == 1) == first).all()
    assert (desk.store.labels == 2).any()


def test_the_threshold_acts_on_the_last_answer_without_a_pass(desk):
    desk.click(A)
    area = desk.session.mask.values.sum()
    desk.session.threshold = 0.9
    assert desk.session.mask.values.sum() == 0
    desk.session.threshold = 0.5
    assert desk.session.mask.values.sum() == area > 0
    assert len(desk.predictor.asked) == 1


def test_a_mask_with_nothing_to_write_is_said_and_kept(desk):
    desk.click(A)
    desk.session.threshold = 0.9
    with pytest.raises(MaskError, match="nothing to write"):
        desk.session.write(desk.store)
    assert desk.session.state.clicks == Clicks([A])


def test_an_object_that_exists_keeps_its_id_and_is_fed_back(desk):
    desk.store.labels[8:13, 8:13] = 5
    window = Window(8, 8, 5, 5)
    mask = Patch(np.ones((5, 5), np.float32), window, SHAPE)
    desk.session.take(ObjectState(desk.scene, base=mask, label=5))
    desk.click(C)
    assert desk.predictor.asked == [(Clicks([C]), mask)]
    desk.session.write(desk.store)
    assert desk.store.labels[8, 8] == 5
    assert desk.store.labels[12, 12] == 0
    desk.session.undo()
    assert (desk.store.labels[8:13, 8:13] == 5).all()


def test_another_engine_predicts_again_at_once(desk):
    desk.click(A)
    desk.click(A, B)
    before = desk.session.state.answers[0].answer
    desk.session.use_engine("other")
    assert desk.predictor.asked[-1] == (Clicks([A, B]), before)
    desk.session.use_engine("other")
    assert len(desk.predictor.asked) == 3


def test_another_engine_asks_nothing_about_an_object_without_clicks(desk):
    values = np.zeros(SHAPE, bool)
    values[5:15, 5:15] = True
    mask = Patch(values, Window.whole(SHAPE), SHAPE)
    desk.session.take(ObjectState(desk.scene, base=mask, label=7))
    desk.session.use_engine("another")
    assert desk.predictor.asked == []
    assert desk.session.state.answers == ()
    assert not desk.session.is_busy


def test_loading_is_told_until_it_is_done_also_when_the_object_was_dropped():
    may_load = threading.Event()
    predictor = DiskPredictor(passes=1)

    def make(engine):
        assert may_load.wait(10)
        return predictor

    desk = Desk(predictor, synchronous=False, make=make)
    told = []
    desk.session.preparing_changed.connect(told.append)
    desk.click(A)
    desk.pump(Preparing)
    desk.session.drop()
    assert desk.session.is_preparing
    may_load.set()
    desk.pump(Prepared)
    assert told == [True, False]
    assert desk.session.close(timeout=10)


def test_forgotten_steps_hold_neither_images_nor_labels(desk):
    desk.click(A)
    desk.session.write(desk.store)
    desk.click(B)
    desk.session.drop()
    desk.session.undo()
    desk.session.drop()
    pixels, labels = weakref.ref(desk.scene.source), weakref.ref(desk.store)
    desk.predictor.asked.clear()
    desk.session.forget_steps()
    desk.scene = desk.store = None
    assert not desk.session.can_undo
    assert not desk.session.can_redo
    assert pixels() is None
    assert labels() is None


def test_an_error_is_told_and_the_click_stays(desk):
    def broken(*_):
        raise ModelError("No such model.")
        yield

    desk.predictor.steps = broken
    desk.click(A)
    assert [str(error) for error in desk.errors] == ["No such model."]
    assert desk.session.state.clicks == Clicks([A])
    assert not desk.session.is_busy


def test_an_error_calls_the_waiting_write_off(slow_desk):
    def broken(*_):
        assert slow_desk.predictor.may_step.acquire(timeout=10)
        raise ModelError("No such model.")
        yield

    slow_desk.predictor.steps = broken
    slow_desk.click(A)
    slow_desk.session.write(slow_desk.store)
    slow_desk.predictor.may_step.release()
    slow_desk.pump(Failed)
    assert slow_desk.store.labels.max() == 0
    assert [str(error) for error in slow_desk.errors] == ["No such model."]
