"""A gesture becomes clicks, a weak mask and a view, in places that can be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from checkpoints import tiny
from napari_cfr_icl._errors import ClickError
from napari_cfr_icl.engine import Click, Predictor, Window
from napari_cfr_icl.engine.prompts.gestures import Box, Lasso, Scribble
from napari_cfr_icl.engine.prompts.prompt import STRENGTH, prompt_of

SHAPE = (60, 80)


@pytest.mark.parametrize("box", [Box(20, 30, 28, 42), Box(28, 42, 20, 30)], ids=["down", "up"])
def test_a_box_is_the_ellipse_in_it(box):
    prompt = prompt_of(box, SHAPE)
    mask = prompt.previous.full()
    assert set(np.unique(mask)) == {np.float32(0), np.float32(STRENGTH)}
    assert prompt.previous.bounds() == Window(20, 30, 9, 13)
    assert mask[[24, 24, 20, 28], [30, 42, 36, 36]].all()
    assert not mask[20, 30]
    assert prompt.clicks[0] == Click(24, 36)
    corners = [(18, 28), (18, 44), (30, 28), (30, 44)]
    assert list(prompt.clicks[1:]) == [Click(*place, positive=False) for place in corners]
    assert prompt.view == Window(-40, -28, 128, 128)


def test_a_lasso_is_its_inside():
    lasso = Lasso(((10, 10), (10, 30), (30, 30), (30, 20), (20, 20), (20, 10)))
    prompt = prompt_of(lasso, SHAPE)
    mask = prompt.previous.full() > 0
    assert mask[12:19, 12:29].all()
    assert mask[22:29, 22:29].all()
    assert not mask[22:, :20].any()
    assert prompt.clicks[0].positive
    assert mask[int(prompt.clicks[0].row), int(prompt.clicks[0].col)]


def test_a_scribble_is_clicks_evenly_along_it():
    stroke = Scribble(((10, 10), (10, 11), (10, 12), (10, 40)), positive=False)
    prompt = prompt_of(stroke, SHAPE)
    assert list(prompt.clicks) == [Click(10, col, positive=False) for col in (15, 25, 35)]
    assert prompt.previous is None
    assert list(prompt_of(Scribble(((5, 6),)), SHAPE).clicks) == [Click(5, 6)]


def test_what_reaches_beyond_the_image_is_cut_off():
    prompt = prompt_of(Box(-20, -20, 10, 10), SHAPE)
    assert prompt.previous.window.intersection(Window.whole(SHAPE)) == prompt.previous.window
    assert [click.positive for click in prompt.clicks] == [True, False]
    clicks = prompt_of(Scribble(((10, -9), (10, 10), (10, 90))), SHAPE).clicks
    assert [(click.row, click.col) for click in clicks] == [(10, 10)]


def test_an_outline_in_a_huge_image_costs_its_own_size():
    prompt = prompt_of(Lasso(((90_000, 5), (90_000, 25), (90_020, 5))), (10**6, 10**6))
    assert prompt.previous.window == Window(90_000, 5, 21, 21)


@pytest.mark.parametrize(
    "gesture", [Box(70, 10, 90, 20), Lasso(((0, 90), (5, 90), (5, 99))), Scribble(((-9, 4),))]
)
def test_a_gesture_outside_the_image_is_refused(gesture):
    with pytest.raises(ClickError, match="holds no pixel of the image of 60 rows and 80 columns"):
        prompt_of(gesture, SHAPE)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Box(0, 0, float("nan"), 4), "finite"),
        (lambda: Scribble(()), "at least one point"),
        (lambda: Lasso(((0, 0), (1, 1))), "at least 3 points, not 2"),
    ],
)
def test_a_malformed_gesture_is_refused(make, why):
    with pytest.raises(ClickError, match=why):
        make()


@pytest.mark.parametrize("looks_once", [False, True])
@pytest.mark.parametrize(
    "gesture", [Box(20, 30, 28, 42), Lasso(((20, 30), (20, 42), (28, 42), (28, 30)))]
)
def test_an_object_lies_about_its_gesture_until_clicks_say_otherwise(
    monkeypatch, gesture, looks_once
):
    predictor = Predictor(tiny(), device="cpu")
    seen = []

    def everywhere(image, previous, points):
        seen.append(int((points[0, :, 2] >= 0).sum()))
        return torch.full((1, 1, *image.shape[2:]), 9.0)

    predictor.network = predictor.network.with_run(lambda run: everywhere)
    monkeypatch.setattr(type(predictor.network), "caches_image_features", looks_once)
    prompt = prompt_of(gesture, SHAPE)
    image = np.zeros((*SHAPE, 3), np.uint8)
    first = predictor.predict(image, prompt.clicks, prompt.previous, prompt.view)
    assert first.mask().bounds() == Window(19, 29, 11, 15)
    assert seen == ([5, 5] if looks_once else [5])
    clicks = prompt.clicks.added(Click(50, 70))
    assert predictor.predict(image, clicks, first).mask().values.all()
    assert seen[-1] == 6
