"""A folder of images: what is in it, in which order, what is finished; images are never written."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cfr_icl._errors import ImageError, InputError, OutputError
from napari_cfr_icl.session.folder import (
    STATE_NAME,
    ImageFolder,
    fitted,
    read_image,
    read_labels,
    squeezed,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("cell10.tif", "cell9.tif", "Cell1.TIF", "photo.png", "photo.jpg"):
        (tmp_path / name).write_bytes(b"x")
    for name in (".hidden.tif", "cell9_labels.tif", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper.tif").mkdir()
    return tmp_path


def names(folder):
    return [image.name for image in folder.images]


def test_images_come_in_the_order_that_people_count(folder):
    listed = names(ImageFolder(folder))
    assert listed == ["Cell1.TIF", "cell9.tif", "cell10.tif", "photo.jpg", "photo.png"]


def test_labels_have_names_of_their_own(folder):
    opened = ImageFolder(folder)
    kept = [opened.labels_path(image).name for image in opened.images]
    assert kept == [
        "Cell1_labels.tif",
        "cell9_labels.tif",
        "cell10_labels.tif",
        "photo.jpg_labels.tif",
        "photo.png_labels.tif",
    ]
    assert not {opened.labels_path(image) for image in opened.images} & set(opened.images)


def test_names_of_labels_differ_in_more_than_capitals(tmp_path):
    for name in ("IMG.npy", "img.png", "scan.png", "scan.png.npy"):
        (tmp_path / name).write_bytes(b"x")
    opened = ImageFolder(tmp_path)
    kept = {opened.labels_path(image).name.casefold() for image in opened.images}
    assert len(kept) == 4


def test_a_power_is_no_number(tmp_path):
    for name in ("5²3.npy", "5.npy"):
        (tmp_path / name).write_bytes(b"x")
    assert sorted(names(ImageFolder(tmp_path))) == ["5.npy", "5²3.npy"]


def test_what_is_finished_is_known_another_day(folder, tmp_path):
    opened = ImageFolder(folder)
    assert opened.first_index == 0
    opened.finished = {"Cell1.TIF", "cell10.tif"}
    opened.save_state()
    again = ImageFolder(folder)
    assert again.finished == opened.finished
    assert again.first_index == 1
    assert again.next_index(1, 1) == 2
    assert again.next_index(1, 1, unfinished=True) == 3
    assert again.next_index(4, 1) is None
    assert again.next_index(0, -1) is None
    again.last = "photo.jpg"
    again.save_state()
    assert ImageFolder(folder).first_index == 3


@pytest.mark.parametrize("content", ["", "[]", '{"finished": 3}', '{"finished": []}', "\0"])
def test_a_damaged_state_loses_no_image(folder, content):
    (folder / STATE_NAME).write_text(content)
    opened = ImageFolder(folder)
    assert len(opened.images) == 5
    assert opened.finished == set()


def test_labels_may_go_elsewhere(folder, tmp_path):
    opened = ImageFolder(folder, tmp_path / "other")
    opened.save_state()
    assert (tmp_path / "other" / STATE_NAME).exists()
    assert opened.labels_path(opened.images[0]).parent == tmp_path / "other"


def test_where_nothing_can_be_done(tmp_path):
    with pytest.raises(InputError, match="no image in"):
        ImageFolder(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        ImageFolder(tmp_path / "none")
    (tmp_path / "a.tif").write_bytes(b"x")
    with pytest.raises(OutputError, match="Nothing can be written"):
        ImageFolder(tmp_path, tmp_path / "a.tif" / "labels").save_state()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_tiffs_keep_their_numbers(tmp_path, kind):
    pixels = np.arange(12, dtype=kind).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="lzw")
    read = read_image(tmp_path / "a.tif").pixels
    assert read.dtype == kind
    assert np.array_equal(read, pixels)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_photos_come_in_colour(tmp_path, name):
    Image.new("RGB", (5, 4), (200, 100, 50)).save(tmp_path / name)
    assert read_image(tmp_path / name).pixels.shape == (4, 5, 3)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.npy"])
@pytest.mark.parametrize("content", [b"", b"no image at all", b"II*\0\xff\xff\xff\xff"])
def test_damage_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match="is left out"):
        read_image(tmp_path / name)


def test_labels_are_whole_numbers(tmp_path):
    assert read_labels(tmp_path / "a_labels.tif") is None
    tifffile.imwrite(tmp_path / "a_labels.tif", np.zeros((3, 4), np.float32))
    with pytest.raises(ImageError, match="holds no labels"):
        read_labels(tmp_path / "a_labels.tif")


def test_three_planes_of_labels_are_no_colours(tmp_path):
    labels = np.zeros((3, 40, 50), np.uint8)
    labels[1, 3:9, 4:8] = 5
    tifffile.imwrite(tmp_path / "a_labels.tif", labels, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_labels(tmp_path / "a_labels.tif"), labels)
    assert read_image(tmp_path / "a_labels.tif").pixels.shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("read", "wanted", "fits"),
    [
        pytest.param((3, 4), (3, 4), True, id="same"),
        pytest.param((3, 4), (1, 3, 4), True, id="plane of a stack"),
        pytest.param((3, 4), (3, 1, 4, 1), True, id="inside"),
        pytest.param((1, 3, 4), (3, 4), True, id="more"),
        pytest.param((1, 4), (1, 4), True, id="one row"),
        pytest.param((4, 3), (3, 4), False, id="turned"),
        pytest.param((3, 4), (3, 4, 2), False, id="fewer"),
    ],
)
def test_labels_fit_whatever_axes_of_length_one_they_have(read, wanted, fits):
    labels = np.arange(np.prod(read)).reshape(read)
    found = fitted(labels, wanted)
    assert (found is not None) == fits
    if found is not None:
        assert found.shape == wanted
        assert np.array_equal(found.ravel(), labels.ravel())


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((1, 3, 4), (3, 4)), ((3, 1, 4), (3, 1, 4)), ((1, 4), (1, 4)), ((1, 1), (1, 1))],
)
def test_squeezed_labels_still_have_rows_and_columns(shape, kept):
    assert squeezed(np.zeros(shape, int)).shape == kept
