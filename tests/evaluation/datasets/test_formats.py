from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_cfr_icl._errors import CfrIclError, InputError, SettingsError
from napari_cfr_icl.evaluation.datasets import FORMATS, ReaderOptions, open_dataset
from napari_cfr_icl.evaluation.datasets.sbd import sbd

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
ARRAYS = np.load(GOLDEN / "tiny_datasets_expected.npz")
EXPECTED = json.loads((GOLDEN / "tiny_datasets_expected.json").read_text())

TRAIN = ReaderOptions(split="train")
STUFF = ReaderOptions(split="train", with_stuff=True)
GREYS = ReaderOptions(merge_equal_greys=True)
CASES = {
    "GrabCut": ("grabcut", "GrabCut", None),
    "Berkeley": ("berkeley", "Berkeley", None),
    "DAVIS": ("davis", "DAVIS", None),
    "COCO_MVal": ("coco-mval", "COCO_MVal", None),
    "PascalVOC": ("pascal-voc", "VOC2012", GREYS),
    "images_dir": ("mask-files", "images_dir", None),
    "SBD_train_style": ("sbd", "SBD/dataset", ReaderOptions(split="val")),
    "COCO_LVIS_nostuff": ("coco-lvis", "LVIS", TRAIN),
    "COCO_LVIS_stuff": ("coco-lvis", "LVIS", STUFF),
}


def tiny(name, folder, options=None):
    return open_dataset(GOLDEN / "tiny_datasets" / folder, name, options)


@pytest.mark.parametrize("case", CASES)
def test_pictures_and_truths_are_those_of_the_public_code(case):
    pictures = tiny(*CASES[case]).pictures

    assert len(pictures) == len(EXPECTED[case])
    for number, picture in enumerate(pictures):
        objects = picture.objects()
        np.testing.assert_array_equal(picture.image(), ARRAYS[f"{case}__{number}__image"])
        assert [item.area for item in objects] == EXPECTED[case][number]["areas"]
        for i, item in enumerate(objects):
            truth = item.truth()
            assert truth.dtype == np.int8
            np.testing.assert_array_equal(truth, ARRAYS[f"{case}__{number}__gt{i}"])


def test_objects_of_sbd_come_in_the_order_of_the_public_code():
    pictures = tiny("sbd", "SBD/dataset").pictures
    found = [(picture.key, int(item.key)) for picture in pictures for item in picture.objects()]

    assert [str(pair) for pair in found] == [item["sample"] for item in EXPECTED["SBD_eval"]]


def test_training_on_sbd_leaves_flawed_annotations_out(tmp_path, monkeypatch):
    labels = np.zeros((40, 40), np.int32)
    labels[np.arange(30), np.arange(30)] = 1  # fills a thirtieth of its box
    labels[35:39, 2:9] = 2
    monkeypatch.setattr("napari_cfr_icl.evaluation.datasets.sbd.read_instances", lambda _: labels)
    for name in ("img", "inst"):
        (tmp_path / name).mkdir()
    for split in ("train", "val"):
        (tmp_path / f"{split}.txt").write_text("one\n")

    kept = {
        split: [item.key for item in sbd(tmp_path, split).pictures[0].objects()]
        for split in ("train", "val")
    }

    assert kept == {"train": ["2"], "val": ["1", "2"]}


def test_voc_tells_objects_apart_by_palette_index():
    (picture,) = tiny("pascal-voc", "VOC2012").pictures
    objects = picture.objects()
    merged = ARRAYS["PascalVOC__0__gt0"] == 1

    assert [(item.key, item.area) for item in objects] == [("1", 81), ("2", 113), ("16", 12)]
    np.testing.assert_array_equal((objects[0].truth() == 1) | (objects[2].truth() == 1), merged)
    assert (objects[0].truth() == -1).sum() == 68


def test_small_objects_can_be_left_out():
    options = ReaderOptions(split="train", min_area=80)

    (picture,) = tiny("coco-lvis", "LVIS", options).pictures

    assert [item.area for item in picture.objects()] == [197, 81]


def test_nothing_is_written_into_the_data_set():
    before = {path: os.stat(path).st_mtime_ns for path in GOLDEN.rglob("tiny_datasets/**/*")}

    for case in CASES.values():
        for picture in tiny(*case).pictures:
            picture.image()
            [item.truth() for item in picture.objects()]

    after = {path: os.stat(path).st_mtime_ns for path in GOLDEN.rglob("tiny_datasets/**/*")}
    assert before == after


def test_listing_a_data_set_reads_no_picture(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"no picture at all")

    (picture,) = open_dataset(tmp_path, "berkeley").pictures

    with pytest.raises(CfrIclError, match=r"a\.png cannot be read"):
        picture.image()


@pytest.mark.parametrize("name", FORMATS)
def test_wrong_folder_is_named(name, tmp_path):
    (tmp_path / "notes.txt").write_text("not a data set")

    with pytest.raises(InputError, match=str(tmp_path)):
        open_dataset(tmp_path, name)
    with pytest.raises(InputError, match="no data set at"):
        open_dataset(tmp_path / "nowhere", name)


def test_unknown_format_and_impossible_size_are_named(tmp_path):
    with pytest.raises(InputError, match="no format 'tarot'; choose one of grabcut"):
        open_dataset(tmp_path, "tarot")
    with pytest.raises(SettingsError, match="smallest area"):
        ReaderOptions(min_area=0)


def test_missing_mask_is_named(tmp_path):
    for name, file in (("images", "a.png"), ("masks", "b.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()

    for name in ("berkeley", "mask-files"):
        with pytest.raises(InputError, match=r"no mask for 'a"):
            open_dataset(tmp_path, name)
