"""The models that we trained: what they say of themselves, what they can, what they still can."""

from dataclasses import replace

import numpy as np
import pytest

from napari_cfr_icl import samples
from napari_cfr_icl.engine import Click, Predictor, Settings
from napari_cfr_icl.zoo import CATALOGUE, load, read_info
from napari_cfr_icl.zoo.file_kinds import file_sha256

BASE = "hrnet18-cocolvis"
TUNED = {"cfr-icl-hrnet18": "EISeg", "cfr-icl-mobilesam": "MobileSAM"}
"""Names, and whom they have to credit."""

PHOTO = {"cfr-icl-hrnet18": 0.9, "cfr-icl-mobilesam": 0.75}
"""IoU that one click on a large object of a photo has to reach; measured: 0.958 and 0.807."""


@pytest.mark.parametrize("name", TUNED)
def test_it_is_the_file_that_was_trained(name):
    assert file_sha256(CATALOGUE[name].embedded_path) == CATALOGUE[name].sha256


@pytest.mark.parametrize("name", TUNED)
def test_it_says_how_it_was_made(name):
    info = read_info(CATALOGUE[name].embedded_path)
    assert (info.name, info.licence, info.dtype) == (name, "Apache-2.0", "float16")
    assert TUNED[name] in info.attribution
    assert {part["name"] for part in info.training["collections"]} >= {
        "dsb2018", "emps", "usiigaci", "coco",
    }  # fmt: skip


@pytest.fixture(scope="module")
def nuclei():
    """The picture, and eight of its nuclei: the click in the middle, and the truth."""
    sample = samples.load("nuclei")
    found = [sample.labels == number for number in np.unique(sample.labels)[1:9]]
    return sample.image, [(Click(*np.argwhere(one).mean(axis=0)), one) for one in found]


def mean_iou(name, image, objects):
    model = load(name)
    settings = replace(Settings.interactive(model).with_inference("std"), precision="float32")
    predictor = Predictor(model, settings, "cpu")
    ious = []
    for click, truth in objects:
        mask = predictor.predict(image, [click]).mask().full()
        ious.append((mask & truth).sum() / (mask | truth).sum())
    return np.mean(ious)


@pytest.mark.parametrize("name", TUNED)
def test_one_click_is_enough_for_a_nucleus_and_was_not_for_the_photo_model(name, nuclei):
    assert mean_iou(name, *nuclei) > mean_iou(BASE, *nuclei) + 0.2


@pytest.mark.parametrize("name", TUNED)
def test_large_objects_of_photos_are_not_forgotten(name):
    sample = samples.load("astronaut")
    whole = sample.labels == 1
    click = Click(*np.argwhere(whole).mean(axis=0))
    assert mean_iou(name, sample.image, [(click, whole)]) > PHOTO[name]
