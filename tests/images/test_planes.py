from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_cfr_icl._errors import ImageError, MaskError
from napari_cfr_icl.images.opening import open_image
from napari_cfr_icl.images.photos import read_indices
from napari_cfr_icl.images.planes import (
    image_plane,
    label_plane,
    label_shape,
    orientation_doubt,
    read_photo,
)

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)


def save(path, array, mode=None, **options):
    Image.fromarray(array, mode).save(path, **options)
    return path


UPRIGHT = {
    1: COLOUR,
    2: COLOUR[:, ::-1],
    3: COLOUR[::-1, ::-1],
    4: COLOUR[::-1],
    5: COLOUR.transpose(1, 0, 2),
    6: np.rot90(COLOUR, -1),
    7: COLOUR[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(COLOUR),
}
each_orientation = pytest.mark.parametrize("orientation", UPRIGHT)


def photo(path, orientation, pixels=COLOUR):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(path, pixels, exif=exif)


@each_orientation
def test_a_photo_keeps_its_stored_pixels(tmp_path, orientation):
    path = photo(tmp_path / "a.png", orientation)
    np.testing.assert_array_equal(read_photo(path), COLOUR)
    np.testing.assert_array_equal(open_image(path).read(), COLOUR)
    np.testing.assert_array_equal(image_plane(path, (3, 4)), COLOUR)


@each_orientation
def test_a_photo_is_turned_for_labels_that_fit_only_then(tmp_path, orientation):
    path = photo(tmp_path / "a.png", orientation)
    with Image.open(path) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(shown, UPRIGHT[orientation])
    tifffile.imwrite(tmp_path / "labels.tif", np.zeros((4, 3), np.uint8))
    if orientation > 4:
        np.testing.assert_array_equal(image_plane(path, (4, 3)), shown)
        np.testing.assert_array_equal(read_photo(path, tmp_path / "labels.tif"), shown)
    else:
        with pytest.raises(MaskError, match="has 3 x 4 x 3 pixels, its labels 4 x 3"):
            image_plane(path, (4, 3))


@each_orientation
def test_what_cannot_be_known_is_said(tmp_path, caplog, orientation):
    oblong = photo(tmp_path / "a.png", orientation)
    square = photo(tmp_path / "b.png", orientation, COLOUR[:, :3])
    assert bool(orientation_doubt(oblong, (3, 4))) == (orientation in (2, 3, 4))
    assert bool(orientation_doubt(square, (3, 3))) == (orientation != 1)
    np.testing.assert_array_equal(image_plane(square, (3, 3)), COLOUR[:, :3])
    assert [record.getMessage() for record in caplog.records] == (
        [orientation_doubt(square, (3, 3))] if orientation > 1 else []
    )


def test_what_cannot_be_known_is_said_once(tmp_path, caplog):
    square = photo(tmp_path / "b.png", 3, COLOUR[:, :3])
    for _ in range(3):
        image_plane(square, (3, 3))
    assert len(caplog.records) == 1


@each_orientation
def test_a_tiff_with_an_orientation_is_no_other(tmp_path, orientation):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOUR, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    np.testing.assert_array_equal(image_plane(path, (3, 4)), COLOUR)
    if orientation > 4:
        np.testing.assert_array_equal(image_plane(path, (4, 3)), UPRIGHT[orientation])


def test_photo_drops_alpha_and_never_blends_it(tmp_path):
    alpha = np.zeros((3, 4, 1), np.uint8)
    path = save(tmp_path / "a.png", np.concatenate([COLOUR, alpha], axis=2))

    np.testing.assert_array_equal(read_photo(path), COLOUR)
    np.testing.assert_array_equal(open_image(path).read(), COLOUR)


def test_photo_of_16_bits_keeps_the_upper_8(tmp_path):
    path = save(tmp_path / "a.png", GREY.astype(np.uint16) * 256 + 255)

    np.testing.assert_array_equal(read_photo(path), np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(open_image(path).read(), GREY.astype(np.uint16) * 256 + 255)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "float32"])
def test_pixels_keep_their_type(tmp_path, dtype):
    array = GREY.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array)
    np.save(tmp_path / "a.npy", array)

    for name in ("a.tif", "a.npy"):
        read = open_image(tmp_path / name).read()
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, array)
        assert label_shape(tmp_path / name) == (3, 4)


def test_labels_are_the_indices_of_a_palette(tmp_path):
    picture = Image.fromarray(GREY // 20)
    picture.putpalette(bytes(range(36)))
    picture.save(tmp_path / "a.png")

    np.testing.assert_array_equal(label_plane(tmp_path / "a.png"), GREY // 20)
    indices, colours = read_indices(tmp_path / "a.png")
    np.testing.assert_array_equal(colours[indices][0, 1], [3, 4, 5])


def test_labels_may_be_whole_floats_bools_or_grey_rgb(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.float32))
    save(tmp_path / "b.png", GREY > 100)
    save(tmp_path / "c.png", np.repeat(GREY[..., None], 3, axis=2))

    np.testing.assert_array_equal(label_plane(tmp_path / "a.tif"), GREY)
    np.testing.assert_array_equal(label_plane(tmp_path / "b.png"), GREY > 100)
    np.testing.assert_array_equal(label_plane(tmp_path / "c.png"), GREY)


def test_labels_that_are_no_ids_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY + 0.5)
    save(tmp_path / "b.png", COLOUR)

    for name in ("a.tif", "b.png"):
        with pytest.raises(MaskError, match="one whole number for each pixel"):
            label_plane(tmp_path / name)


def test_unreadable_files_are_named(tmp_path):
    for name in ("a.png", "a.tif", "a.npy"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        for read in (open_image, label_shape):
            with pytest.raises(ImageError, match=f"{name} cannot be read"):
                read(tmp_path / name)
            with pytest.raises(ImageError, match="no file"):
                read(tmp_path / f"no_{name}")
    (tmp_path / "a.tif").write_bytes(b"II*\0junk")
    with pytest.raises(ImageError, match=r"a\.tif cannot be read.* \(there are no pixels in it\)"):
        open_image(tmp_path / "a.tif").read()
    (tmp_path / "a.docx").write_bytes(b"PK\3\4nothing of the kind")
    with pytest.raises(ImageError, match="no image of a known kind"):
        open_image(tmp_path / "a.docx").read()


def test_array_file_with_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))

    with pytest.raises(ImageError, match="cannot be read"):
        open_image(tmp_path / "a.npy").read()


def test_picture_without_palette_is_refused(tmp_path):
    with pytest.raises(ImageError, match="palette"):
        read_indices(save(tmp_path / "a.png", GREY))


ROWS, COLS = np.mgrid[:100, :140]
CELLS = np.where((ROWS - 30) ** 2 + (COLS - 40) ** 2 < 20**2, 1, 0).astype(np.uint8)
CELLS[(ROWS - 60) ** 2 + (COLS - 90) ** 2 < 25**2] = 2
CELLS[30:55, 60:70] = 3  # touches both


def as_jpeg(picture):
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return Image.open(stream)


@pytest.mark.parametrize("high", [85, 40])
@pytest.mark.parametrize(
    "smooth",
    [
        pytest.param(lambda p: p.resize((210, 150), Image.Resampling.BILINEAR), id="enlarged"),
        pytest.param(lambda p: p.resize((70, 50), Image.Resampling.LANCZOS), id="shrunk"),
        pytest.param(as_jpeg, id="once a JPEG"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_labels_that_were_smoothed_are_refused(tmp_path, high, smooth, name):
    smooth(Image.fromarray(CELLS * high)).save(tmp_path / name)
    with pytest.raises(MaskError, match="was smoothed: along the edges of its objects lie numbers"):
        label_plane(tmp_path / name)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(CELLS, id="cells"),
        pytest.param((CELLS * 80).repeat(2, 0).repeat(2, 1), id="nearest neighbour"),
        pytest.param(np.where(np.arange(14000).reshape(100, 140) % 37, 0, CELLS), id="pixels"),
        pytest.param((ROWS // 9 * 20 + COLS // 7 + 1).astype(np.uint16), id="tiles"),
        pytest.param(np.random.default_rng(0).integers(0, 9, (50, 50), np.uint8), id="noise"),
    ],
)
def test_labels_that_were_drawn_are_not(tmp_path, labels):
    tifffile.imwrite(tmp_path / "a.tif", labels)
    np.testing.assert_array_equal(label_plane(tmp_path / "a.tif"), labels)


def test_channels_that_may_be_planes_are_said(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 3, 20, 30), np.uint8))
    assert "axis 1, counted from 0, is taken for the channels" in orientation_doubt(
        tmp_path / "a.npy", (3, 20, 30)
    )
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((3, 3, 20, 30), np.uint8), metadata={"axes": "CZYX"}, ome=True
    )
    assert orientation_doubt(tmp_path / "a.tif", (3, 20, 30)) == ""
