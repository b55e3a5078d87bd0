from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.training.data.check import Objects, inspect_dataset
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.data.crops import cut_masks
from napari_cfr_icl.training.data.splits import divide
from napari_cfr_icl.training.runs.held_out import HeldOut
from training_collections import SHAPE, disks_picture, write_collection


def _write_list(root, rows):
    lines = [f"images/{i}.tif,labels/{i}.tif,{group_and_split}" for i, group_and_split in rows]
    (root / "collection.csv").write_text("\n".join(["image,labels,group,split", *lines]))


def _kinds(found):
    return {(finding.severity, finding.kind, finding.key) for finding in found.findings}


def test_pairs_are_found_by_stem_in_two_folders(tmp_path):
    collection = open_collection(write_collection(tmp_path / "cells", 3))
    assert [example.key for example in collection.examples] == ["0.tif", "1.tif", "2.tif"]
    picture, labels = disks_picture(1)
    np.testing.assert_array_equal(collection.examples[1].image(), picture)
    np.testing.assert_array_equal(collection.examples[1].labels(), labels)


def test_pairs_are_found_side_by_side(tmp_path):
    picture, labels = disks_picture(0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(labels).save(tmp_path / "a_masks.png")
    (example,) = open_collection(tmp_path).examples
    np.testing.assert_array_equal(example.image(), picture)
    np.testing.assert_array_equal(example.labels(), labels)


def test_images_may_lie_in_a_tree_of_their_own(tmp_path):
    for part in ("train", "val"):
        write_collection(tmp_path / part, 1)
        (tmp_path / "raw" / part).mkdir(parents=True)
        (tmp_path / part / "images" / "0.tif").rename(tmp_path / "raw" / part / "0.tif")
        (tmp_path / "done" / part).mkdir(parents=True)
        (tmp_path / part / "labels" / "0.tif").rename(tmp_path / "done" / part / "0_gt.tif")
    tifffile.imwrite(tmp_path / "done" / "val" / "lonely.tif", np.zeros(SHAPE, np.uint8))
    collection = open_collection(tmp_path / "done", tmp_path / "raw")
    assert [(e.key, e.split) for e in collection.examples] == [
        ("train/0.tif", "train"),
        ("val/0.tif", "val"),
    ]
    np.testing.assert_array_equal(collection.examples[1].image(), disks_picture(0)[0])
    np.testing.assert_array_equal(collection.examples[1].labels(), disks_picture(0)[1])
    assert collection.troubles == (("val/lonely.tif", "there is no image of this name"),)


def test_pictures_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for inner in ("a", "b"):
        write_collection(tmp_path / inner, 2)
        for kind in ("images", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / inner / kind).rename(tmp_path / kind / inner)
    examples = open_collection(tmp_path / "labels", tmp_path / "images").examples
    names = ["a/0.tif", "a/1.tif", "b/0.tif", "b/1.tif"]
    assert [example.key for example in examples] == names
    assert [example.group for example in examples] == names


def test_names_in_a_list_start_where_the_images_are(tmp_path):
    write_collection(tmp_path, 2)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "a.csv").write_text("image,labels\n0.tif,labels/0.tif\n1.tif,labels/1.tif\n")
    _, second = open_collection(tmp_path / "a.csv", tmp_path / "elsewhere").examples
    np.testing.assert_array_equal(second.image(), disks_picture(1)[0])


def test_a_list_gives_pairs_groups_and_split(tmp_path):
    write_collection(tmp_path, 3)
    rows = ["image,labels,group,split"]
    rows += [
        f"images/{i}.tif,labels/{i}.tif,plate{i // 2},{('train', 'val')[i // 2]}" for i in range(3)
    ]
    (tmp_path / "collection.csv").write_text("\n".join(rows))
    examples = open_collection(tmp_path).examples
    assert [(e.group, e.split) for e in examples] == [
        ("plate0", "train"),
        ("plate0", "train"),
        ("plate1", "val"),
    ]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("image;labels;split", "images/0.tif;labels/0.tif;train"),
        ("Image, Labels, Split", "images/0.tif, labels/0.tif, Train"),
        ("IMAGE\tMASK\tSPLIT", "images/0.tif\tlabels/0.tif\ttrain"),
        (" image , labels ,split ", " images\\0.tif , labels\\0.tif , TRAIN "),
        ("\ufeffsplit;img;masks", "train;images/0.tif;C:\\cells\\labels\\0.tif"),
        ('"image","labels","split"', '"images/0.tif","labels/0.tif","train"\r\n,,\r\n'),
    ],
    ids=["semicolons", "capitals", "tabs", "spaces-backslashes", "mark-synonyms", "quotes-blank"],
)
def test_lists_of_other_programs_are_understood(tmp_path, header, line):
    write_collection(tmp_path, 1)
    (tmp_path / "labels" / "0.tif").rename(tmp_path / "0.tif")
    (tmp_path / "labels" / "0.tif").write_bytes((tmp_path / "0.tif").read_bytes())
    (tmp_path / "collection.csv").write_text(f"{header}\n{line}\n", encoding="utf-8")
    (example,) = open_collection(tmp_path).examples
    assert example.split == "train"
    np.testing.assert_array_equal(example.image(), disks_picture(0)[0])
    np.testing.assert_array_equal(example.labels(), disks_picture(0)[1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_lists_in_the_encodings_of_spreadsheets_are_understood(tmp_path, encoding):
    write_collection(tmp_path, 1)
    (tmp_path / "images" / "0.tif").rename(tmp_path / "images" / "Zähler.tif")
    listed = "image\tlabels\nimages/Zähler.tif\tlabels/0.tif\n"
    (tmp_path / "collection.csv").write_bytes(listed.encode(encoding))
    (example,) = open_collection(tmp_path).examples
    np.testing.assert_array_equal(example.image(), disks_picture(0)[0])


def test_a_list_with_other_columns_is_refused(tmp_path):
    (tmp_path / "collection.csv").write_text("file;class\na;1\n")
    with pytest.raises(InputError, match="needs the columns image and labels; it has file, class"):
        open_collection(tmp_path)
    (tmp_path / "collection.csv").write_text("")
    with pytest.raises(InputError, match="it has none"):
        open_collection(tmp_path)


def test_ids_below_zero_are_unknown_truth_in_training_too(tmp_path):
    write_collection(tmp_path, 1)
    labels = disks_picture(0)[1].astype(np.int16)
    labels[:5] = -1
    tifffile.imwrite(tmp_path / "labels" / "0.tif", labels)
    found = inspect_dataset(open_collection(tmp_path))
    (record,) = found.records
    assert record.objects.ids.tolist() == [1, 2, 3]
    assert ("note", "unknown", "0.tif") in _kinds(found)
    truth = HeldOut("cells", record, 1).truth()
    assert (truth[:5] == -1).all()
    assert np.count_nonzero(truth == 1) == record.objects.areas[0]
    window = Window.whole(SHAPE)
    for ids in ((1, -2, -1, -2), (1, -2, -1, 3)):
        unknown = cut_masks(torch.from_numpy(record.example.labels()), window, 72, ids)[-1]
        assert unknown[:4].all()


def test_what_belongs_to_several_is_reported(tmp_path):
    write_collection(tmp_path, 2)
    (tmp_path / "labels" / "0_mask.tif").write_bytes((tmp_path / "labels" / "0.tif").read_bytes())
    found = inspect_dataset(open_collection(tmp_path))
    assert [record.example.key for record in found.records] == ["1.tif"]
    (finding,) = [finding for finding in found.findings if finding.key == "0.tif"]
    assert "(0.tif, 0_mask.tif for 0.tif): keep one image and its labels" in finding.text


def test_coco_boxes_are_said_in_the_check(tmp_path):
    Image.fromarray(np.eye(20, 30, dtype=np.uint8)).save(tmp_path / "a.png")
    mask = [[4, 4, 12, 4, 12, 12, 4, 12]]
    annotations = [{"id": 1, "image_id": 5, "segmentation": mask}, {"id": 2, "image_id": 5}]
    images = [{"id": 5, "file_name": "a.png", "height": 20, "width": 30}]
    content = {"images": images, "annotations": annotations}
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = inspect_dataset(open_collection(tmp_path / "a.json"))
    assert ("warning", "assumed", "a.png") in _kinds(found)
    assert len(found.records[0].objects) == 1


def test_folders_called_train_and_val_are_the_split(tmp_path):
    write_collection(tmp_path / "train", 2)
    write_collection(tmp_path / "val", 1, first=7)
    found = inspect_dataset(open_collection(tmp_path))
    parts = divide(found, held_out=0.5, seed=0)
    assert [record.example.key for record in parts.train] == ["train/0.tif", "train/1.tif"]
    assert [record.example.key for record in parts.held_out] == ["val/7.tif"]


def test_planes_of_stacks_with_channels_are_pictures_of_one_group(tmp_path):
    planes = [disks_picture(seed) for seed in range(2)]
    pixels = np.stack([np.stack([p, p // 2]) for p, _ in planes]).astype(np.uint16) * 100
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    tifffile.imwrite(tmp_path / "images" / "s.tif", pixels)  # planes, channels, rows, columns
    tifffile.imwrite(tmp_path / "labels" / "s.tif", np.stack([labels for _, labels in planes]))
    first, second = open_collection(tmp_path).examples
    assert (first.key, second.key) == ("s.tif[0]", "s.tif[1]")
    assert first.group == second.group
    np.testing.assert_array_equal(second.image(), np.moveaxis(pixels[1], 0, -1))
    np.testing.assert_array_equal(second.labels(), planes[1][1])


def test_zarr_is_read_plane_by_plane(tmp_path):
    zarr = pytest.importorskip("zarr")
    picture, labels = disks_picture(4)
    for name, values in (("images", picture), ("labels", labels)):
        (tmp_path / name).mkdir()
        array = zarr.create_array(
            store=str(tmp_path / name / "a.zarr"), shape=(2, *SHAPE), dtype=values.dtype
        )
        array[0], array[1] = values, values[::-1]
    _, second = open_collection(tmp_path).examples
    np.testing.assert_array_equal(second.image(), picture[::-1])
    np.testing.assert_array_equal(second.labels(), labels[::-1])


def test_coco_json_becomes_labels_and_no_object_hides_a_smaller_one(tmp_path):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")

    def box(r, c, h, w):
        return [[c, r, c + w, r, c + w, r + h, c, r + h]]

    annotations = [
        {"id": 1, "image_id": 5, "segmentation": box(4, 4, 4, 4), "iscrowd": 0},
        {"id": 2, "image_id": 5, "segmentation": box(2, 2, 12, 20), "iscrowd": 0},
    ]
    images = [{"id": 5, "file_name": "a.png", "height": 20, "width": 30}]
    (tmp_path / "instances.json").write_text(
        json.dumps({"images": images, "annotations": annotations})
    )
    (example,) = open_collection(tmp_path / "instances.json").examples
    ids, areas = np.unique(example.labels(), return_counts=True)
    assert ids.tolist() == [0, 1, 2]
    assert areas.tolist() == [360, 224, 16]


def test_missing_partners_are_named_and_do_not_stop_the_rest(tmp_path):
    write_collection(tmp_path, 2)
    (tmp_path / "labels" / "0.tif").unlink()
    tifffile.imwrite(tmp_path / "labels" / "lonely.tif", np.zeros(SHAPE, np.uint8))
    found = inspect_dataset(open_collection(tmp_path))
    assert {("error", "files", "0.tif"), ("error", "files", "lonely.tif")} <= _kinds(found)
    assert [record.example.key for record in found.records] == ["1.tif"]


def test_every_trouble_is_reported_with_its_file(tmp_path):
    write_collection(tmp_path, 8)
    labels = np.zeros(SHAPE, np.uint16)

    def write(part, i, values):
        tifffile.imwrite(tmp_path / part / f"{i}.tif", values)

    write("labels", 0, np.zeros((10, 12), np.uint16))
    write("labels", 1, labels)
    (tmp_path / "images" / "2.tif").write_bytes(b"II*\0 no picture")
    write("images", 3, np.full(SHAPE, 7, np.uint8))
    pieces = labels.copy()
    pieces[5:15, 5:15] = pieces[30:40, 30:40] = 1
    pieces[15:18, 5:15] = 2
    write("labels", 4, pieces)
    write("images", 5, disks_picture(6)[0])
    write("labels", 7, labels + 1)
    found = inspect_dataset(open_collection(tmp_path), min_area=40)
    kinds = _kinds(found)
    assert "labels 10 x 12" in next(f.text for f in found.findings if f.key == "0.tif")
    assert {
        ("error", "unusable", "0.tif"),
        ("error", "empty", "1.tif"),
        ("error", "unusable", "2.tif"),
        ("warning", "constant", "3.tif"),
        ("warning", "disconnected", "4.tif"),
        ("note", "tiny", "4.tif"),
        ("note", "touching", "4.tif"),
        ("warning", "repeated", "6.tif"),
        ("warning", "large", "7.tif"),
    } <= kinds


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (np.full(SHAPE, np.nan, np.float32), ("warning", "constant", "0.tif")),
        (np.where(np.eye(*SHAPE), np.nan, 3.0), ("warning", "constant", "0.tif")),
        (np.eye(*SHAPE, dtype=np.complex64), ("error", "unusable", "0.tif")),
    ],
    ids=["nan", "nan and one value", "complex"],
)
def test_pixels_with_nothing_to_see_are_reported(tmp_path, pixels, kind):
    write_collection(tmp_path, 2)
    tifffile.imwrite(tmp_path / "images" / "0.tif", pixels)
    assert _kinds(inspect_dataset(open_collection(tmp_path), min_area=1)) >= {kind}


def test_objects_of_enormous_ids_are_found(tmp_path):
    labels = np.zeros((9, 9), np.int32)
    labels[1:4, 2:7] = 2_000_000_000
    labels[5, 5] = 7
    objects = Objects.of(labels)
    assert objects.ids.tolist() == [7, 2_000_000_000]
    assert objects.areas.tolist() == [1, 15]
    assert objects.boxes.tolist() == [[5, 5, 6, 6], [1, 2, 4, 7]]


def test_ids_too_large_for_training_are_numbered_anew(tmp_path):
    write_collection(tmp_path, 1)
    labels = np.zeros(SHAPE, np.uint64)
    labels[2:12, 2:12], labels[20:30, 2:12], labels[40:50, 2:12] = 2**60 + 1, 2, 2**60
    tifffile.imwrite(tmp_path / "labels" / "0.tif", labels)
    (example,) = open_collection(tmp_path).examples
    found = example.labels()
    assert found.dtype == np.int32
    assert [found[r, 5] for r in (0, 5, 25, 45)] == [0, 3, 2, 1]


def test_the_fingerprint_notices_a_single_pixel(tmp_path):
    write_collection(tmp_path, 2)
    before = inspect_dataset(open_collection(tmp_path)).fingerprint
    picture, _ = disks_picture(1)
    picture[0, 0] += 1
    tifffile.imwrite(tmp_path / "images" / "1.tif", picture)
    assert inspect_dataset(open_collection(tmp_path)).fingerprint != before


def test_groups_are_held_out_whole_and_the_same_every_time(tmp_path):
    write_collection(tmp_path, 10)
    _write_list(tmp_path, [(i, f"g{i % 5},") for i in range(10)])
    found = inspect_dataset(open_collection(tmp_path))
    parts = divide(found, held_out=0.4, seed=3)
    train, held_out = ({p.example.group for p in side} for side in (parts.train, parts.held_out))
    assert len(held_out) == 2
    assert not train & held_out
    again = divide(found, held_out=0.4, seed=3)
    assert [p.example.key for p in again.held_out] == [p.example.key for p in parts.held_out]


def test_copies_never_fall_on_both_sides(tmp_path):
    write_collection(tmp_path, 6)
    for i in (1, 2, 3):  # the same picture under four names
        tifffile.imwrite(tmp_path / "images" / f"{i}.tif", disks_picture(0)[0])
    found = inspect_dataset(open_collection(tmp_path))
    for seed in range(12):
        parts = divide(found, held_out=0.3, seed=seed)
        train, val = ({p.pixels_hash for p in side} for side in (parts.train, parts.held_out))
        assert not train & val


def test_a_copy_of_a_given_held_out_picture_is_left_out_of_training(tmp_path):
    write_collection(tmp_path / "train", 3)
    write_collection(tmp_path / "val", 2, first=2)  # number 2 is in both
    parts = divide(inspect_dataset(open_collection(tmp_path)), held_out=0.2, seed=0)
    assert [record.example.key for record in parts.train] == ["train/0.tif", "train/1.tif"]
    assert [(f.kind, f.key) for f in parts.findings] == [("leak", "train/2.tif")]


def test_a_group_on_both_sides_of_a_given_split_is_refused(tmp_path):
    write_collection(tmp_path, 2)
    _write_list(tmp_path, [(0, "a,train"), (1, "a,val")])
    with pytest.raises(InputError, match="'a' is in both"):
        divide(inspect_dataset(open_collection(tmp_path)), held_out=0.2, seed=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "no collection at"),
        ("a.txt", "x", "is no collection"),
        ("a.csv", "picture,mask\n", "needs the columns image and labels"),
        ("empty.csv", "", "it has none"),
        ("short.csv", "image,labels\na.tif\n", "Line 2 of .* must name an image and its labels"),
        ("b.csv", "image,labels,split\na,b,test\n", "split is train or val"),
        ("a.json", "{}", "no COCO json"),
    ],
)
def test_what_is_no_collection_is_said_in_one_sentence(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        open_collection(tmp_path / name)


def test_an_empty_folder_is_no_collection(tmp_path):
    with pytest.raises(InputError, match="holds no image with a label image"):
        open_collection(tmp_path)


def test_where_nothing_matches_each_reason_is_said_once(tmp_path):
    for folder, name in (("images", "exp"), ("labels", "gt")):
        (tmp_path / folder).mkdir()
        for number in range(5):
            tifffile.imwrite(tmp_path / folder / f"{name}_{number}.tif", np.ones((8, 8), np.uint8))
    with pytest.raises(InputError) as told:
        open_collection(tmp_path)
    text = str(told.value)
    assert text.count("no label image of this name") == text.count("no image of this name") == 1
    assert "exp_0.tif, exp_1.tif, exp_2.tif and 2 more" in text
