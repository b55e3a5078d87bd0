import numpy as np
import pytest

from napari_cfr_icl._errors import ImageError
from napari_cfr_icl.engine.rendering import Channel, Rendering


def test_8_bit_rgb_is_divided_by_255_and_alpha_is_not_looked_at():
    pixels = np.array([[[0, 51, 255, 7]]], np.uint8)
    assert Rendering.guess(pixels)(pixels).tolist() == [[[0, np.float32(51 / 255), 1]]]


def test_grey_is_drawn_in_all_three_channels():
    pixels = np.array([[0, 102], [204, 255]], np.uint8)
    picture = Rendering.guess(pixels)(pixels)
    np.testing.assert_allclose(picture[..., 0], [[0, 0.4], [0.8, 1]], rtol=1e-6)
    assert (picture == picture[..., :1]).all()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint16", 500, 40_000), ("int32", -7_000, 9_000), ("float64", -1e6, 1e6), ("int64", 0, 3e9)],
)
def test_other_types_are_stretched_to_their_own_range(dtype, low, high):
    pixels = np.linspace(low, high, 10_000).reshape(100, 100).astype(dtype)
    picture = Rendering.guess(pixels)(pixels)
    assert picture.dtype == np.float32
    assert picture[0, 0, 0] == 0
    assert picture[-1, -1, 0] == 1
    assert picture[50, 0, 0] == pytest.approx(0.5, abs=0.01)


def test_floats_from_0_to_1_keep_their_values():
    pixels = np.array([[0.0, 0.25], [0.5, 1.0]])
    np.testing.assert_allclose(Rendering.guess(pixels)(pixels)[..., 1], pixels)


def test_a_bright_pixel_does_not_darken_the_rest():
    pixels = np.tile(np.arange(100, dtype=np.uint16), (100, 1))
    pixels[0, 0] = 65_535
    assert Rendering.guess(pixels)(pixels)[50, 99, 0] == pytest.approx(1)


def test_nan_is_black_and_infinities_are_the_ends():
    pixels = np.array([[np.nan, np.inf], [-np.inf, 5.0]])
    picture = Rendering.grey(0, 10)(pixels)[..., 0]
    assert picture.tolist() == [[0, 1], [0, 0.5]]
    guessed = Rendering.guess(np.full((4, 4), np.nan))
    assert (guessed(np.full((4, 4), np.nan)) == 0).all()


@pytest.mark.parametrize("value", [0, 7, 65_535])
def test_a_constant_image_is_drawn_without_a_warning(value):
    pixels = np.full((5, 5), value, np.uint16)
    assert (Rendering.guess(pixels)(pixels) == 0).all()


def test_channels_are_coloured_and_added_up():
    pixels = np.zeros((1, 1, 5), np.uint8)
    pixels[0, 0, [0, 4]] = 255, 128
    mix = Rendering((Channel(0, (1, 0, 0), 0, 255), Channel(4, (1, 0.5, 0), 0, 255, gamma=2)))
    expected = [1, 0.5 * (128 / 255) ** 2, 0]
    np.testing.assert_allclose(mix(pixels)[0, 0], expected, rtol=1e-5)
    assert len(Rendering.guess(pixels).channels) == 5


def test_four_channels_are_a_mix_when_told_so():
    pixels = np.zeros((1, 1, 4), np.uint8)
    pixels[..., 3] = 255
    assert Rendering.guess(pixels)(pixels).max() == 0
    assert Rendering.guess(pixels, rgb=False)(pixels).max() == 1


@pytest.mark.parametrize(
    "sample",
    [np.zeros((2, 2, 2, 2)), np.zeros((4, 4), complex), np.array([["a"]])],
    ids=["four axes", "complex", "text"],
)
def test_what_cannot_be_drawn_is_refused(sample):
    with pytest.raises(ImageError, match="array of numbers"):
        Rendering.guess(sample)


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(ImageError, match="no channel 3"):
        Rendering((Channel(3, (1, 1, 1), 0, 1),))(np.zeros((2, 2, 3)))
    with pytest.raises(ImageError, match="at least one channel"):
        Rendering(())
