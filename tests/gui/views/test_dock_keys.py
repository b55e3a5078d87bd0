"""The keys of the dock are chosen in napari's preferences, where napari has a page for plugins."""

from __future__ import annotations

from importlib.resources import files

import napari.settings
import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_cfr_icl.gui.app.viewer_driver import SHIFT
from napari_cfr_icl.gui.views.dock_keys import DOCK_KEYS, SECTION, settle

SHAPE = (90, 120)
COMES_WITH = {name: key.default for name, key in DOCK_KEYS.items()}

with_page = pytest.mark.skipif(
    not hasattr(napari.settings, "get_plugin_settings"), reason="a page came with napari 0.9"
)


@pytest.fixture
def driver(viewer, open_dock, disks):
    """A dock on a grey image."""
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="grey")
    driver = open_dock(viewer)
    driver.wait_for_answer()
    return driver


@pytest.fixture
def preferences(viewer, driver):
    """napari's own dialog, open."""
    dialog = viewer.window._open_preferences_dialog()
    yield dialog
    dialog.accept()


def write(preferences, name, key):
    """Type a key into its line of the preferences, one letter after the other."""
    title = DOCK_KEYS[name].title
    names = [preferences._list.item(row).text() for row in range(preferences._list.count())]
    row = names.index("CFR-ICL")
    preferences._list.setCurrentRow(row)
    lines = preferences._stack.widget(row).findChildren(QLineEdit)
    (line,) = (line for line in lines if line.objectName() == title or _label(line) == title)
    line.clear()
    QTest.keyClicks(line, key)


def _label(line):
    """The text beside a line of a form."""
    form = line.parentWidget().layout()
    return form.labelForField(line).text() if hasattr(form, "labelForField") else ""


def test_the_manifest_and_the_dock_have_the_same_keys():
    manifest = PluginManifest.from_file(files("napari_cfr_icl") / "napari.yaml")
    sections = getattr(manifest.contributions, "configurations", None)
    if not sections:
        pytest.skip("this npe2 knows no configurations")
    found = {
        name: (item.title, item.default) for name, item in sections[SECTION].properties.items()
    }
    assert found == {name: (key.title, key.default) for name, key in DOCK_KEYS.items()}


def test_the_keys_that_the_dock_comes_with_are_fine():
    assert settle(COMES_WITH) == (COMES_WITH, [])


@pytest.mark.parametrize("text", ["", "Foo", "Shift", "Shift-", "W X", "⇧U"])
def test_what_is_no_key_gets_a_sentence_and_the_default(text):
    keys, troubles = settle({**COMES_WITH, "drop": text})
    assert keys == COMES_WITH
    assert len(troubles) == 1
    assert f"{text!r} is no key, so Drop has Q" in troubles[0]


def test_a_key_that_is_taken_twice_gets_a_sentence_and_the_default():
    keys, troubles = settle({**COMES_WITH, "write": "u"})
    assert keys == COMES_WITH
    assert troubles == [
        "The key U is taken twice, by Write and next and Undo, so Write and next has W."
    ]


def test_a_default_that_comes_back_drives_out_who_took_it():
    keys, troubles = settle({**COMES_WITH, "write": "U", "drop": "W"})
    assert keys == COMES_WITH
    assert len(troubles) == 2


def test_keys_may_change_places():
    swapped = {**COMES_WITH, "write": "q", "drop": "Ctrl-w"}
    assert settle(swapped) == ({**COMES_WITH, "write": "Q", "drop": "Ctrl+W"}, [])


@with_page
@pytest.mark.own_viewer
def test_a_key_from_the_preferences_does_the_work_and_the_old_one_no_more(driver, preferences):
    driver.click(40, 60)
    driver.wait_for_answer()
    write(preferences, "write", "Shift-M")
    driver.wait(lambda: driver.dock.object.write.text() == "Write and next  (⇧M)")
    assert driver.dock.hint.text() == "Correct it with more clicks, or press ⇧M to write it."
    labels = driver.dock.controller.workspace.labels
    driver.type(Qt.Key.Key_W)
    assert not labels.data.any()
    driver.type(Qt.Key.Key_M, SHIFT)
    assert labels.data[40, 60] == 1


@pytest.mark.bindings
@with_page
@pytest.mark.own_viewer
def test_the_key_is_there_in_the_next_dock_too(driver, preferences, open_dock):
    write(preferences, "hide", "X")
    driver.wait(lambda: driver.dock.object.hide_mask.text() == "Hide  (X)")
    driver.viewer.window.remove_dock_widget(driver.dock)
    again = open_dock(driver.viewer)
    assert again.dock is not driver.dock
    assert again.dock.object.hide_mask.text() == "Hide  (X)"


@with_page
@pytest.mark.own_viewer
def test_a_key_that_is_taken_is_told_once_it_is_typed(driver, preferences, said):
    write(preferences, "drop", "W")
    driver.wait(lambda: len(said()) > 0)
    assert said() == ["The key W is taken twice, by Write and next and Drop, so Drop has Q."]
    assert driver.dock.object.drop.text() == "Drop  (Q)"
