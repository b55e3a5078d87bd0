"""The garbage collector passes over what stays, and over nothing that goes."""

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_cfr_icl.session.runner import Prepared


@pytest.fixture
def hand(viewer, open_dock, disks):
    viewer.add_image(np.zeros((90, 120), np.uint8), name="grey")
    hand = open_dock(viewer)
    hand.wait(lambda: hand.dock.controller.is_prepared)
    return hand


def test_what_is_there_once_the_model_is_loaded_is_set_aside_until_the_dock_goes(hand):
    aside = gc.get_freeze_count()
    assert aside > 100_000
    assert len(gc.get_objects()) < aside / 10
    hand.viewer.window.remove_dock_widget(hand.dock)
    hand.wait(lambda: gc.get_freeze_count() == 0)


def test_a_removed_layer_that_was_set_aside_is_freed_all_the_same(hand):
    gone = weakref.ref(hand.viewer.layers["grey"])
    hand.viewer.add_image(np.ones((90, 120), np.uint8), name="other")
    hand.viewer.layers.remove("grey")
    assert gc.get_freeze_count() == 0
    QApplication.processEvents()
    gc.collect()
    assert gone() is None
    gc.collect()
    hand.wait(lambda: gc.get_freeze_count() > 100_000)


def test_another_model_does_not_set_aside_a_layer_that_is_going(hand):
    kept = hand.viewer.layers["grey"]
    hand.viewer.layers.remove("grey")
    QApplication.processEvents()
    hand.dock.controller._on_message(Prepared(0))
    assert gc.get_freeze_count() == 0
    gone = weakref.ref(kept)
    del kept
    gc.collect()
    assert gone() is None
    gc.collect()
    hand.wait(lambda: gc.get_freeze_count() > 100_000)


def test_a_layer_that_went_before_is_not_set_aside(viewer, open_dock, disks):
    gone = weakref.ref(viewer.add_image(np.zeros((90, 120), np.uint8), name="grey"))
    viewer.layers.remove("grey")
    hand = open_dock(viewer)
    hand.wait(lambda: hand.dock.controller.is_prepared)
    assert gone() is None
    assert gc.get_freeze_count() > 100_000


def test_a_layer_that_came_later_goes_without_ado(hand):
    layer = weakref.ref(hand.viewer.add_image(np.ones((90, 120), np.uint8), name="later"))
    hand.viewer.layers.remove("later")
    assert gc.get_freeze_count() > 100_000
    gc.collect()
    hand.wait(lambda: layer() is None)
