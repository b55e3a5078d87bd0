"""List of all models, with their state on this machine. No torch, no network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl._paths import micro_sam_folder
from napari_cfr_icl.zoo.catalog import CATALOGUE, ModelEntry
from napari_cfr_icl.zoo.format import read_info
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ModelState", "ModelStatus", "available"]


class ModelState(Enum):
    """State of a model; the value is for people to read."""

    BUILT_IN = "built in"
    DOWNLOADED = "on this machine"
    IMPORTED = "imported"
    FOUND = "found on this machine"
    DOWNLOADABLE = "to be downloaded"
    BY_HAND = "to be fetched by hand"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model of the list; None stands for unknown.

    Attributes
    ----------
    name : str
        The name to load it by.
    title : str
        The name that people read.
    state : ModelState
        Its state.
    path : Path or None
        Its file, if it is on this machine.
    size : int or None
        Bytes of that file, or else of the published one, rounded.
    licence, trained_on : str or None
        The terms of the weights, and the training data.
    source : str
        Whom to name.
    notes : str
        Advice for choosing.
    """

    name: str
    title: str
    state: ModelState
    path: Path | None = None
    size: int | None = None
    licence: str | None = None
    trained_on: str | None = None
    source: str = ""
    notes: str = ""


def available(store: ModelStore | None = None) -> list[ModelStatus]:
    """List the catalogue in its order, then the user's own models, then those that micro-sam keeps.

    Parameters
    ----------
    store : ModelStore, optional
        Where models lie; the user's own folder by default.

    Returns
    -------
    list of ModelStatus
        Damaged files included, with the damage in the notes.
    """
    store = store or ModelStore()
    own = [name for name in store.own_names() if name not in CATALOGUE]
    return [
        *(_of_entry(entry, store) for entry in CATALOGUE.values()),
        *(_of_own(name, store) for name in own),
        *(_of_found(path) for path in store.found()),
    ]


def _of_entry(entry: ModelEntry, store: ModelStore) -> ModelStatus:
    path = store.path_of(entry.name)
    return ModelStatus(
        name=entry.name,
        title=entry.title,
        state=_state(entry, path),
        path=path,
        size=entry.size if path is None else path.stat().st_size,
        licence=entry.licence,
        trained_on=entry.trained_on,
        source=entry.source,
        notes=entry.notes,
    )


def _state(entry: ModelEntry, path: Path | None) -> ModelState:
    if path is None:
        return ModelState.DOWNLOADABLE if entry.urls else ModelState.BY_HAND
    if path == entry.embedded_path:
        return ModelState.BUILT_IN
    if path.is_relative_to(micro_sam_folder()):
        return ModelState.FOUND
    return ModelState.DOWNLOADED if path.name == entry.file_name else ModelState.IMPORTED


def _of_own(name: str, store: ModelStore) -> ModelStatus:
    path = store.folder / f"{name}.safetensors"
    size = path.stat().st_size
    try:
        info = read_info(path)
    except ModelFileError as error:
        return ModelStatus(name, name, ModelState.IMPORTED, path, size, notes=str(error))
    terms = info.licence, info.trained_on, info.attribution
    return ModelStatus(name, name, ModelState.IMPORTED, path, size, *terms)


def _of_found(path: Path) -> ModelStatus:
    notes = f"Kept by micro-sam: {path}"
    size = path.stat().st_size
    return ModelStatus(str(path), path.name, ModelState.FOUND, path, size, notes=notes)
