"""The engine: numpy in, numpy out.

Importing it loads no torch; the names that need torch come lazily.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.engine.clicks import Click, Clicks
from napari_cfr_icl.engine.settings import Refinement, Settings
from napari_cfr_icl.engine.windows import Patch, Window

if TYPE_CHECKING:
    from napari_cfr_icl.engine.predictor import Prediction, Predictor

__all__ = [
    "Click",
    "Clicks",
    "Patch",
    "Prediction",
    "Predictor",
    "Refinement",
    "Settings",
    "Window",
]

_LAZY = {
    "Predictor": "napari_cfr_icl.engine.predictor",
    "Prediction": "napari_cfr_icl.engine.prediction",
}


def __getattr__(name: str) -> Any:
    if (module := _LAZY.get(name)) is not None:
        return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
