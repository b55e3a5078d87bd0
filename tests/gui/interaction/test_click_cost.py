"""A click does its work once: what has not changed is neither read nor prepared anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.interaction import predictors
from napari_cfr_icl.gui.interaction.engine_switch import EngineSwitch
from napari_cfr_icl.session.preferences import Preferences, save_preferences
from napari_cfr_icl.session.presets import NamedPreset, load_presets, save_preset


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock with a preset that the user named."""
    save_preset(NamedPreset("mine", "interactive", Refinement(steps=2)))
    save_preferences(replace(Preferences(), preset="mine"))
    viewer.add_image(np.zeros((120, 160), np.uint8))
    driver = open_dock(viewer)
    driver.wait(lambda: driver.dock.controller.is_prepared)
    return driver


@pytest.mark.parametrize("positive", [True, False])
def test_the_points_are_read_once(driver, positive):
    reads = []
    driver.dock.controller.workspace.clicks_changed.connect(lambda: reads.append(1))
    driver.click(40, 60, positive)
    driver.wait_for_answer()
    assert reads == [1]
    assert [click.positive for click in driver.session.state.clicks] == [positive]


def test_no_predictor_is_prepared_and_no_preset_is_read(driver, monkeypatch):
    prepared, read = [], []
    prepare = EngineSwitch.prepare

    def load():
        read.append(1)
        return load_presets()

    monkeypatch.setattr(EngineSwitch, "prepare", lambda own: (prepared.append(1), prepare(own)))
    monkeypatch.setattr(predictors, "load_presets", load)
    driver.click(40, 60)
    driver.wait_for_answer()
    assert (prepared, read) == ([], [])
    driver.dock.engine.device.value = "cpu"
    driver.wait_for_answer()
    assert (prepared, read) == ([1], [1])
