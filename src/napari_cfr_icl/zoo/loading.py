"""Loading of networks by name or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file as read_tensors

from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl.engine.models import ClickModel, build, infer_architecture
from napari_cfr_icl.zoo.catalog import CATALOGUE, unknown_model
from napari_cfr_icl.zoo.file_kinds import FileKind, kind_of
from napari_cfr_icl.zoo.format import is_ours, read_info
from napari_cfr_icl.zoo.key_maps import published_name, published_weights
from napari_cfr_icl.zoo.store import ModelStore
from napari_cfr_icl.zoo.upstream import checkpoint_in, describe, read_checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["load", "load_file", "locate"]

# Fields of an architecture that the shapes of the weights do not decide.
_FREE_FIELDS: Final = frozenset(
    {"num_heads", "image_size", "click_style", "click_radius", "global_blocks", "windows"}
    | {"padded", "contrast"}
)
_NAMED: Final = 3  # keys of each kind that a report names


def load(name_or_path: str | Path, store: ModelStore | None = None) -> ClickModel:
    """Load a model by its name or from a file.

    Parameters
    ----------
    name_or_path : str or Path
        A name in the catalogue, the name of an imported model, or a file: .safetensors as
        `export` writes them, or a checkpoint as RITM, SimpleClick, CFR-ICL, MobileSAM, SAM, SAM 2
        and micro-sam publish or write them.
        Nothing is ever fetched; `download` does that.
    store : ModelStore, optional
        Where named models lie; the user's own folder by default.

    Returns
    -------
    ClickModel
        In eval mode, float32, on the CPU.

    Raises
    ------
    UnknownModelError
        When it is neither a known name nor a file.
    ModelFileError
        When the file is damaged, is something else, wants to run code, or does not fit.
    ModelError
        When the model is known, but not on this machine.
    """
    return load_file(locate(name_or_path, store or ModelStore()))


def locate(name_or_path: str | Path, store: ModelStore) -> Path:
    """File of a model, by name with its checksum verified, or by path; see `load`."""
    known = (*CATALOGUE, *store.own_names())
    if isinstance(name_or_path, str) and name_or_path in known:
        return store.checked_path(name_or_path)
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    if isinstance(name_or_path, str) and path.name == name_or_path and not path.suffix:
        raise unknown_model(name_or_path, store.own_names())
    raise ModelFileError(f"There is no file {path}: check the path.")


def load_file(path: Path) -> ClickModel:
    """Load a model file of any kind that is supported; see `load`."""
    try:
        kind = kind_of(path)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be opened ({error.strerror or error}).") from error
    if kind is FileKind.SAFETENSORS:
        return _load_safetensors(path)
    if kind in (FileKind.TORCH_ZIP, FileKind.TORCH_LEGACY):
        checkpoint = read_checkpoint(path)
        return _assemble(describe(checkpoint, path), checkpoint.weights, path)
    raise ModelFileError(
        f"{path} is {kind.value}, not a model: choose a .safetensors or .pth checkpoint"
        + (", unpacked." if kind is FileKind.ARCHIVE_7Z else ".")
    )


def _load_safetensors(path: Path) -> ClickModel:
    ours = is_ours(path)
    try:
        weights = read_tensors(path)
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged or incomplete ({error}): fetch or copy it again."
        ) from error
    if not ours:  # a published checkpoint that somebody converted
        checkpoint = checkpoint_in(weights, path)
        return _assemble(describe(checkpoint, path), checkpoint.weights, path)
    info = read_info(path)
    _check_description(info.architecture, weights, path)
    return _assemble(info.architecture, weights, path)


def _check_description(
    architecture: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path
) -> None:
    """Compare a description with the weights, so that no invented size is ever built."""
    try:
        found = infer_architecture(weights, architecture.get("num_heads"))
    except ValueError as error:
        raise ModelFileError(f"{path} holds no network that is known here. {error}") from error
    different = [
        key
        for key, value in found.items()
        if key not in _FREE_FIELDS and architecture.get(key) != value
    ]
    if different:
        raise ModelFileError(
            f"{path} describes another network than its weights are of "
            f"({', '.join(different)}): fetch or copy it again."
        )


def _assemble(
    architecture: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path
) -> ClickModel:
    """Build the network and load the weights, every one of which has to fit."""
    try:
        with torch.device("meta"):  # no memory, no random numbers: the weights come at once
            model = build(architecture)
    except ValueError as error:
        raise ModelFileError(f"{path} holds no network that can be built. {error}") from error
    wanted = published_weights(model)
    alive = {key: value for key, value in weights.items() if not key.startswith(model.dead_keys)}
    # Old files lack the counts of batches, which nothing here reads.
    counters = {key: torch.tensor(0) for key in wanted if key.endswith("num_batches_tracked")}
    alive = counters | alive
    if report := _misfits(wanted, alive):
        raise ModelFileError(f"{path} does not fit the network it belongs to: {report}.")
    odd = [key for key, like in wanted.items() if not _is_plain(alive[key], like)]
    if odd:
        raise ModelFileError(
            f"{path} holds weights that are no plain fractions ({_some(odd)}), such as quantized "
            "or sparse ones: save the network's weights in float32."
        )
    # Copies, for the tensors may still lie in the file, which may change or be removed.
    copies = {key: alive[key].to(wanted[key].dtype, copy=True) for key in wanted}
    broken = [key for key, weight in copies.items() if not weight.isfinite().all()]
    if broken:
        raise ModelFileError(
            f"{path} holds weights that are not numbers ({_some(broken)}): it is damaged."
        )
    ours = {key: copies[published_name(key)] for key in model.state_dict()}
    model.load_state_dict(ours, strict=True, assign=True)
    return model.eval()


def _is_plain(weight: Tensor, like: Tensor) -> bool:
    """True where a weight has one real number for each place, as a network's own has."""
    dense = weight.layout is torch.strided and not (weight.is_quantized or weight.is_meta)
    return dense and (weight.is_floating_point() or not like.is_floating_point())


def _misfits(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Report of missing, unexpected and reshaped keys; empty if all fits."""
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    reshaped = [
        f"{key} is {tuple(given[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    return "; ".join(f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in kinds if keys)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
