"""Import and export of model files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_cfr_icl._errors import ModelFileError, OutputError
from napari_cfr_icl.engine.models import PUBLISHED, build
from napari_cfr_icl.zoo.catalog import CATALOGUE, ModelEntry
from napari_cfr_icl.zoo.file_kinds import FileKind, file_sha256, kind_of
from napari_cfr_icl.zoo.format import ModelInfo, is_ours, read_info, save
from napari_cfr_icl.zoo.loading import load_file, locate
from napari_cfr_icl.zoo.published_files import PUBLISHED_SUFFIXES, write_published
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from napari_cfr_icl.engine.models import ClickModel

__all__ = ["export", "import_checkpoint"]


def import_checkpoint(
    path: str | Path, name: str | None = None, store: ModelStore | None = None
) -> str:
    """Check a model file and store a copy of it in our own format, to be loaded by name.

    Parameters
    ----------
    path : str or Path
        The file; see `load` for the kinds.
    name : str, optional
        What to call it. By default the catalogue's name for such a file, or the file's own name.
        A name of the catalogue is given to a network of that size only.
    store : ModelStore, optional
        Where to keep it; the user's own folder by default.

    Returns
    -------
    str
        The name.

    Raises
    ------
    InputError
        When the name is taken or cannot be one.
    ModelFileError
        When the file is no model that can be used, or another than its name says.
    OutputError
        When the copy cannot be written.
    """
    path, store = Path(path).expanduser(), store or ModelStore()
    published = _published_as(path)
    if name is None:
        name = path.stem if published is None else published.name
    target = store.new_path(name)
    model = load_file(path)
    entry = CATALOGUE.get(name)
    if entry is not None:
        _check_size(model, entry, path)
    save(model, target, replace(_info(model, path, entry or published), name=name))
    store.record(target, file_sha256(target))
    return name


def export(
    name_or_path: str | Path,
    path: str | Path,
    store: ModelStore | None = None,
    *,
    dtype: str | None = None,
    overwrite: bool = False,
    like: str | Path | None = None,
) -> Path:
    """Write a model to a file: in our own format, or as SAM's own program and micro-sam load it.

    Parameters
    ----------
    name_or_path : str or Path
        The model; see `load`.
    path : str or Path
        The new file. With the suffix .pth or .pt it is a PyTorch file of weights by their published
        names, for networks of SAM's family alone.
    store : ModelStore, optional
        Where named models lie; the user's own folder by default.
    dtype : str, optional
        "float32" or "float16", half the size; by default as the model lies on disk, and float32 in
        a PyTorch file.
    overwrite : bool
        Whether an existing file may be replaced.
    like : str or Path, optional
        A checkpoint of the same network that a PyTorch file is built like, with all that it holds
        beside the network: micro-sam's decoder, SAM 2's weights for videos.

    Returns
    -------
    Path
        The new file.

    Raises
    ------
    ModelError
        When the model cannot be loaded, or the file of another program cannot hold it.
    OutputError
        When the file exists or cannot be written.
    """
    path, store = Path(path).expanduser(), store or ModelStore()
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already: choose another name, or allow to replace it.")
    source = locate(name_or_path, store)
    model = load_file(source)
    if path.suffix.lower() in PUBLISHED_SUFFIXES:
        write_published(model, path, None if like is None else locate(like, store), dtype)
        return path
    if like is not None:
        raise OutputError(
            f"{path} would not be built like another file, for only .pth and .pt files are: choose "
            "such a name, or leave --like out."
        )
    entry = CATALOGUE.get(str(name_or_path)) or _published_as(source)
    info = _info(model, source, entry)
    save(model, path, info if dtype is None else replace(info, dtype=dtype))
    return path


def _published_as(path: Path) -> ModelEntry | None:
    """Entry of the catalogue whose file has this name."""
    return next((entry for entry in CATALOGUE.values() if entry.file_name == path.name), None)


def _info(model: ClickModel, path: Path, entry: ModelEntry | None) -> ModelInfo:
    """Description of a model from its file, else from the catalogue."""
    if kind_of(path) is FileKind.SAFETENSORS and is_ours(path):
        return read_info(path)
    if entry is None:
        return ModelInfo(name=path.stem, architecture=model.architecture)
    return ModelInfo(
        name=entry.name,
        architecture=model.architecture,
        licence=entry.licence,
        attribution=entry.source,
        trained_on=entry.trained_on,
    )


def _check_size(model: ClickModel, entry: ModelEntry, path: Path) -> None:
    with torch.device("meta"):
        expected = build(PUBLISHED[entry.architecture])
    if model.architecture != expected.architecture:
        raise ModelFileError(
            f"{path} is not {entry.title}: its network is of another size. Import it under a name "
            "of its own."
        )
