"""The preview shows the pixels that W would write, and the dock says how many are others'."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from autosave_user import grab, labels


def previewed(driver):
    """The pixels of the current object on the screen, over the whole image."""
    mask, _ = driver.dock.controller.workspace.preview.mask
    return mask.full()


def under_way(driver, row, col):
    driver.click(row, col)
    driver.wait_for_answer()
    assert driver.session.mask.full().any()


@pytest.fixture
def neighbour(start):
    """A dock with object 7 on the left half of the picture."""
    driver = start()
    ids = labels(driver).data.copy()
    ids[:, :80] = 7
    labels(driver).data = ids
    return driver


@pytest.mark.parametrize("col", [78, 82, 81])
def test_what_is_written_is_what_was_shown(neighbour, col):
    driver = neighbour
    before = labels(driver).data.copy()
    under_way(driver, 60, col)
    shown, size = previewed(driver), int(driver.session.mask.full().sum())
    taken = int(driver.session.mask.full()[:, :80].sum())
    assert f"{taken} of {size} px belong to others" in driver.dock.hint.text()
    assert ("to correct object 7" in driver.dock.hint.text()) == (2 * taken >= size)
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data != before, shown)
    assert 0 < shown.sum() == size - taken


def test_an_object_that_others_cover_is_not_shown(neighbour):
    driver = neighbour
    under_way(driver, 60, 30)
    assert not previewed(driver).any()
    assert driver.dock.hint.text().startswith("All of this belongs to others")


def test_the_preview_follows_the_choice_to_overwrite(neighbour):
    driver = neighbour
    under_way(driver, 60, 80)
    driver.dock.object.protect.click()
    assert np.array_equal(previewed(driver), driver.session.mask.full())
    assert "belong to others" not in driver.dock.hint.text()
    driver.dock.object.protect.click()
    assert not previewed(driver)[:, :80].any()
    shown = previewed(driver)
    driver.type(Qt.Key.Key_W)
    assert np.array_equal(labels(driver).data == 8, shown)


def test_the_preview_follows_the_labels(neighbour):
    driver = neighbour
    under_way(driver, 60, 80)
    labels(driver).fill((60, 30), 0)
    driver.settle()
    assert np.array_equal(previewed(driver), driver.session.mask.full())
    labels(driver).undo()
    driver.settle()
    assert not previewed(driver)[:, :80].any()
    labels(driver).paint((60, 82), 9)
    driver.settle()
    assert not previewed(driver)[60, 82]


def test_a_corrected_object_keeps_its_own_pixels_in_the_preview(neighbour):
    driver = neighbour
    grab(driver, 60, 30)
    assert np.array_equal(previewed(driver), labels(driver).data == 7)
    assert "belong to others" not in driver.dock.hint.text()
