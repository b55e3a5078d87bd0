"""One thread, newest wins, stale answers dropped, errors delivered."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

from disk_predictor import DiskPredictor
from napari_cfr_icl._errors import ModelError
from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.session.runner import (
    Failed,
    Finished,
    Prepared,
    Preparing,
    Request,
    Runner,
    Stepped,
)

IMAGE = np.zeros((20, 30), np.uint8)
ONE = Clicks([Click(5, 5)])
TWO = ONE.added(Click(9, 9))


class Box(queue.Queue):
    """Where the runner delivers to."""

    def until(self, kind):
        """All messages up to the first of `kind`."""
        seen = []
        while not (seen and isinstance(seen[-1], kind)):
            seen.append(self.get(timeout=10))
        return seen


@pytest.fixture
def box():
    return Box()


@pytest.fixture
def start(box):
    """Make runners and close them afterwards."""
    runners = []

    def make(maker, **options):
        runners.append(Runner(maker, box.put, **options))
        return runners[-1]

    yield make
    assert all(runner.close(timeout=10) for runner in runners)


def test_a_request_tells_its_whole_course(start, box):
    runner = start(lambda engine: DiskPredictor(passes=3))
    number = runner.submit(Request("a", IMAGE, ONE))
    messages = box.until(Finished)
    assert [type(m) for m in messages] == [Preparing, Prepared, Stepped, Stepped, Stepped, Finished]
    assert {m.number for m in messages} == {number}
    assert messages[-2].answer.stopped == "limit"


def test_everything_runs_in_one_thread_which_is_not_the_callers(start, box):
    made_in, predictor = [], DiskPredictor()

    def make(engine):
        made_in.append(threading.current_thread().name)
        return predictor

    runner = start(make)
    for clicks in (ONE, TWO):
        runner.submit(Request("a", IMAGE, clicks))
        box.until(Finished)
    assert predictor.threads == set(made_in)
    assert made_in != [threading.current_thread().name]


def test_a_newer_request_ends_the_loop_between_two_passes(start, box):
    gate = threading.Semaphore(0)
    predictor = DiskPredictor(passes=4, may_step=gate)
    runner = start(lambda engine: predictor)
    runner.submit(Request("a", IMAGE, ONE))
    gate.release()
    box.until(Stepped)
    newest = runner.submit(Request("a", IMAGE, TWO))
    gate.release(5)
    messages = box.until(Finished)
    assert {m.number for m in messages} == {newest}
    assert sum(isinstance(m, Stepped) for m in messages) == 4
    # One permit for the pass that was under way, four for the newer request; none for the rest.
    assert not gate.acquire(blocking=False)


def test_what_should_come_first_comes_before_each_prediction(start, box):
    course = []
    predictor = DiskPredictor()

    def settle():
        course.append((threading.current_thread().name, len(predictor.asked)))

    runner = start(lambda engine: predictor, settle=settle)
    runner.submit(Request("a", IMAGE, Clicks()))
    box.until(Finished)
    assert not course
    for clicks in (ONE, TWO):
        runner.submit(Request("a", IMAGE, clicks))
        box.until(Finished)
    assert course == [(name, count) for count, name in enumerate(2 * list(predictor.threads))]


def test_a_request_that_is_overtaken_before_it_begins_never_runs(start, box):
    predictor, settling, may_begin = DiskPredictor(), threading.Event(), threading.Event()

    def settle():
        settling.set()
        assert may_begin.wait(10)

    runner = start(lambda engine: predictor, settle=settle)
    runner.submit(Request("a", IMAGE, ONE))
    assert settling.wait(10)
    newest = runner.submit(Request("a", IMAGE, TWO))
    may_begin.set()
    assert {m.number for m in box.until(Finished) if isinstance(m, Stepped)} == {newest}
    assert [clicks for clicks, _ in predictor.asked] == [TWO]


def test_requests_that_were_overtaken_while_waiting_are_never_run(start, box):
    gate = threading.Semaphore(0)
    predictor = DiskPredictor(may_step=gate)
    runner = start(lambda engine: predictor)
    runner.submit(Request("a", IMAGE, ONE))
    box.until(Prepared)
    for _ in range(5):
        runner.submit(Request("a", IMAGE, ONE))
    runner.submit(Request("a", IMAGE, TWO))
    gate.release(10)
    box.until(Finished)
    assert [clicks for clicks, _ in predictor.asked] == [ONE, TWO]


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_loading_is_told_even_if_a_click_has_overtaken_it(start, box, fails):
    may_end, engines = threading.Event(), []

    def make(engine):
        engines.append(engine)
        assert may_end.wait(10)
        if fails and len(engines) == 1:
            raise ModelError("The file is damaged.")
        return DiskPredictor()

    runner = start(make)
    first = runner.submit(Request("a", IMAGE, ONE))
    box.until(Preparing)
    runner.submit(Request("a", IMAGE, TWO))
    may_end.set()
    messages = box.until(Finished)
    assert messages[0] == Prepared(first)
    assert not any(isinstance(m, Failed) for m in messages)


def test_stop_drops_what_is_under_way(start, box):
    gate = threading.Semaphore(0)
    runner = start(lambda engine: DiskPredictor(passes=3, may_step=gate))
    runner.submit(Request("a", IMAGE, ONE))
    gate.release()
    box.until(Stepped)
    runner.stop()
    gate.release(10)
    assert runner.close(timeout=10)
    assert box.empty()


def test_the_predictor_is_made_again_only_for_another_engine(start, box):
    made = []
    runner = start(lambda engine: made.append(engine) or DiskPredictor())
    for engine in ("a", "a", "b"):
        runner.submit(Request(engine, IMAGE, ONE))
        box.until(Finished)
    assert made == ["a", "b"]


def test_a_request_without_clicks_only_prepares(start, box):
    predictor = DiskPredictor()
    runner = start(lambda engine: predictor)
    runner.submit(Request("a", None, Clicks()))
    assert [type(m) for m in box.until(Finished)] == [Preparing, Prepared, Finished]
    assert predictor.asked == []


def test_an_error_is_delivered_and_the_next_request_works(start, box):
    failing = iter([True, False])

    def make(engine):
        if next(failing):
            raise ModelError("The file is damaged.")
        return DiskPredictor()

    runner = start(make)
    runner.submit(Request("a", IMAGE, ONE))
    failed = box.until(Failed)[-1]
    assert str(failed.error) == "The file is damaged."
    runner.submit(Request("a", IMAGE, ONE))
    box.until(Finished)


def test_close_ends_the_thread_and_refuses_further_requests(start):
    before = threading.active_count()
    runner = start(lambda engine: DiskPredictor())
    assert threading.active_count() == before + 1
    assert runner.close(timeout=10)
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="closed"):
        runner.submit(Request("a", IMAGE, ONE))


@pytest.mark.parametrize(("value", "own_thread"), [("1", False), ("0", True), ("", True)])
def test_the_environment_can_ask_for_synchronous_work(start, box, monkeypatch, value, own_thread):
    monkeypatch.setenv("NAPARI_CFR_ICL_SYNC", value)
    predictor = DiskPredictor()
    start(lambda engine: predictor).submit(Request("a", IMAGE, ONE))
    box.until(Finished)
    assert (threading.current_thread().name not in predictor.threads) is own_thread
