"""The default model: what it says of itself, what its base did not know, and what it still does."""

import numpy as np
import pytest

from napari_cfr_icl import samples
from napari_cfr_icl.engine import Click, Predictor, Settings
from napari_cfr_icl.zoo import CATALOGUE, load, read_info
from napari_cfr_icl.zoo.file_kinds import file_sha256

BASE = "hrnet18-cocolvis"
NAME = "cfr-icl-hrnet18"
ENTRY = CATALOGUE[NAME]


def test_it_is_the_file_that_was_trained():
    assert file_sha256(ENTRY.embedded_path) == ENTRY.sha256


def test_it_says_how_it_was_made():
    info = read_info(ENTRY.embedded_path)
    assert (info.name, info.licence, info.dtype) == (NAME, "Apache-2.0", "float16")
    assert "EISeg" in info.attribution
    assert {part["name"] for part in info.training["collections"]} == {
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
    predictor = Predictor(model, Settings.preset("paper", model).with_inference("std"), "cpu")
    ious = []
    for click, truth in objects:
        mask = predictor.predict(image, [click]).mask().full()
        ious.append((mask & truth).sum() / (mask | truth).sum())
    return np.mean(ious)


def test_one_click_is_enough_for_a_nucleus_and_was_not_for_the_base(nuclei):
    image, objects = nuclei
    assert mean_iou(NAME, image, objects) > mean_iou(BASE, image, objects) + 0.2


def test_large_objects_of_photos_are_not_forgotten():
    sample = samples.load("astronaut")
    whole = sample.labels == 1
    click = Click(*np.argwhere(whole).mean(axis=0))
    assert mean_iou(NAME, sample.image, [(click, whole)]) > 0.9
