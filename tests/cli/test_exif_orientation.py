"""A photo that asks to be shown turned: what napari shows is what everything here counts in."""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.writing import export
from napari_cfr_icl.session.folder import read_image
from napari_cfr_icl.training.data.collection import open_collection

each_orientation = pytest.mark.parametrize("orientation", range(2, 9))
CLICK = ("--click", "20,40,+")


def write_photo(path, orientation):
    """A JPEG of a disc in its upper half, as the sensor had it; returns the pixels in napari."""
    rows, cols = np.mgrid[:64, :80]
    pixels = np.where((rows - 20) ** 2 + (cols - 40) ** 2 < 14**2, 200, 40).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.stack([pixels, pixels // 2, pixels], axis=-1)).save(path, exif=exif)
    return iio.imread(path)


@pytest.fixture
def labelled(tmp_path):
    """A folder of a photo and labels that were drawn on it in napari."""

    def labelled(orientation, shown=lambda labels: labels):
        pixels = write_photo(tmp_path / "photo.jpg", orientation)
        labels = (pixels[..., 0] > 120).astype(np.uint8)
        tifffile.imwrite(tmp_path / "photo_labels.tif", shown(labels))
        return pixels, labels

    return labelled


@each_orientation
def test_rows_and_columns_on_the_command_line(run, small_model, tmp_path, orientation):
    np.save(tmp_path / "shown.npy", write_photo(tmp_path / "photo.jpg", orientation))
    for name in ("photo.jpg", "shown.npy"):
        out = tmp_path / f"{name}.tif"
        words = [*small_model, *CLICK, "--inference", "std", "--out", out]
        assert run("segment", tmp_path / name, *words).exit_code == 0
    masks = [tifffile.imread(tmp_path / f"{name}.tif") for name in ("photo.jpg", "shown.npy")]
    np.testing.assert_array_equal(*masks)


@each_orientation
def test_labels_of_napari_are_trained_and_evaluated_where_they_were_drawn(
    labelled, tmp_path, orientation
):
    pixels, labels = labelled(orientation)
    (picture,) = open_dataset(tmp_path, "folder").pictures
    (example,) = open_collection(tmp_path).examples
    in_folder_mode = read_image(tmp_path / "photo.jpg")
    for read in (picture.image, example.image, lambda: in_folder_mode.pixels):
        np.testing.assert_array_equal(read(), pixels)
    np.testing.assert_array_equal(example.labels(), labels)
    np.testing.assert_array_equal(picture.objects()[0].truth(), labels)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_labels_of_the_turned_photo_fit_only_that(labelled, tmp_path, orientation):
    turned = {
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].T,
        8: np.rot90,
    }
    labelled(orientation, turned[orientation])
    (picture,) = open_dataset(tmp_path, "folder").pictures
    (example,) = open_collection(tmp_path).examples
    assert example.image().shape == (80, 64, 3)
    for image in (picture.image(), example.image()):
        np.testing.assert_array_equal(image[..., 0] > 120, example.labels() == 1)


@each_orientation
def test_coco_exports_are_read_where_they_were_drawn(labelled, tmp_path, orientation):
    pixels, labels = labelled(orientation)
    export(tmp_path / "photo.json", LabelImage(labels, "photo.jpg"))
    (picture,) = open_dataset(tmp_path / "photo.json", "coco-json").pictures
    (example,) = open_collection(tmp_path / "photo.json").examples
    np.testing.assert_array_equal(picture.image(), pixels)
    np.testing.assert_array_equal(example.image(), pixels)
    np.testing.assert_array_equal(example.labels(), labels)


@each_orientation
def test_what_had_to_be_assumed_is_said_by_the_check(run, labelled, tmp_path, orientation):
    labelled(orientation)
    said = run("train", "check", tmp_path).stdout
    assert ("rows and columns are those of the stored pixels" in said) == (orientation < 5)
