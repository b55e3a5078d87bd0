import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.engine import Window
from napari_cfr_icl.engine.rendering import Rendering
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.images.plane import Plane

PIXELS = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
WINDOW = Window(10, 20, 30, 40)


def _memory_map(tmp_path):
    stored = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=PIXELS.shape)
    stored[:] = PIXELS
    return stored


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "memory map"])
def test_a_window_of_any_kind_of_array_is_the_same_picture(kind, tmp_path):
    data = {
        "numpy": lambda: PIXELS,
        "dask": lambda: da.from_array(PIXELS, chunks=(32, 32, 3)),
        "zarr": lambda: zarr.array(PIXELS, chunks=(32, 32, 3)),
        "memory map": lambda: _memory_map(tmp_path),
    }[kind]()
    with dask.config.set(scheduler="synchronous"):
        source = ImageSource(data)
        picture = source.read(WINDOW)
    assert source.shape == (90, 130)
    np.testing.assert_array_equal(picture, PIXELS[10:40, 20:60] / np.float32(255))


def test_only_the_chunks_under_the_window_are_read():
    read = []

    def chunk(block_info):
        read.append(block_info[None]["chunk-location"])
        return np.zeros((100, 100), np.uint8)

    lazy = da.map_blocks(
        chunk, chunks=((100,) * 50, (100,) * 50), dtype=np.uint8, meta=np.zeros((0, 0), np.uint8)
    )
    source = ImageSource(lazy, Rendering.grey())
    with dask.config.set(scheduler="synchronous"):
        source.read(Window(150, 150, 100, 100))
    assert sorted(read) == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_large_window_is_shrunk_by_whole_blocks():
    blocks = np.arange(12, dtype=np.uint16).reshape(3, 4)
    pixels = np.kron(blocks, np.array([[0, 2], [2, 0]], np.uint16)) + 1
    source = ImageSource(pixels, Rendering.grey(0, 100))
    picture = source.read(Window.whole(pixels.shape), max_side=4)
    np.testing.assert_allclose(picture[..., 0], (blocks + 1) / 100, rtol=1e-5)
    full = source.read(Window.whole(pixels.shape), max_side=5)
    assert full.shape == (6, 8, 3)


def test_a_pyramid_is_read_at_the_coarsest_level_that_is_enough():
    levels = [
        np.full((side, 2 * side), value, np.uint8)
        for side, value in ((400, 10), (200, 20), (100, 30))
    ]
    source = ImageSource(levels, Rendering.grey())
    window = Window(100, 200, 200, 400)
    value = {side: round(source.read(window, side)[0, 0, 0] * 255) for side in (100, 101, 200, 201)}
    assert value == {100: 30, 101: 20, 200: 20, 201: 10}
    assert source.read(window).shape == (200, 400, 3)


def test_a_plane_of_a_stack_is_drawn_in_the_displayed_order():
    stack = np.random.default_rng(1).integers(0, 200, (5, 2, 40, 60), dtype=np.uint8)
    x_z = Plane(row_axis=3, col_axis=0, channel_axis=None, position=(0, 1, 7, 0))
    source = ImageSource(stack, Rendering.grey(), x_z)
    assert source.shape == (60, 5)
    picture = source.read(Window(10, 1, 4, 3))[..., 0] * 255
    np.testing.assert_allclose(picture, stack[1:4, 1, 7, 10:14].T, rtol=1e-5)
    channels = Plane(row_axis=2, col_axis=3, channel_axis=1, position=(3, 0, 0, 0))
    assert ImageSource(stack, plane=channels).read(Window(0, 0, 8, 9)).shape == (8, 9, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 4, 5, 6)), "Choose the plane"),
        (np.zeros(7), "2 axes"),
        (np.zeros((0, 5)), "empty"),
        ("photo.png", "must be an array"),
        ([], "must be an array"),
    ],
    ids=["four axes", "one axis", "no rows", "text", "no levels"],
)
def test_what_is_no_image_is_refused(data, message):
    with pytest.raises(ImageError, match=message):
        ImageSource(data)


def test_an_array_that_breaks_while_read_is_an_image_error():
    class Broken:
        shape = (50, 50)

        def __getitem__(self, index):
            raise OSError("disk gone")

    with pytest.raises(ImageError, match="disk gone"):
        ImageSource(Broken(), Rendering.grey()).read(Window(0, 0, 5, 5))
