from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from napari_cfr_icl import _files, zoo
from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl.engine.clicks import Click
from napari_cfr_icl.engine.runtime.distributed import Distributed
from napari_cfr_icl.evaluation.protocol.simulate import Simulation
from napari_cfr_icl.training.data.check import inspect_dataset
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.data.splits import divide
from napari_cfr_icl.training.options import ValidationOptions
from napari_cfr_icl.training.runs import held_out
from napari_cfr_icl.training.runs.publish import publish_model
from napari_cfr_icl.training.runs.verdict import ALL, GateTrial, choose_objects, compare, decide
from training_collections import write_collection
from training_goldens import GOLDEN

WORLD = Distributed(0, 1, torch.device("cpu"))
OPTIONS = ValidationOptions(
    max_clicks=3, preset=str(GOLDEN.parent / "training" / "small_window.json")
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    found = [
        inspect_dataset(open_collection(write_collection(root / name, 4, first)))
        for name, first in (("cells", 0), ("grains", 20))
    ]
    return [divide(each, held_out=0.5, seed=0) for each in found]


def test_held_out_objects_are_spread_over_collections_and_pictures(parts):
    ranked = held_out.rank_held_out(parts, min_area=20)
    assert [item.collection for item in ranked[:4]] == ["cells", "grains"] * 2
    assert len({item.picture for item in ranked[:4]}) == 4
    assert len({(item.picture, item.label) for item in ranked}) == len(ranked)
    kept = {record.example.key for part in parts for record in part.held_out}
    assert {item.record.example.key for item in ranked} == kept
    again = held_out.rank_held_out(parts, min_area=20)
    assert [(i.picture, i.label) for i in again] == [(i.picture, i.label) for i in ranked]


def test_small_and_unknown_objects_are_not_clicked(parts):
    areas = [a for part in parts for record in part.held_out for a in record.objects.areas]
    middle = int(np.median(areas))
    ranked = held_out.rank_held_out(parts, min_area=middle, ignored_id=2)
    assert 0 < len(ranked) < sum(area >= middle for area in areas)
    assert all((item.truth() == 1).sum() >= middle for item in ranked)
    item = next(i for i in ranked if (i.record.example.labels() == 2).any())
    assert ((item.truth() == -1) == (item.record.example.labels() == 2)).all()


def test_the_robot_clicks_every_object_and_the_numbers_are_its_own(parts):
    model = zoo.load(GOLDEN / "g_hrnet_w4s.pth")
    objects = held_out.by_picture(held_out.rank_held_out(parts, min_area=20)[:3])
    heard = []
    clicked = held_out.click_held_out(
        model.architecture, model.state_dict(), objects, OPTIONS, WORLD, heard.append
    )
    assert heard == [1, 2, 3]
    for item, clicks in zip(objects, clicked, strict=True):
        first = clicks[0].click
        assert first.positive
        assert item.truth()[int(first.row), int(first.col)] == 1
        assert 1 <= len(clicks) <= 3
    facts = held_out.summary(held_out.curves_of(clicked), 3)
    assert facts["iou1"] == pytest.approx(np.mean([c[0].iou for c in clicked]), abs=1e-4)


def test_fewer_clicks_are_better_and_iou_breaks_ties():
    fast, slow, rough = [[0.5, 0.95]], [[0.5, 0.6, 0.95]], [[0.5, 0.92]]
    scores = [held_out.score(curves, ValidationOptions()) for curves in (fast, rough, slow)]
    assert scores == sorted(scores)
    assert len(set(scores)) == 3


def _trial(objects, base, tuned):
    """Networks that need so many clicks for an IoU of 0.95, and have 0.5 before."""

    def clicked(count):
        ious = [0.5] * (count - 1) + [0.95]
        return [Simulation(Click(0, 0), iou, 1, "limit", 0.0, 0.0) for iou in ious]

    return GateTrial(objects, [clicked(n) for n in base], [clicked(n) for n in tuned])


@pytest.fixture(scope="module")
def objects(parts):
    return held_out.rank_held_out(parts, min_area=20)[:8]


@pytest.mark.parametrize(
    ("tuned", "passed", "better", "word"),
    [
        ([2, 2, 3, 2, 3, 2, 2, 2], True, True, "Better than the base"),
        ([4, 4, 4, 4, 4, 4, 4, 4], True, False, "Not worse than the base"),
        ([4, 2, 4, 7, 4, 4, 3, 5], False, False, "No better than the base"),
        ([6, 6, 7, 6, 6, 7, 6, 6], False, False, "Worse than the base"),
        ([1, 6, 1, 6, 1, 6, 1, 6], False, False, "Worse than the base (grains at 80%"),
    ],
    ids=["better", "equal", "unclear", "worse", "better here, worse there"],
)
def test_the_gate_decides(objects, tuned, passed, better, word):
    verdict = decide(compare(_trial(objects, [4] * 8, tuned), 10), 0.9, fresh=True)
    assert (verdict.passed, verdict.better) == (passed, better)
    assert verdict.sentence.startswith(word)


@pytest.mark.parametrize(("tuned", "passed"), [(2, True), (6, False)])
def test_few_pictures_are_no_verdict(objects, tuned, passed):
    few = [replace(item, record=objects[0].record, collection="cells") for item in objects]
    assert len({item.picture for item in few}) == 1
    verdict = decide(compare(_trial(few, [4] * 8, [tuned] * 8), 10), 0.9, fresh=True)
    assert (verdict.passed, verdict.better) == (passed, False)
    assert verdict.sentence.startswith("Too few held-out pictures to judge")
    assert "8 objects of 1 picture" in verdict.sentence


def test_objects_that_never_got_there_are_counted(objects):
    compared = compare(_trial(objects, [4] * 8, [4] * 5 + [12] * 3), 10)
    overall = next(item for item in compared if (item.collection, item.threshold) == (ALL, 0.9))
    assert (overall.base_failed, overall.tuned_failed) == (0, 3)


def test_differences_are_taken_object_by_object(objects):
    compared = compare(_trial(objects, [1, 2, 3, 4, 5, 6, 7, 8], [2, 3, 4, 5, 6, 7, 8, 9]), 10)
    overall = next(item for item in compared if (item.collection, item.threshold) == (ALL, 0.9))
    assert (overall.base, overall.tuned) == (4.5, 5.5)
    assert (overall.difference.low, overall.difference.high) == (1, 1)  # a shift without spread
    assert {item.collection for item in compared} == {ALL, "cells", "grains"}


def test_a_verdict_is_written_whole_or_not_at_all(objects, tmp_path, monkeypatch):
    path = tmp_path / "verdict.json"
    first = decide(compare(_trial(objects, [4] * 8, [2] * 8), 10), 0.9, fresh=True)
    second = decide(compare(_trial(objects, [4] * 8, [6] * 8), 10), 0.9, fresh=True)
    first.save(path)

    def power_cut(part, path):
        raise OSError("no power")

    monkeypatch.setattr(_files, "publish", power_cut)
    with pytest.raises(OSError, match="no power"):
        second.save(path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(asdict(first)))


def _finished(tmp_path, passed):
    run = tmp_path / "my run"
    (run / "gate").mkdir(parents=True)
    zoo.export(GOLDEN / "g_hrnet_w4s.pth", run / "model.safetensors")
    verdict = {"passed": passed, "sentence": "Worse than the base."}
    (run / "gate" / "verdict.json").write_text(json.dumps(verdict))
    return run


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CFR_ICL_MODELS", str(tmp_path / "models"))
    return zoo.ModelStore()


def test_a_model_that_passed_enters_the_menu(tmp_path, own_models):
    assert publish_model(_finished(tmp_path, passed=True), "cells") == "cells"
    assert "cells" in own_models.own_names()


def test_a_model_that_failed_enters_only_when_told(tmp_path, own_models):
    run = _finished(tmp_path, passed=False)
    with pytest.raises(ModelFileError, match="Worse than the base"):
        publish_model(run, "cells")
    assert not own_models.own_names()
    publish_model(run, "cells", anyway=True)
    assert "cells" in own_models.own_names()


def test_a_run_that_is_not_finished_has_no_model(tmp_path):
    with pytest.raises(ModelFileError, match="no finished run"):
        publish_model(tmp_path)


def test_objects_that_chose_the_weights_are_kept_from_the_gate(objects):
    chosen, fresh = choose_objects(objects, ValidationOptions(objects=3, gate_objects=4))
    assert fresh
    assert {item.picture for item in chosen} <= {item.picture for item in objects[3:]}
    assert {id(item) for item in chosen} == {id(item) for item in objects[3:7]}


def test_few_objects_have_to_do_both_and_the_gate_knows(objects):
    chosen, fresh = choose_objects(objects, ValidationOptions(objects=6, gate_objects=30))
    assert not fresh
    assert len(chosen) == len(objects)
