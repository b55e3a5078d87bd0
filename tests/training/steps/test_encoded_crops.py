"""Training on kept features learns what training on pictures learns, and goes on after a kill."""

from dataclasses import replace

import pytest
import torch

from golden_models import randomised
from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.training.options import (
    ClickOptions,
    DataOptions,
    FeatureOptions,
    OptimizerOptions,
    ScheduleOptions,
    SuemOptions,
    TrainOptions,
    ValidationOptions,
)
from napari_cfr_icl.training.runs import loop
from napari_cfr_icl.training.runs.run_folder import read_events
from napari_cfr_icl.training.steps.encoded_crops import EncodedCrops
from napari_cfr_icl.zoo import ModelInfo, load, save
from training_collections import write_collection
from training_goldens import GOLDEN

ARCHITECTURE = {"family": "mobile_sam", "detail": True, "image_size": 64, "outline": True}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_collection(tmp_path_factory.mktemp("data") / "cells", 5)


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    model = randomised(ARCHITECTURE)
    save(model, path, ModelInfo("base", model.architecture))
    return TrainOptions(
        base=str(path),
        checkpoint_every=2,
        data=DataOptions(side=64, min_area=20, min_side=24, field=0.5),
        clicks=ClickOptions(centre_start=0.5, max_clicks=4),
        suem=SuemOptions(place=0.2, scale=0.3),
        optimizer=OptimizerOptions(rate=1e-3, frozen=("image_encoder.",)),
        schedule=ScheduleOptions(steps=4, batch=3, precision="float32"),
        features=FeatureOptions(gib=0.1, objects=3, uses=2),
        validation=ValidationOptions(every=0, gate_objects=0),
    )


@pytest.fixture(scope="module")
def whole(cells, options, tmp_path_factory):
    """The weights after a run that nothing disturbed."""
    return _trained(options, cells, tmp_path_factory.mktemp("whole") / "run")


def _trained(options, cells, out, listener=None):
    outcome = loop.main(options, [cells], out, "cpu", listener)
    return load(outcome.model).state_dict() if outcome.finished else None


def _stop_after(out, steps):
    def listen(event):
        if event["event"] == "step" and event["step"] == steps:
            (out / "stop").touch()

    return listen


def _same(one, other):
    return all(torch.equal(one[name], value) for name, value in other.items())


def test_kept_features_are_what_the_encoder_makes_of_a_crop(cells, options, tmp_path, monkeypatch):
    seen = []
    make = EncodedCrops.inputs

    def spied(self, number, samples):
        first, again = make(self, number, samples), make(self, number, samples)
        for one, other in zip(first.features, again.features, strict=True):
            assert torch.equal(one, other)
        crops = [self._batches.several(n, 3) for n in range(self._slots)]
        for target, *kept in zip(first.target, *first.features, strict=True):
            (image,) = [
                crop.images[:1] for crop in crops if (crop.target == target).flatten(1).all(1).any()
            ]
            made = self._model.encode(image.float() / 255)
            for one, other in zip(kept, made, strict=True):
                torch.testing.assert_close(one[None], other, rtol=1e-3, atol=1e-4)
            seen.append(target)
        return first

    monkeypatch.setattr(EncodedCrops, "inputs", spied)
    short = replace(options, schedule=replace(options.schedule, steps=1))
    _trained(short, cells, tmp_path / "run")
    assert len(seen) == 3


@pytest.mark.parametrize("harm", ["nothing", "removed and damaged", "of other options"])
def test_a_run_that_was_stopped_ends_with_the_same_weights(cells, options, whole, tmp_path, harm):
    out = tmp_path / "run"
    assert _trained(options, cells, out, _stop_after(out, 2)) is None
    files = sorted((out / "features").iterdir())
    assert files
    if harm == "of other options":
        other = tmp_path / "other"
        _trained(replace(options, seed=1), cells, other, _stop_after(other, 2))
        for file in (other / "features").iterdir():
            file.replace(out / "features" / file.name)
    elif harm != "nothing":
        files[0].unlink()
        files[1].write_bytes(files[1].read_bytes()[:200])
    assert _same(_trained(None, (), out), whole)
    assert not (out / "features").exists()


def test_the_encoder_stays_and_the_rest_learns(options, whole):
    base = load(options.base).state_dict()
    moved = {name for name, value in base.items() if not torch.equal(value, whole[name])}
    assert not any(name.startswith("image_encoder.") for name in moved)
    assert {"detail.0.weight", "outline.fine.weight", "mask_decoder.iou_token.weight"} & moved


def test_the_loss_goes_down_and_each_crop_is_encoded_once(cells, options, tmp_path, monkeypatch):
    encoded = []
    make = EncodedCrops._made
    monkeypatch.setattr(
        EncodedCrops, "_made", lambda self, number: encoded.append(number) or make(self, number)
    )
    long = replace(
        options,
        base="cfr-icl-mobilesam",
        suem=SuemOptions(0, 0, 0),
        icl=replace(options.icl, weights=(1.0,)),
        optimizer=replace(options.optimizer, rate=5e-4),
        schedule=replace(options.schedule, steps=20, batch=4),
        features=replace(options.features, uses=10),
    )
    _trained(long, cells, tmp_path / "run")
    losses = [e["loss"] for e in read_events(tmp_path / "run") if e["event"] == "step"]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert len(encoded) == len(set(encoded)) <= 2 * 8  # of 80 samples


def test_disk_space_bounds_what_is_kept(cells, options, tmp_path):
    out, small = tmp_path / "run", replace(options.features, gib=3e-4)
    _trained(replace(options, features=small), cells, out, _stop_after(out, 3))
    kept = sum(file.stat().st_size for file in (out / "features").iterdir())
    assert 0 < kept < 3e-4 * 2**30 * 1.2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "optimizer.frozen"),
        ({"optimizer": OptimizerOptions(norms="batch", frozen=("image_encoder.",))}, "norms"),
        ({"base": str(GOLDEN / "g_hrnet_w4s.pth")}, "sees clicks together with the picture"),
    ],
    ids=["encoder that learns", "norms of the batch", "network without features"],
)
def test_features_that_would_change_are_refused(cells, options, tmp_path, change, sentence):
    changed = replace(options, **{"optimizer": OptimizerOptions(), **change})
    with pytest.raises(SettingsError, match=sentence):
        loop.main(changed, [cells], tmp_path / "run", "cpu")
    assert not (tmp_path / "run" / "config.toml").exists()
