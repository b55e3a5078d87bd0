from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from napari_cfr_icl._errors import ImageError, InputError
from napari_cfr_icl.evaluation.datasets.coco_json import coco_json, run_lengths

MASK = np.zeros((20, 30), np.uint8)
MASK[4:10, 5:15] = 1


def as_polygon():
    return [[5, 4, 15, 4, 15, 10, 5, 10]]


def as_counts():
    flat = MASK.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    return {"size": [20, 30], "counts": np.diff([0, *changes, flat.size]).tolist()}


def as_compressed():
    encoded = coco_masks.encode(np.asfortranarray(MASK))
    return {"size": [20, 30], "counts": encoded["counts"].decode()}


def write(root, segmentation, image_name="a.png", folder="images", **annotation):
    (root / folder).mkdir(parents=True)
    Image.fromarray(MASK * 100).save(root / folder / image_name)
    (root / "annotations").mkdir()
    path = root / "annotations" / "instances_val2017.json"
    content = {
        "images": [
            {"id": 4, "file_name": image_name, "height": 20, "width": 30},
            {"id": 5, "file_name": "empty.png", "height": 20, "width": 30},
        ],
        "annotations": [{"id": 9, "image_id": 4, "segmentation": segmentation, **annotation}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "segmentation", [as_polygon(), as_counts(), as_compressed()], ids=["polygon", "counts", "rle"]
)
def test_masks_of_every_kind_are_decoded(tmp_path, segmentation):
    (picture,) = coco_json(write(tmp_path, segmentation)).pictures
    (item,) = picture.objects()

    assert (picture.key, item.key, item.area) == ("a.png", "9", 60)
    np.testing.assert_array_equal(item.truth(), MASK)
    np.testing.assert_array_equal(picture.image(), MASK * 100)


def test_a_polygon_over_the_border_ends_there(tmp_path):
    (picture,) = coco_json(write(tmp_path, [[-9, -9, 12, -9, 12, 999, -9, 999]])).pictures
    (item,) = picture.objects()
    np.testing.assert_array_equal(item.truth(), np.arange(30) < np.full((20, 1), 12))


@pytest.mark.parametrize("nothing", [[1, 1], [1, 1, 3, 9]], ids=["point", "line"])
def test_polygons_that_enclose_nothing_change_nothing(tmp_path, nothing):
    (picture,) = coco_json(write(tmp_path, [nothing, *as_polygon()])).pictures

    np.testing.assert_array_equal(picture.objects()[0].truth(), MASK)


@pytest.mark.parametrize("folder", ["images", "val2017", "images/val2017", "annotations/images"])
def test_images_are_found_beside_the_json(tmp_path, folder):
    path = write(tmp_path, as_polygon(), folder="elsewhere")
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.png").rename(tmp_path / folder / "a.png")

    assert coco_json(path).pictures[0].image().shape == (20, 30)


def edited(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_a_missing_picture_does_not_stop_the_rest(tmp_path):
    path = write(tmp_path, as_polygon())
    mask = {"id": 1, "image_id": 3, "segmentation": as_polygon()}

    def put_first(content):
        content["images"].insert(0, {"id": 3, "file_name": "gone.png", "height": 20, "width": 30})
        content["images"].append({"id": 6, "height": 20, "width": 30})
        content["images"].append({"id": 7, "file_name": "no size.png"})
        content["annotations"] += [mask, {**mask, "image_id": 6}, {**mask, "image_id": 7}]

    gone, found, nameless, sizeless = coco_json(edited(path, put_first)).pictures
    assert found.image().shape == (20, 30)
    with pytest.raises(ImageError, match=r"There is no file .*gone\.png"):
        gone.image()
    with pytest.raises(ImageError, match=r"image 6, which has no file name"):
        nameless.image()
    with pytest.raises(InputError, match=r"does not say the size of no size\.png"):
        sizeless.objects()


@pytest.mark.parametrize(
    "name",
    ["sub\\a.png", "C:\\Users\\me\\a.png", "/home/me/a.png", "images/a.png"],
    ids=["backslash", "another Windows", "another Linux", "with its folder"],
)
def test_paths_of_other_machines_are_understood(tmp_path, name):
    path = write(tmp_path, as_polygon())
    if name.startswith("sub"):
        (tmp_path / "images" / "sub").mkdir()
        (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "sub" / "a.png")
    edited(path, lambda content: content["images"][0].update(file_name=name))

    assert coco_json(path).pictures[0].image().shape == (20, 30)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_encodings_are_read_over(tmp_path, encoding):
    path = write(tmp_path, as_polygon(), "\u7ec6\u80de.png", "Images")
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False), encoding)

    assert coco_json(path).pictures[0].image().shape == (20, 30)


@pytest.mark.parametrize("segmentation", [None, [], "absent"], ids=str)
def test_a_box_among_masks_is_left_out_and_said(tmp_path, segmentation, caplog):
    path = write(tmp_path, as_polygon())
    box = {"id": 8, "image_id": 4, "bbox": [1, 2, 3, 4], "segmentation": segmentation}
    if segmentation == "absent":
        del box["segmentation"]
    edited(path, lambda content: content["annotations"].insert(0, box))
    (picture,) = coco_json(path).pictures

    assert [item.key for item in picture.objects()] == ["9"]
    assert "a.png: 1 of 2 objects have a box only: left out" in caplog.text


def test_packed_run_lengths_of_many_shapes_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    for number in range(40):
        mask = (rng.random((37, 53)) < rng.random()).astype(np.uint8)
        packed = coco_masks.encode(np.asfortranarray(mask))["counts"].decode()

        runs = run_lengths({"segmentation": {"counts": packed}}, mask.shape)

        flat = np.repeat(np.arange(len(runs)) % 2, runs)
        np.testing.assert_array_equal(flat.reshape(mask.shape, order="F"), mask, f"mask {number}")


def test_folder_of_the_images_can_be_given(tmp_path):
    path = write(tmp_path, as_polygon(), folder="elsewhere")

    with pytest.raises(InputError, match="--images"):
        coco_json(path)
    assert coco_json(path, tmp_path / "elsewhere").pictures[0].image().shape == (20, 30)


def test_crowds_are_left_out(tmp_path):
    with pytest.raises(InputError, match="no images with objects"):
        coco_json(write(tmp_path, as_counts(), iscrowd=1))


@pytest.mark.parametrize(
    ("segmentation", "complaint"),
    [
        (None, "no usable mask"),
        ([], "no usable mask"),
        ([[5, 4]], "no usable mask"),
        ([[5, 4, 15, 10]], "no usable mask"),
        ([[5, 4, 15, 4, 15, 10, 5]], "no usable mask"),
        ([["a"] * 6], "no usable mask"),
        ({"size": [20, 30]}, "no usable mask"),
        ({"size": [5, 5], "counts": [25]}, "does not fit"),
        ({"size": [20, 30], "counts": [700, -100]}, "does not fit"),
        ({"size": [30, 20], "counts": [124, 6, 470]}, "does not fit"),
        # On these COCO's own code would walk for ever.
        ([[float("nan"), 4, 15, 4, 15, 10]], "no usable mask"),
        ([[float("inf"), 4, 15, 4, 15, 10]], "no usable mask"),
        ([[5, 4, 1e12, 4, 15, 10]], "no usable mask"),
    ],
    ids=str,
)
def test_unusable_mask_is_named(tmp_path, segmentation, complaint):
    (picture,) = coco_json(write(tmp_path, segmentation)).pictures

    with pytest.raises(InputError, match=f"nnotation 9 (has )?{complaint}"):
        picture.objects()


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"images": 3}', '{"images": [], "annotations": []}']
)
def test_other_json_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)

    with pytest.raises(InputError, match=r"a\.json"):
        coco_json(path)
