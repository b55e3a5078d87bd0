"""Folders of this package on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_data_path

from napari_cfr_icl._files import atomic_write_text

CONFIG_VARIABLE = "NAPARI_CFR_ICL_CONFIG"
DATA_VARIABLE = "NAPARI_CFR_ICL_DATA"
MODELS_VARIABLE = "NAPARI_CFR_ICL_MODELS"
MICRO_SAM_VARIABLE = "MICROSAM_CACHEDIR"

_NAME = "napari-cfr-icl"
_CHOICE = "models-folder.txt"


def config_folder() -> Path:
    """The user's choices; the environment variable NAPARI_CFR_ICL_CONFIG names another folder."""
    return _chosen(CONFIG_VARIABLE) or user_config_path(_NAME, appauthor=False)


def data_folder() -> Path:
    """The user's unfinished work; NAPARI_CFR_ICL_DATA names another folder."""
    return _chosen(DATA_VARIABLE) or user_data_path(_NAME, appauthor=False)


def models_folder() -> Path:
    """Models: NAPARI_CFR_ICL_MODELS, else the folder that the user chose, else a cache."""
    return (
        _chosen(MODELS_VARIABLE)
        or _written_choice()
        or user_cache_path(_NAME, appauthor=False) / "models"
    )


def micro_sam_folder() -> Path:
    """The folder of models that micro-sam has downloaded; it may not exist."""
    return _chosen(MICRO_SAM_VARIABLE) or user_cache_path("micro_sam")


def variable_names_models_folder() -> bool:
    """True while NAPARI_CFR_ICL_MODELS is set: a choice has no effect until then."""
    return _chosen(MODELS_VARIABLE) is not None


def choose_models_folder(folder: Path | None) -> None:
    """Keep models in another folder from now on, or with None in the cache again.

    Models that are there already stay where they are.

    Raises
    ------
    OSError
        When the choice cannot be kept.
    """
    file = config_folder() / _CHOICE
    if folder is None:
        file.unlink(missing_ok=True)
        return
    atomic_write_text(file, f"{folder.expanduser().absolute()}\n")


def _chosen(variable: str) -> Path | None:
    folder = os.environ.get(variable)
    return Path(folder).expanduser() if folder else None


def _written_choice() -> Path | None:
    try:
        folder = (config_folder() / _CHOICE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return Path(folder) if folder else None
