from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.options import IclOptions, TrainOptions


def test_a_written_recipe_reads_back_the_same():
    options = recipes.with_assignments(
        TrainOptions(), ["optimizer.frozen=['a.', 'b.']", "data.zoom=[1, 2.5]", "seed=3"]
    )
    assert recipes.parse(recipes.dumps(options)) == options
    assert options.optimizer.frozen == ("a.", "b.")


def test_every_option_explains_itself():
    lines = recipes.dumps(TrainOptions()).splitlines()
    assert sum(len(line.split("  # ")[1]) > 5 for line in lines if " = " in line) > 50
    for section in fields(TrainOptions()):
        value = getattr(TrainOptions(), section.name)
        for spec in fields(value) if is_dataclass(value) else [section]:
            assert len(spec.metadata["help"]) > 5, spec.name


@pytest.mark.parametrize("name", recipes.BUILT_IN)
def test_recipes_that_ship_are_valid(name):
    options = recipes.load_recipe(name)
    assert options != TrainOptions()


def test_the_paper_recipe_is_the_papers():
    options = recipes.load_recipe("paper")
    assert (options.optimizer.name, options.optimizer.rate) == ("adam", 5e-6)
    assert options.data.side == 448
    assert options.icl == IclOptions(weights=(1.0, 2.0, 3.0), first_pass="paper")
    assert not options.suem.translucent


def test_what_a_recipe_does_not_name_keeps_its_default():
    options = recipes.parse("[schedule]\nsteps = 7")
    assert options.schedule.steps == 7
    assert options.data == TrainOptions().data


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("schedule.stepz=5", "no option schedule.stepz"),
        ("schedule=3", "section"),
        ("schedule.steps=many", "whole number"),
        ("schedule.steps=0", "from 1"),
        ("icl.first_pass=last", "one of code, paper"),
        ("icl.weights=[]", "must end with a weight above 0"),
        ("icl.weights=[0, 0]", "must end with a weight above 0"),
        ("icl.weights=[1, 0]", "must end with a weight above 0"),
        ("icl.weights=[0, 1]", 'icl.first_pass to "paper"'),
        ("icl.weights=[1, -1]", "weights must be from 0"),
        ("icl.weights=[1, nan]", "weights must be from 0"),
        ("data.zoom=[3, 1]", "in order"),
        ("data.weights=[0, 0]", "must hold a weight above 0"),
        ("suem.simple=1.5", "from 0 to 1"),
        ("optimizer.rate=true", "a number"),
        ("steps", "NAME=VALUE"),
    ],
)
def test_wrong_values_are_refused_by_name(assignment, message):
    with pytest.raises(SettingsError, match=message):
        recipes.with_assignments(TrainOptions(), [assignment])


@pytest.mark.parametrize(
    "icl",
    [
        {"weights": (0.0, 1.0), "first_pass": "paper"},
        {"weights": (), "enabled": False},
        {"weights": (1.0, 0.0, 2.0)},
    ],
    ids=["first not trained", "without ICL", "middle not trained"],
)
def test_weights_that_train_something_are_accepted(icl):
    assert IclOptions(**icl).weights == icl["weights"]


def test_broken_and_missing_recipes_are_named(tmp_path):
    (tmp_path / "broken.toml").write_text("[schedule\n")
    with pytest.raises(SettingsError, match=r"broken\.toml is not valid TOML"):
        recipes.load_recipe(tmp_path / "broken.toml")
    with pytest.raises(SettingsError, match="is no recipe: give one of finetune, paper"):
        recipes.load_recipe(tmp_path / "none.toml")
