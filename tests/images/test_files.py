from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.images.files import (
    read_indices,
    read_labels,
    read_photo,
    read_pixels,
    shape_of,
)

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)


def save(path, array, mode=None, **options):
    Image.fromarray(array, mode).save(path, **options)
    return path


def test_photo_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    path = save(tmp_path / "a.png", COLOUR, exif=exif)

    np.testing.assert_array_equal(read_photo(path), np.rot90(COLOUR, -1))
    np.testing.assert_array_equal(read_pixels(path), np.rot90(COLOUR, -1))


def test_photo_drops_alpha_and_never_blends_it(tmp_path):
    alpha = np.zeros((3, 4, 1), np.uint8)
    path = save(tmp_path / "a.png", np.concatenate([COLOUR, alpha], axis=2))

    np.testing.assert_array_equal(read_photo(path), COLOUR)
    np.testing.assert_array_equal(read_pixels(path), COLOUR)


def test_photo_of_16_bits_keeps_the_upper_8(tmp_path):
    path = save(tmp_path / "a.png", GREY.astype(np.uint16) * 256 + 255)

    np.testing.assert_array_equal(read_photo(path), np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(read_pixels(path), GREY.astype(np.uint16) * 256 + 255)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "float32"])
def test_pixels_keep_their_type(tmp_path, dtype):
    array = GREY.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array)
    np.save(tmp_path / "a.npy", array)

    for name in ("a.tif", "a.npy"):
        read = read_pixels(tmp_path / name)
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, array)
        assert shape_of(tmp_path / name) == (3, 4)


def test_labels_are_the_indices_of_a_palette(tmp_path):
    picture = Image.fromarray(GREY // 20)
    picture.putpalette(bytes(range(36)))
    picture.save(tmp_path / "a.png")

    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), GREY // 20)
    indices, colours = read_indices(tmp_path / "a.png")
    np.testing.assert_array_equal(colours[indices][0, 1], [3, 4, 5])


def test_labels_may_be_whole_floats_bools_or_grey_rgb(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.float32))
    save(tmp_path / "b.png", GREY > 100)
    save(tmp_path / "c.png", np.repeat(GREY[..., None], 3, axis=2))

    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), GREY)
    np.testing.assert_array_equal(read_labels(tmp_path / "b.png"), GREY > 100)
    np.testing.assert_array_equal(read_labels(tmp_path / "c.png"), GREY)


def test_labels_that_are_no_ids_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY + 0.5)
    save(tmp_path / "b.png", COLOUR)

    for name in ("a.tif", "b.png"):
        with pytest.raises(MaskError, match="one whole number for each pixel"):
            read_labels(tmp_path / name)


def test_unreadable_files_are_named(tmp_path):
    for name in ("a.png", "a.tif", "a.npy"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        for read in (read_pixels, shape_of):
            with pytest.raises(ImageError, match=f"{name} cannot be read"):
                read(tmp_path / name)
            with pytest.raises(ImageError, match="no file"):
                read(tmp_path / f"no_{name}")
    (tmp_path / "a.tif").write_bytes(b"II*\0junk")
    with pytest.raises(ImageError, match=r"a\.tif cannot be read: there are no pixels in it"):
        read_pixels(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="of no kind that can be read"):
        read_pixels(tmp_path / "a.docx")


def test_array_file_with_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))

    with pytest.raises(ImageError, match="cannot be read"):
        read_pixels(tmp_path / "a.npy")


def test_picture_without_palette_is_refused(tmp_path):
    with pytest.raises(ImageError, match="palette"):
        read_indices(save(tmp_path / "a.png", GREY))
