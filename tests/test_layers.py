"""Who may load whom, seen from a fresh interpreter.

import-linter (`make lint`) reads the same rules from the source; here they are seen as they happen,
with everything that third parties bring along.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

SCREEN = {"PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy", "superqt", "napari", "magicgui"}

ONE = "import {name}"
USE = """
import numpy as np
from {name} import zoo
from {name}.engine import Click, Predictor, Settings
for model, entry in zoo.CATALOGUE.items():
    if entry.embedded:
        network = zoo.load(model)
        image = np.zeros((64, 64), np.uint8)
        Predictor(network, Settings.interactive(network), "cpu").predict(image, [Click(9, 9)])
"""
ALL = """
import importlib, pkgutil, {name}
for found in pkgutil.walk_packages({name}.__path__, "{name}."):
    importlib.import_module(found.name)
"""

RULES = [
    pytest.param(ONE, "napari_cfr_icl", SCREEN | {"torch", "numpy"}, id="package-is-light"),
    # PyTorch's compiler takes seconds to load, and its LLVM meets Mesa's in a viewer: that ends it.
    pytest.param(USE, "napari_cfr_icl", {"torch._dynamo", "triton"}, id="models-compile-nothing"),
    pytest.param(ALL, "napari_cfr_icl.engine", SCREEN | {"psygnal"}, id="engine-has-no-screen"),
    pytest.param(ONE, "napari_cfr_icl.engine", SCREEN | {"torch"}, id="engine-names-are-lazy"),
    pytest.param(ALL, "napari_cfr_icl.session", SCREEN | {"torch"}, id="session-is-values-only"),
    pytest.param(ALL, "napari_cfr_icl.exports", SCREEN | {"torch"}, id="exports-are-files-only"),
    pytest.param(ONE, "napari_cfr_icl.zoo.catalog", SCREEN | {"torch"}, id="catalogue-is-light"),
    pytest.param(ONE, "napari_cfr_icl.zoo.store", SCREEN | {"torch"}, id="store-is-light"),
    pytest.param(ALL, "napari_cfr_icl.zoo", SCREEN, id="zoo-has-no-screen"),
    pytest.param(ALL, "napari_cfr_icl.samples", SCREEN | {"torch"}, id="samples-are-light"),
    pytest.param(ALL, "napari_cfr_icl.evaluation", SCREEN, id="evaluation-has-no-screen"),
    pytest.param(ALL, "napari_cfr_icl.training", SCREEN, id="training-has-no-screen"),
    pytest.param(ONE, "napari_cfr_icl.cli", SCREEN | {"torch"}, id="command-line-starts-light"),
]


def loaded_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after running `code`."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


@pytest.mark.parametrize(("code", "name", "forbidden"), RULES)
def test_import_stays_in_its_layer(code, name, forbidden):
    assert sorted(loaded_after(code.format(name=name)) & forbidden) == []


def test_the_probe_sees_what_is_loaded():
    """Without this, a probe that saw nothing would let every rule pass."""
    assert {"numpy", "torch"} <= loaded_after("import torch")
