"""Of a mask on another plane stays what is nearer to the object than to its background."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cfr_icl.engine import Patch
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.session.fading import Fading

SHAPE = (40, 40)
RIGHT_HALF = np.s_[10:30, 20:30]


def square():
    mask = np.zeros(SHAPE, bool)
    mask[10:30, 10:30] = True
    return mask


def plane(inside, background=50):
    picture = np.full(SHAPE, background, np.uint8)
    picture[10:30, 10:30] = inside
    return picture


def kept(first, other, contrast=0.5, found=None):
    """Pixels left of the mask that was found on the plane `other`."""
    found = square() if found is None else found
    fading = Fading(ImageSource.of(first), Patch.from_full(square()), contrast)
    left = fading.kept(ImageSource.of(other), Patch.from_full(found * np.float32(0.9)), 0.5)
    return left.threshold(0.5).full()


@pytest.mark.parametrize(("first", "background"), [(150, 50), (50, 150)], ids=["bright", "dark"])
@pytest.mark.parametrize(("share", "stays"), [(0.7, True), (0.3, False)])
def test_an_object_ends_below_half_its_contrast(first, background, share, stays):
    faded = round(background + share * (first - background))
    left = kept(plane(first, background), plane(faded, background))
    assert np.array_equal(left, square() & stays)


def test_a_part_that_has_faded_is_cut_off():
    other = plane(150)
    other[10:30, 10:20] = 60
    left = kept(plane(150), other)
    assert left[RIGHT_HALF].all()
    assert not left[:, :19].any()


def test_a_hole_is_no_end_and_specks_are_left_out():
    other = plane(150)
    other[18:22, 18:22] = 50
    found = square()
    found[2:8, 2:8] = True
    other[3:5, 3:5] = 150
    left = kept(plane(150), other, found=found)
    # Smoothing rounds the corners off.
    assert np.count_nonzero(left ^ square()) <= 4


@pytest.mark.parametrize(
    ("first", "contrast"),
    [
        pytest.param(plane(50), 0.5, id="an object as bright as its background"),
        pytest.param(np.indices(SHAPE).sum(0) % 2 * np.uint8(200), 0.5, id="texture alone"),
        pytest.param(plane(150), 0.0, id="switched off"),
    ],
)
def test_where_brightness_tells_nothing_masks_stay(first, contrast):
    assert np.array_equal(kept(first, plane(50), contrast), square())


def test_an_object_that_fills_its_plane_has_no_background():
    picture, everything = plane(150), np.ones(SHAPE, bool)
    fading = Fading(ImageSource.of(picture), Patch.from_full(everything), 0.5)
    probabilities = Patch.from_full(np.full(SHAPE, 0.9, np.float32))
    assert fading.kept(ImageSource.of(plane(50)), probabilities, 0.5) is probabilities
