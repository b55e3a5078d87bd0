"""Files of a search: read and written in a thread, and removed again."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.threads.json_process import JsonProcess
from napari_cfr_icl.gui.tuning import search_controller
from napari_cfr_icl.gui.tuning.policy_scores import NO_SCORES
from napari_cfr_icl.gui.tuning.search_controller import SearchController
from napari_cfr_icl.gui.tuning.search_options import SearchOptions

ENGINE = EngineChoice("tiny", "cpu", "interactive", "", every_click=False)


@pytest.fixture
def wait(qtbot):
    return lambda until: qtbot.waitUntil(until, timeout=60_000)


@pytest.fixture
def searches(qapp):
    parent = QObject()
    searches = SearchController(parent)
    yield searches
    searches.close()


@pytest.fixture
def cells():
    picture = np.ones((32, 32), np.uint8)
    return LayerFiles("cells", {(): ImageSource(picture)}, picture)


def test_files_are_read_and_written_in_a_thread(searches, cells, wait, monkeypatch):
    calls = {}

    def remembered(name, real):
        def call(*args):
            calls[name] = threading.current_thread()
            return real(*args)

        return call

    for place, name in ((LayerFiles, "write"), (search_controller, "write_settings")):
        monkeypatch.setattr(place, name, remembered(name, getattr(place, name)))
    result = remembered("read_result", lambda folder, objects: (NO_SCORES, "done"))
    monkeypatch.setattr(search_controller, "read_result", result)
    monkeypatch.setattr(JsonProcess, "start", lambda process, words: process.ended.emit(""))
    finished = []
    searches.finished.connect(lambda scores, text: finished.append(text))
    searches.start(SearchOptions(), cells, ENGINE)
    wait(lambda: finished == ["done"])
    assert set(calls) == {"write", "write_settings", "read_result"}
    assert threading.main_thread() not in calls.values()
    assert not (searches.results.parent / "cells").exists()


def test_a_copy_that_is_being_made_is_removed_after_a_cancel(searches, cells, wait, monkeypatch):
    begun, gate, written = threading.Event(), threading.Event(), threading.Event()
    real = LayerFiles.write

    def write(layers, folder):
        begun.set()
        assert gate.wait(20)
        real(layers, folder)
        written.set()
        return folder

    monkeypatch.setattr(LayerFiles, "write", write)
    started = []
    monkeypatch.setattr(JsonProcess, "start", lambda process, words: started.append(words))
    searches.start(SearchOptions(), cells, ENGINE)
    wait(begun.is_set)
    searches.cancel()
    gate.set()
    wait(lambda: written.is_set() and not (searches.results.parent / "cells").exists())
    assert not searches.is_running
    assert started == []
