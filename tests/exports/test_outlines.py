"""Outlines hold exactly the pixels of the mask, and are polygons that geometry programs accept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapely import Polygon
from skimage.draw import polygon2mask

from napari_cfr_icl.engine.windows import Patch, Window
from napari_cfr_icl.exports.outlines import outlines


def mask(text):
    """A mask drawn with # and dots."""
    return np.array([[letter == "#" for letter in row] for row in text.split()])


def filled(parts, shape):
    """The pixels whose centres lie in the polygons."""
    found = np.zeros(shape, bool)
    for part in parts:
        found |= polygon2mask(shape, np.array(part.exterior) - 0.5)
        for hole in part.holes:
            found &= ~polygon2mask(shape, np.array(hole) - 0.5)
    return found


SHAPES = {
    "one pixel": ("#", 1, 0),
    "a square": ("## ##", 1, 0),
    "two parts": ("#.#", 2, 0),
    "corner to corner": ("#. .#", 2, 0),
    "a hole": ("### #.# ###", 1, 1),
    "two holes at a corner": ("#### #.## ##.# ####", 1, 2),
    "a hole that reaches the corner": ("##. #.# ###", 1, 1),
    "an island in a lake": ("##### #...# #.#.# #...# #####", 2, 1),
}


@pytest.mark.parametrize(("text", "parts", "holes"), SHAPES.values(), ids=SHAPES)
def test_parts_and_holes(text, parts, holes):
    drawn = mask(text)
    found = outlines(Patch.from_full(drawn))
    assert len(found) == parts
    assert sum(len(part.holes) for part in found) == holes
    assert sum(Polygon(part.exterior, part.holes).area for part in found) == drawn.sum()


def test_corners_are_those_of_the_pixels_in_the_plane():
    patch = Patch(np.ones((2, 3), bool), Window(10, 20, 2, 3), (50, 60))
    (part,) = outlines(patch)
    assert set(part.exterior) == {(10, 20), (10, 23), (12, 23), (12, 20)}
    assert len(part.exterior) == 4


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans())
)
def test_any_mask_comes_back_from_valid_polygons(drawn):
    found = outlines(Patch.from_full(drawn))
    polygons = [Polygon(part.exterior, part.holes) for part in found]
    assert all(polygon.is_valid for polygon in polygons)
    assert sum(polygon.area for polygon in polygons) == drawn.sum()
    assert np.array_equal(filled(found, drawn.shape), drawn)


def test_no_pixel_no_outline():
    assert outlines(Patch.from_full(np.zeros((3, 4), bool))) == []
