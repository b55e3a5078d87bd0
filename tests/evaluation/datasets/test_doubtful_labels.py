"""Label images whose ids may not be what they were: refused, or kept to the last bit."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cfr_icl._errors import MaskError
from napari_cfr_icl.evaluation.datasets.label_images import label_images

LABELS = np.zeros((20, 30), np.uint16)
LABELS[2:6, 3:9] = 7
LABELS[10:18, 20:22] = 300
IMAGE = np.arange(600, dtype=np.uint16).reshape(20, 30)


def pair(root, image=IMAGE, labels=LABELS):
    for name, array in (("a", image), ("a_labels", labels)):
        tifffile.imwrite(root / f"{name}.tif", array, photometric="minisblack")
    return root


CHANGED = {
    "jpg": {"quality": 95},
    "webp": {"quality": 80},
    "jpeg": {"photometric": "minisblack"},
    "jpegxl": {"compressionargs": {"level": 80}},
    "jpegxr": {"compressionargs": {"level": 80}},
    "jpeg2000": {"compressionargs": {"level": 30}},
}


def saved(path, ids, codec, **options):
    if codec in ("jpg", "webp"):
        Image.fromarray(ids).save(path.with_suffix(f".{codec}"), **options)
    else:
        tifffile.imwrite(path.with_suffix(".tif"), ids, compression=codec, **options)


@pytest.mark.parametrize("codec", CHANGED)
def test_labels_whose_ids_were_changed_by_compression_are_named(tmp_path, codec):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    saved(tmp_path / "a_labels", LABELS.astype(np.uint8), codec, **CHANGED[codec])
    (picture,) = label_images(tmp_path).pictures

    with pytest.raises(MaskError, match=r"changes? ids: save labels as PNG or TIFF"):
        picture.objects()


@pytest.mark.parametrize(
    ("codec", "options"), [("webp", {"lossless": True}), ("jpeg2000", {}), ("lzw", {})], ids=str
)
def test_labels_that_compression_left_alone_are_taken(tmp_path, codec, options):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    saved(tmp_path / "a_labels", LABELS.astype(np.uint8), codec, **options)
    (picture,) = label_images(tmp_path).pictures
    assert [item.area for item in picture.objects()] == [24, 16]


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_ids_in_a_png_of_16_bit_colours_keep_all_of_them(tmp_path, channels):
    alpha = np.full_like(LABELS, 65535)
    colours = [LABELS] * (channels // 2 * 2 - 1) + [alpha] * (channels % 2 == 0)
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    (tmp_path / "a_labels.png").write_bytes(imagecodecs.png_encode(np.dstack(colours)))
    (picture,) = label_images(tmp_path).pictures
    assert [item.key for item in picture.objects()] == ["7", "300"]


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 1e19, 0.5])
def test_floats_that_are_no_ids_are_refused(tmp_path, odd):
    labels = np.where(LABELS == 7, odd, LABELS)
    (picture,) = label_images(pair(tmp_path, labels=labels)).pictures
    with pytest.raises(MaskError, match="must hold one whole number for each pixel, not float64"):
        picture.objects()


def test_of_several_label_images_in_a_file_the_one_that_is_taken_is_said(tmp_path, caplog):
    pair(tmp_path)
    with tifffile.TiffWriter(tmp_path / "a_labels.tif") as writer:
        for ids in (LABELS[::2, ::2], LABELS):
            writer.write(ids, photometric="minisblack", metadata=None)
    (picture,) = label_images(tmp_path).pictures
    assert [item.area for item in picture.objects()] == [24, 16]
    assert "a_labels.tif holds 2 pictures" in caplog.text


def test_pictures_of_one_row_in_a_stack_stay_apart(tmp_path):
    image, labels = IMAGE[:5, None], LABELS[:5, None]
    pictures = label_images(pair(tmp_path, image, labels)).pictures
    assert [picture.image().shape for picture in pictures] == [(1, 30)] * 5
    assert [len(picture.objects()) for picture in pictures] == [0, 0, 1, 1, 1]
