"""The garbage collector passes over what stays, and over nothing that goes."""

import gc
import weakref

import numpy as np
import pytest
from napari.utils.events import EventedList
from qtpy.QtWidgets import QApplication

from napari_cfr_icl.gui.threads.gc_freeze import GcFreeze

pytestmark = pytest.mark.bindings

MANY = 100_000


class Thing:
    """In a reference cycle, which only a collection can free."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def layers(qapp):
    """In the place of napari's layers, which napari itself may hold on to for a while."""
    return EventedList([Thing()])


@pytest.fixture
def freeze(layers):
    freeze = GcFreeze(layers)
    yield freeze
    freeze.close()


def test_what_is_there_once_the_model_is_loaded_is_set_aside_until_the_dock_goes(
    viewer, open_dock, disks
):
    viewer.add_image(np.zeros((90, 120), np.uint8))
    driver = open_dock(viewer)
    driver.wait(lambda: driver.dock.controller.is_prepared)
    count = gc.get_freeze_count()
    assert count > MANY
    assert len(gc.get_objects()) < count / 10
    driver.viewer.window.remove_dock_widget(driver.dock)
    driver.wait(lambda: gc.get_freeze_count() == 0)


def test_a_removed_layer_that_was_set_aside_is_freed_all_the_same(layers, freeze):
    freeze.begin()
    assert gc.get_freeze_count() > MANY
    gone = weakref.ref(layers.pop())
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert gone() is None
    gc.collect()
    QApplication.processEvents()
    assert gc.get_freeze_count() > MANY


def test_nothing_is_collected_while_a_model_loads_nor_when_it_is_loaded(freeze):
    full = []

    def on_collection(phase, facts):
        if phase == "start" and facts["generation"] == 2:
            full.append(phase)

    gc.collect()
    gc.callbacks.append(on_collection)
    try:
        freeze.pause()
        loaded = [Thing() for _ in range(MANY)]
        assert not gc.isenabled()
        freeze.begin()
        assert gc.isenabled()
        del loaded[:]
        assert full == []
    finally:
        gc.callbacks.remove(on_collection)


def test_collections_go_on_when_the_dock_is_closed_while_a_model_loads(layers):
    freeze = GcFreeze(layers)
    freeze.pause()
    freeze.close()
    assert gc.isenabled()


def test_waste_from_before_the_dock_is_not_kept(layers):
    waste = Thing()
    gone = weakref.ref(waste)
    del waste
    freeze = GcFreeze(layers)
    freeze.begin()
    freeze.close()
    assert gone() is None


def test_another_model_does_not_set_aside_a_layer_that_is_going(layers, freeze):
    freeze.begin()
    kept = layers.pop()
    freeze.begin()
    assert gc.get_freeze_count() == 0
    gone = weakref.ref(kept)
    del kept
    gc.collect()
    assert gone() is None
    gc.collect()
    QApplication.processEvents()
    assert gc.get_freeze_count() > MANY


def test_a_layer_of_another_viewer_that_is_going_is_waited_for(layers, freeze):
    other = EventedList([Thing()])
    beside = GcFreeze(other)
    try:
        beside.begin()
        kept = other.pop()
        freeze.begin()
        assert gc.get_freeze_count() == 0
        del kept
    finally:
        beside.close()
    gc.collect()


def test_a_layer_that_went_before_is_not_set_aside(layers, freeze):
    gone = weakref.ref(layers.pop())
    freeze.begin()
    assert gone() is None
    assert gc.get_freeze_count() > MANY


def test_a_layer_that_came_later_goes_without_ado(layers, freeze):
    freeze.begin()
    layers.append(Thing())
    gone = weakref.ref(layers.pop())
    assert gc.get_freeze_count() > MANY
    gc.collect()
    assert gone() is None
