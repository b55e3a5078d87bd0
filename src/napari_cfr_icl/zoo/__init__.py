"""Models by name and by file: list, download, load, import, export.

Importing this loads neither torch nor anything of the network; each name comes when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cfr_icl.zoo.catalog import CATALOGUE, DEFAULT_MODEL, ModelEntry
    from napari_cfr_icl.zoo.downloading import download
    from napari_cfr_icl.zoo.format import ModelInfo, read_info, save
    from napari_cfr_icl.zoo.import_export import export, import_checkpoint
    from napari_cfr_icl.zoo.listing import ModelStatus, available
    from napari_cfr_icl.zoo.loading import load
    from napari_cfr_icl.zoo.store import ModelStore

__all__ = [
    "CATALOGUE",
    "DEFAULT_MODEL",
    "ModelEntry",
    "ModelInfo",
    "ModelStatus",
    "ModelStore",
    "available",
    "download",
    "export",
    "import_checkpoint",
    "load",
    "read_info",
    "save",
]

_NAMES = {
    "catalog": ("CATALOGUE", "DEFAULT_MODEL", "ModelEntry"),
    "downloading": ("download",),
    "format": ("ModelInfo", "read_info", "save"),
    "import_export": ("export", "import_checkpoint"),
    "listing": ("ModelStatus", "available"),
    "loading": ("load",),
    "store": ("ModelStore",),
}


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
