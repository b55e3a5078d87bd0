from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from blob_dataset import TINY_MODEL, TINY_SETTINGS, write_blobs, write_settings
from napari_cfr_icl import zoo
from napari_cfr_icl._errors import InputError, OutputError, SettingsError
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.evaluation.protocol.metrics import noc
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions, Protocol
from napari_cfr_icl.evaluation.protocol.result_log import read_logs
from napari_cfr_icl.evaluation.protocol.settings_file import load_settings
from napari_cfr_icl.evaluation.run import evaluate
from napari_cfr_icl.evaluation.tuning.options import TuneOptions
from napari_cfr_icl.evaluation.tuning.policies import Grid
from napari_cfr_icl.evaluation.tuning.scores import Scores
from napari_cfr_icl.evaluation.tuning.search_records import SearchRecord
from napari_cfr_icl.evaluation.tuning.selection import costs
from napari_cfr_icl.evaluation.tuning.tune import tune

GRID = Grid((1, 3), (5,), (0.02,), (1, None), (False, True))


@pytest.fixture
def options(tmp_path):
    current = replace(TINY_SETTINGS, refinement=Refinement(steps=1, rezoom=True))
    return TuneOptions(
        (DatasetChoice(write_blobs(tmp_path / "blobs", pictures=3, count=1)),),
        tmp_path / "out",
        str(TINY_MODEL),
        preset=str(write_settings(tmp_path / "tiny.json", current)),
        grid=GRID,
        max_clicks=4,
        device="cpu",
    )


def test_search_chooses_what_a_run_for_each_policy_chooses(options, tmp_path):
    choice = tune(options)

    policies = [standing.policy for standing in choice.standings]
    presets = []
    for number, policy in enumerate(policies):
        settings = replace(TINY_SETTINGS, refinement=policy)
        presets.append(str(write_settings(tmp_path / f"{number}.json", settings)))
    runs = EvaluateOptions(
        options.datasets,
        tmp_path / "runs",
        (options.model,),
        ("preset",),
        tuple(presets),
        Protocol(options.max_clicks, (options.goal,)),
        device="cpu",
        worst=0,
    )
    records = evaluate(runs)
    counted = [[r for r in records if r.method.preset == preset] for preset in presets]
    clicks = [[noc(r.ious, 0.9, 4) for r in group] for group in counted]
    passes = [[sum(r.passes) for r in group] for group in counted]
    assert [s.clicks for s in choice.standings] == pytest.approx(np.mean(clicks, axis=1))
    assert [s.passes for s in choice.standings] == pytest.approx(np.mean(passes, axis=1))
    assert choice.savings.passes_without == np.sum(passes)
    by_runs = costs(
        Scores(
            np.array(clicks, float),
            np.array(passes, float),
            np.ones((len(policies), 3)),
            np.zeros((len(policies), 3), bool),
            ("blobs",) * 3,
            ("0", "1", "2"),
        ),
        options.objective,
    )
    by_search = costs(
        Scores.of(list(read_logs(options.out, SearchRecord.from_line)), options.objective),
        options.objective,
    )
    assert np.argmin(by_search) == np.argmin(by_runs)


def test_search_writes_settings_that_can_be_used_at_once(options):
    choice = tune(options)

    best = choice.standings[choice.recommended].policy
    found = load_settings(options.out / "recommended.json")
    assert found == replace(TINY_SETTINGS, refinement=best)
    text = (options.out / "tune.md").read_text()
    assert text.startswith("# Recommended: ")
    assert "times fewer" in text
    content = json.loads((options.out / "tune.json").read_text())
    assert content["recommended"] == choice.recommended
    assert len(content["standings"]) == len(choice.standings)
    names = {path.name for path in options.out.iterdir()}
    assert {"front.png", "front.svg", "policies.csv", "run.json"} < names


def test_interrupted_search_goes_on_where_it_was(options):
    class Stopped(Exception):
        pass

    def stop(_):
        raise Stopped

    with pytest.raises(Stopped):
        tune(options, stop)
    seen = []
    choice = tune(options, seen.append)

    assert [step.result.subject.picture for step in seen] == ["1.png", "2.png"]
    assert seen[-1].fraction == 1
    assert choice == tune(options)


def test_a_search_loads_its_model_once(options, monkeypatch):
    loaded, real = [], zoo.load
    monkeypatch.setattr(zoo, "load", lambda name: loaded.append(name) or real(name))

    tune(options)

    assert loaded == [options.model]


def test_folder_of_another_search_is_refused(options):
    tune(options)

    with pytest.raises(OutputError, match="with other grid"):
        tune(replace(options, grid=replace(GRID, steps=(1, 2))))


def test_nothing_to_search_on_is_said(options):
    with pytest.raises(InputError, match="no object"):
        tune(replace(options, reader=replace(options.reader, min_area=10**6)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"datasets": ()}, "datasets"),
        ({"click_worth": 0}, "worth some passes"),
        ({"goal": 1.5}, "IoU to reach"),
        ({"max_clicks": 0}, "number of clicks must be at least 1"),
    ],
)
def test_nonsense_is_refused_by_name(options, changes, complaint):
    with pytest.raises(SettingsError, match=complaint):
        replace(options, **changes)
