from __future__ import annotations

import sys
import zlib
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.cli.image_source import open_mask, open_source
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.images import decoded

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (30, 40), np.uint8)
WIDE = RANDOM.integers(0, 4000, (30, 40), np.uint16)
RGB = RANDOM.integers(0, 256, (30, 40, 3), np.uint8)
RGBA = np.concatenate([RGB, GREY[..., np.newaxis]], axis=2)
FIVE = RANDOM.integers(0, 4000, (30, 40, 5), np.uint16)
FOUR = FIVE[..., :4]
FLOAT = np.where(GREY < 9, np.nan, GREY).astype(np.float32)
STACK = RANDOM.integers(0, 256, (2, 9, 30, 40), np.uint8)

WHOLE = Window.whole((30, 40))


def picture(path, axes=None, plane=None):
    return open_source(path, axes, plane).read(WHOLE)


def seen(array):
    """What the network sees of an array."""
    return ImageSource(array).read(WHOLE)


def tiff(folder, values, **options):
    tifffile.imwrite(folder / "x.tif", values, **options)
    return folder / "x.tif"


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd"])
@pytest.mark.parametrize("values", [GREY, WIDE, RGB, RGBA, FIVE, FLOAT], ids=lambda v: f"{v.shape}")
def test_tiff(tmp_path, values, compression):
    path = tiff(tmp_path, values, compression=compression)
    np.testing.assert_array_equal(picture(path), seen(values))


def test_uncompressed_tiff_is_not_read_until_it_is_needed(tmp_path):
    path = tiff(tmp_path, np.zeros((1000, 1000), np.uint8))
    source = open_source(path, None, None)
    assert isinstance(source._levels[0], np.memmap)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_of_either_byte_order(tmp_path, byteorder):
    path = tiff(tmp_path, WIDE, byteorder=byteorder)
    np.testing.assert_array_equal(picture(path), seen(WIDE))


def test_tiff_by_its_content_whatever_its_name(tmp_path):
    path = tiff(tmp_path, WIDE).rename(tmp_path / "x.lsm")
    np.testing.assert_array_equal(picture(path), seen(WIDE))


def test_channels_before_rows(tmp_path):
    path = tiff(
        tmp_path, FIVE.transpose(2, 0, 1), metadata={"axes": "CYX"}, photometric="minisblack"
    )
    np.testing.assert_array_equal(picture(path), seen(FIVE))


def test_four_channels_are_no_colours_with_transparency(tmp_path):
    path = tiff(
        tmp_path, FOUR.transpose(2, 0, 1), metadata={"axes": "CYX"}, photometric="minisblack"
    )
    rendering = Rendering.guess(FOUR, rgb=False)
    np.testing.assert_array_equal(picture(path), rendering(FOUR))
    assert len(rendering.channels) == 4


def test_three_channels_are_red_green_and_blue(tmp_path):
    path = tiff(
        tmp_path, RGB.transpose(2, 0, 1), metadata={"axes": "CYX"}, photometric="minisblack"
    )
    np.testing.assert_array_equal(picture(path), seen(RGB))


def test_axes_as_they_are_said_to_be(tmp_path):
    path = tiff(tmp_path, FIVE.transpose(2, 0, 1))
    np.testing.assert_array_equal(picture(path, axes="cyx"), seen(FIVE))
    np.testing.assert_array_equal(picture(path, axes="ZYX", plane=(3,)), seen(FIVE[..., 3]))
    np.testing.assert_array_equal(
        open_source(path, "CXY", None).read(Window.whole((40, 30))),
        ImageSource(FIVE.transpose(1, 0, 2)).read(Window.whole((40, 30))),
    )


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"ome": True}], ids=str)
def test_a_plane_of_a_hyperstack(tmp_path, options):
    path = tiff(tmp_path, STACK, metadata={"axes": "TZYX"}, **options)
    np.testing.assert_array_equal(picture(path, plane=(1, 7)), seen(STACK[1, 7]))


def test_more_axes_than_can_be_guessed(tmp_path):
    np.save(tmp_path / "x.npy", STACK[np.newaxis, np.newaxis])
    with pytest.raises(ImageError, match=r"has 6 axes, 1 x 1 x 2 x 9 x 30 x 40: say with --axes"):
        open_source(tmp_path / "x.npy", None, None)
    found = picture(tmp_path / "x.npy", axes="ABTZYX", plane=(1, 7))
    np.testing.assert_array_equal(found, seen(STACK[1, 7]))


def test_axes_of_length_1_need_no_number(tmp_path):
    np.save(tmp_path / "x.npy", WIDE[np.newaxis, np.newaxis])
    np.testing.assert_array_equal(picture(tmp_path / "x.npy"), seen(WIDE))


@pytest.mark.parametrize(
    ("plane", "sentence"),
    [
        (None, r"axes TZYX are 2 x 9 x 30 x 40. Choose a plane with --plane 0\.\.1,0\.\.8\."),
        ((1,), "needs 2 numbers to choose a plane, not 1"),
        ((1, 9), "has no plane 9 along Z: the last is 8"),
    ],
)
def test_a_plane_that_is_not_there(tmp_path, plane, sentence):
    path = tiff(tmp_path, STACK, metadata={"axes": "TZYX"})
    with pytest.raises(ImageError, match=sentence):
        open_source(path, None, plane)


@pytest.mark.parametrize("values", [GREY, WIDE, RGB, RGBA, FIVE, FLOAT], ids=lambda v: f"{v.shape}")
def test_npy(tmp_path, values):
    np.save(tmp_path / "x.npy", values)
    np.testing.assert_array_equal(picture(tmp_path / "x.npy"), seen(values))


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "tga", "ppm"])
def test_photos(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    Image.fromarray(RGB).save(path, lossless=True)
    np.testing.assert_array_equal(picture(path), seen(RGB))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(Image.fromarray(GREY), GREY, id="grey"),
        pytest.param(Image.fromarray(WIDE), WIDE, id="16 bit"),
        pytest.param(Image.fromarray(RGBA), RGB, id="RGBA"),
        pytest.param(Image.merge("LA", [Image.fromarray(GREY)] * 2), GREY, id="grey and alpha"),
        pytest.param(
            Image.fromarray(GREY > 99), np.where(GREY > 99, 255, 0).astype("u1"), id="bits"
        ),
    ],
)
def test_png_of_any_mode(tmp_path, given, expected):
    given.save(tmp_path / "x.png")
    np.testing.assert_array_equal(picture(tmp_path / "x.png"), seen(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rows_and_columns_are_those_that_napari_shows(tmp_path, caplog, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(picture(tmp_path / "x.png"), seen(RGB))
    np.testing.assert_array_equal(picture(tmp_path / "x.png"), seen(iio.imread(tmp_path / "x.png")))
    told = [record.getMessage() for record in caplog.records]
    assert all(f"(EXIF orientation {orientation}): rows and columns are" in text for text in told)
    assert bool(told) == (orientation > 1)


def test_a_picture_in_a_palette_is_seen_in_its_colours(tmp_path):
    colours = np.zeros((3, 256), np.uint16)
    colours[0], colours[2] = np.arange(256) * 257, np.arange(255, -1, -1) * 257
    expected = np.stack([GREY, 0 * GREY, 255 - GREY], axis=-1)
    path = tiff(tmp_path, GREY, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(picture(path), seen(expected))
    np.testing.assert_array_equal(open_mask(path, None), GREY)


def test_a_tiff_with_alpha_is_grey_and_inks_are_mixed(tmp_path):
    Image.merge("LA", [Image.fromarray(GREY)] * 2).save(tmp_path / "la.tif")
    np.testing.assert_array_equal(picture(tmp_path / "la.tif"), seen(GREY))
    inks = Image.fromarray(RGBA, "CMYK")
    mixed = np.asarray(inks.convert("RGB"))
    inks.save(tmp_path / "cmyk.tif")
    planar = np.moveaxis(RGBA, -1, 0)
    options = {"photometric": "separated", "planarconfig": "separate"}
    for path in (tmp_path / "cmyk.tif", tiff(tmp_path, planar, **options)):
        np.testing.assert_allclose(picture(path), seen(mixed), atol=1.5 / 255)


def test_a_photo_beyond_the_limit_of_its_library(tmp_path, monkeypatch):
    Image.fromarray(GREY).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(picture(tmp_path / "x.png"), seen(GREY))
    assert Image.MAX_IMAGE_PIXELS == 100


def test_more_pixels_than_the_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(decoded, "HARMLESS_BYTES", 0)
    monkeypatch.setattr(decoded.psutil, "virtual_memory", lambda: SimpleNamespace(available=10))
    Image.fromarray(GREY).save(tmp_path / "x.png")
    with pytest.raises(ImageError, match=r"x\.png needs 0 GB of memory, and 0 GB are free"):
        open_source(tmp_path / "x.png")
    np.testing.assert_array_equal(picture(tiff(tmp_path, GREY)), seen(GREY))


def test_zarr_array(tmp_path):
    zarr.save_array(tmp_path / "x.zarr", STACK)
    np.testing.assert_array_equal(
        picture(tmp_path / "x.zarr", axes="TZYX", plane=(1, 7)), seen(STACK[1, 7])
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_is_a_pyramid(tmp_path, version):
    fine = np.stack([np.full_like(STACK[:, 0], 0), STACK[:, 0]], axis=1)  # (2, 2, 30, 40)
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
    for name, level in (("s0", fine), ("s1", fine[..., ::2, ::2]), ("s2", fine[:1, :, ::4, ::4])):
        group.create_array(name, data=level)
    described = {
        "axes": [{"name": name} for name in "tcyx"],
        "datasets": [{"path": name} for name in ("s0", "s1", "s2")],
    }
    group.attrs.update(
        {"multiscales": [described]} if version == "0.4" else {"ome": {"multiscales": [described]}}
    )
    source = open_source(tmp_path / "x.zarr", None, (1,))
    assert [level.shape[-1] for level in source._levels] == [40, 20]
    expected = ImageSource(fine[1].transpose(1, 2, 0), source.rendering)
    np.testing.assert_array_equal(source.read(WHOLE), expected.read(WHOLE))


@pytest.mark.parametrize("described", ["a", ["a"], [3], [{"datasets": "a"}]])
def test_a_pyramid_that_is_described_otherwise(tmp_path, described):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("0", data=GREY)
    group.attrs["multiscales"] = described
    with pytest.raises(ImageError, match=r"x\.zarr cannot be read as a Zarr image"):
        open_source(tmp_path / "x.zarr", None, None)


def test_zarr_is_not_needed_for_anything_else(tmp_path, monkeypatch):
    zarr.save_array(tmp_path / "x.zarr", GREY)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImageError, match="needs the package zarr: pip install zarr"):
        open_source(tmp_path / "x.zarr", None, None)
    np.testing.assert_array_equal(picture(tiff(tmp_path, GREY)), seen(GREY))


def test_a_tiny_file_that_claims_to_be_huge(tmp_path):
    path = tiff(tmp_path, GREY, compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff_file:
        for name in ("ImageWidth", "ImageLength"):
            tag = tiff_file.pages.first.tags[name]
            content[tag.valueoffset : tag.valueoffset + 2] = (60_000).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(ImageError, match="cannot hold 4 GB of pixels"):
        open_source(path, None, None)


def test_a_tiny_photo_that_claims_to_be_huge(run, small_model, tmp_path):
    Image.fromarray(GREY).save(tmp_path / "x.png")
    content = bytearray((tmp_path / "x.png").read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "x.png").write_bytes(content)
    words = ["--click", "3,4,+", *small_model, "--out", tmp_path / "m.tif"]
    result = run("segment", tmp_path / "x.png", *words)
    assert result.exit_code == 2
    assert "cannot hold 4 GB of pixels" in result.stderr


@pytest.mark.parametrize(
    "values",
    [GREY, GREY > 99, (GREY / 255).astype(np.float32), WIDE],
    ids=lambda values: str(values.dtype),
)
def test_masks_keep_their_numbers(tmp_path, values):
    np.save(tmp_path / "m.npy", values)
    np.testing.assert_array_equal(open_mask(tmp_path / "m.npy", None), values)
    path = tiff(tmp_path, values, compression="zlib")
    np.testing.assert_array_equal(open_mask(path, None), values)


def test_a_mask_in_a_palette_gives_its_indices(tmp_path):
    ids = (GREY % 3).astype(np.uint8)
    painted = Image.frombytes("P", (40, 30), ids.tobytes())
    painted.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    painted.save(tmp_path / "m.png")
    np.testing.assert_array_equal(open_mask(tmp_path / "m.png", None), ids)


def test_one_mask_for_every_plane_or_one_for_each(tmp_path):
    np.save(tmp_path / "one.npy", GREY)
    np.save(tmp_path / "each.npy", STACK[0])
    np.testing.assert_array_equal(open_mask(tmp_path / "one.npy", (7,)), GREY)
    np.testing.assert_array_equal(open_mask(tmp_path / "each.npy", (7,)), STACK[0, 7])


@pytest.mark.parametrize("value", [np.nan, np.inf, 7])
def test_a_picture_without_anything_to_see_is_said(tmp_path, caplog, value):
    path = tmp_path / "blank.tif"
    tifffile.imwrite(path, np.full((30, 40), value, np.float32))
    picture(path)
    assert "the same value everywhere" in caplog.text


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            np.where(GREY < 60, np.int16(-9999), GREY),
            "has many pixels of -9999, far below all others",
        ),
        (GREY // 20, "has no value above 12 of 255: the model sees it nearly black"),
    ],
    ids=["without data", "dim"],
)
def test_what_was_assumed_of_the_contrast_is_said(tmp_path, caplog, values, sentence):
    tifffile.imwrite(tmp_path / "x.tif", values)
    picture(tmp_path / "x.tif")
    assert sentence in caplog.text


def test_the_first_picture_of_a_film_is_taken_and_that_is_said(tmp_path, caplog):
    path = tmp_path / "film.gif"
    film = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
    film[0].save(path, save_all=True, append_images=film[1:])
    assert np.array_equal(picture(path), seen(GREY))
    assert "holds 2 pictures: the first is taken" in caplog.text
