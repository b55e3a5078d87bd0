"""Contrast is chosen for the whole picture, wherever its objects lie, and alike everywhere."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_cfr_icl.cli.image_source import open_source
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.data.image_cache import rendered

SIDE = 1200


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


ROWS, COLS = np.mgrid[:SIDE, :SIDE]
DISCS = sum((ROWS - r) ** 2 + (COLS - c) ** 2 < 60**2 for r in (150, 1050) for c in (150, 1050)) > 0
CENTRE = np.s_[300:900, 300:900]


def picture(kind, dtype):
    noise = np.random.default_rng(0).normal(300, 30, (SIDE, SIDE))
    pixels = noise + 3000 * DISCS
    if kind != "noise":
        pixels[CENTRE] = float(kind)
    return pixels.astype(dtype)


@pytest.fixture(
    params=[
        ("0", "uint16"),
        ("noise", "uint16"),
        ("nan", "float32"),
        ("-inf", "float32"),
        ("-9999", "int16"),
        ("-32768", "int16"),
        ("-99999", "float64"),
        ("-3.4028235e38", "float32"),
    ],
    ids=str,
)
def pixels(request):
    return picture(*request.param)


def is_well_seen(seen):
    """The discs are bright and not all white, the ground around them is dark."""
    seen = seen[..., 0] / seen.max()
    return seen[DISCS].mean() > 0.8 and seen[~DISCS].mean() < 0.2


def test_a_picture_with_nothing_in_its_centre_is_seen_everywhere(pixels, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    tifffile.imwrite(tmp_path / "a_labels.tif", DISCS.astype(np.uint8))
    whole = Window.whole(pixels.shape)
    (evaluated,) = open_dataset(tmp_path, "folder").pictures
    (trained,) = open_collection(tmp_path).examples
    seen = ImageSource(pixels).read(whole)
    assert is_well_seen(seen)
    np.testing.assert_array_equal(open_source(tmp_path / "a.tif").read(whole), seen)
    np.testing.assert_array_equal(ImageSource(evaluated.image()).read(whole), seen)
    np.testing.assert_array_equal(rendered(trained.image()), np.rint(seen * 255))
    lazy = ImageSource(da.from_array(pixels, chunks=400))
    np.testing.assert_array_equal(lazy.read(whole), seen)


def test_of_a_large_picture_on_disk_few_chunks_are_read():
    read = []

    def chunk(block_info):
        read.append(block_info[None]["chunk-location"])
        values = np.full((1000, 1000), 100, np.uint16)
        values[:, 500:] = 3000
        return values

    lazy = da.map_blocks(
        chunk, chunks=((1000,) * 100,) * 2, dtype=np.uint16, meta=np.zeros((0, 0), np.uint16)
    )
    (channel,) = ImageSource(lazy).rendering.channels
    assert (channel.low, channel.high) == (100, 3000)
    assert len(read) <= 4 * 64
    assert len({row for row, _ in read}) >= 8


def test_of_a_pyramid_the_coarsest_level_is_looked_at():
    fine, coarse = np.full((600, 600), 5, np.uint16), np.full((60, 60), 7, np.uint16)
    coarse[0, 0] = 9
    (channel,) = ImageSource([fine, coarse]).rendering.channels
    assert 7 <= channel.low < channel.high <= 9
