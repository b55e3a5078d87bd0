"""Safe reading of the checkpoints that RITM, SimpleClick and CFR-ICL publish.

Such a file is a pickle. It is read with `weights_only`, which builds tensors and plain containers
and refuses everything else, except types that are known to be harmless (see `stand_ins`). Training
programs wrap the weights in containers and prefixes of their own; the network is found by the names
of its weights, wherever it lies.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl.engine.models import family_of, infer_architecture
from napari_cfr_icl.engine.models.click_model import IMAGE_MEAN, IMAGE_STD
from napari_cfr_icl.zoo.file_kinds import FileKind, find_damage, kind_of, other_archive
from napari_cfr_icl.zoo.micro_sam import (
    check_has_prompts,
    is_from_micro_sam,
    is_training_checkpoint,
    merged_adapters,
)
from napari_cfr_icl.zoo.stand_ins import STAND_INS, Array, Inert

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Checkpoint",
    "checkpoint_in",
    "describe",
    "network_in",
    "read_checkpoint",
    "read_content",
]


_FAMILIES: Final = ("PlainVitModel", "HRNetModel")
_SUPPORTED: Final[dict[str, Callable[[Any], bool]]] = {
    "align_corners": lambda value: value in (None, False),
    "binary_prev_mask": lambda value: value in (None, False),
    "clicks_groups": lambda value: value is None,
    "conv_extend": lambda value: value in (None, False),
    "norm_mean_std": lambda value: value is None or _is_imagenet(value),
    "random_split": lambda value: value in (None, False),
    "use_leaky_relu": lambda value: value in (None, True),
}
"""Settings that change what a network computes but not the shape of its weights."""

_COMPILED: Final = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""Parts of names that PyTorch puts in wherever it wraps a part of a network."""

_WRAPPERS: Final = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module"),
    *("weights", "params"),
)
"""Names of containers and prefixes under which training programs keep the network itself. Other
names, such as "model_ema" or "teacher", are taken where no network lies under these."""

_BACKBONE: Final = re.compile(rf"(?:(?:{'|'.join(_WRAPPERS)})\.)*(?:patch_embed|stage4|layer4)\.")
"""Start of names of weights in networks trained on ImageNet, alone or wrapped."""

_DEEPEST: Final = 8
"""Most containers and prefixes around a network."""

_MOST_NAMES: Final = 200
"""Most names of classes in a training checkpoint."""

_GLOBAL_IN_MESSAGE: Final = re.compile(r"GLOBAL (\S+)")
_MODULE_IN_OLD_FORMAT: Final = "Only persistent_load of storage"
_FRAME_IN_MESSAGE: Final = "Unsupported operand 149"
"""Pickles have frames since protocol 4; torch.save writes protocol 2 unless told otherwise."""

# What torch.load was seen to raise for files with bytes changed, missing or made up.
_UNREADABLE: Final = (
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    OSError,
    AssertionError,
    MemoryError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Content of a file: the weights, the settings of the network, if any, and its writer."""

    weights: dict[str, Tensor]
    config: dict[str, Any] | None
    from_micro_sam: bool = False


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a .pth file of the public code, without running anything in it.

    Raises
    ------
    ModelFileError
        When it is damaged, holds something else, or wants to run code.
    """
    return checkpoint_in(read_content(path), path)


def read_content(path: Path) -> object:
    """All that a .pth file holds, see `read_checkpoint`; tensors may still lie in the file."""
    kind = kind_of(path)
    if kind is FileKind.TORCH_ZIP and (damage := find_damage(path)) is not None:
        raise ModelFileError(f"{path} cannot be read: {damage}. Fetch or copy it again.")
    if kind is FileKind.TORCH_ZIP and (other := other_archive(path)) is not None:
        raise ModelFileError(f"{path} is {other}.")
    try:
        with safe_globals(STAND_INS):
            if kind is FileKind.TORCH_ZIP and (refused := get_unsafe_globals_in_checkpoint(path)):
                return _read_training_checkpoint(path, refused)
            # Mapped, a large file does not take its size in memory twice; old ones cannot be.
            mapped = kind is FileKind.TORCH_ZIP
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except _UNREADABLE as error:
        if refused := _GLOBAL_IN_MESSAGE.findall(str(error)):
            return _read_training_checkpoint(path, refused[:1])
        if _MODULE_IN_OLD_FORMAT in str(error):
            raise ModelFileError(
                f"{path} is in PyTorch's format before 1.6 and holds a part of the program that "
                "trained it, which cannot be read safely. Save it anew with a PyTorch since 1.6."
            ) from None
        if kind is FileKind.TORCH_ZIP and _FRAME_IN_MESSAGE in str(error):
            raise ModelFileError(
                f"{path} was saved with a pickle_protocol above 3, which cannot be read safely: "
                "save it anew with torch.save, without that option."
            ) from None
        raise ModelFileError(
            f"{path} is no PyTorch checkpoint, or a damaged one: fetch or copy it again. "
            f"({type(error).__name__} while reading it)"
        ) from error


def _read_training_checkpoint(path: Path, refused: list[str]) -> object:
    """Content of micro-sam's training checkpoint: data sets and samplers are left empty.

    They are of classes of the user's own, so no list of names would do; whatever the names, nothing
    of the file is imported or called.
    """
    content, names = None, list(refused)
    while content is None and len(names) <= _MOST_NAMES:
        stand_ins: list[Any] = [(type("Empty", (Inert,), {}), name) for name in names]
        try:
            with safe_globals([*STAND_INS, *stand_ins]):
                mapped = kind_of(path) is FileKind.TORCH_ZIP
                content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except _UNREADABLE as error:
            # The format before 1.6 does not list its names: it is read until the next one.
            more = [n for n in _GLOBAL_IN_MESSAGE.findall(str(error))[:1] if n not in names]
            if not more:
                break
            names += more
    if not is_training_checkpoint(content):
        raise ModelFileError(_explain_refusal(path, refused))
    return content


def _explain_refusal(path: Path, refused: list[str]) -> str:
    return (
        f"{path} was not loaded, because it wants to run code while it is read "
        f"({', '.join(sorted(refused))}), which a file of weights has no need to. "
        "Get the file from its publisher, or save only the network's state_dict() in it."
    )


def checkpoint_in(content: object, path: Path) -> Checkpoint:
    """The weights and settings in the content of a file; raises as `read_checkpoint` does."""
    if isinstance(content, list | tuple) and len(content) == 1:
        content = content[0]
    if isinstance(content, list | tuple):
        raise ModelFileError(
            f"{path} holds {len(content)} networks, one for each stage of clicking. "
            "Only files with a single network can be used."
        )
    if not isinstance(content, Mapping):
        raise ModelFileError(
            f"{path} holds a {type(content).__name__}, not a network: choose another file."
        )
    named = dict(_named_tensors(content))
    if not named:
        raise ModelFileError(f"{path} holds no weights of a network: choose another file.")
    weights = _chosen_network(named, path)
    if weights is None:
        check_has_prompts(named, path)
    else:
        weights = merged_adapters(weights, path)
    if weights is None and any(_BACKBONE.match(name) for name in named):
        raise ModelFileError(
            f"{path} is a pretrained backbone (such as an MAE file), which clicks cannot be given "
            "to yet. Choose a checkpoint of a click model, such as cocolvis_vit_base.pth."
        )
    return Checkpoint(
        named if weights is None else weights,
        _config_in(content, path),
        is_from_micro_sam(content, path),
    )


def _config_in(content: Mapping[Any, object], path: Path) -> dict[str, Any] | None:
    """The settings as the public code stores them; those of other programs say nothing here."""
    config = content.get("config")
    if isinstance(config, Mapping):
        return dict(config) if "class" in config else None
    if config is None or isinstance(config, str | Inert):
        return None
    raise ModelFileError(f"{path} has damaged settings: fetch or copy it again.")


def _named_tensors(
    content: Mapping[Any, object], prefix: str = "", depth: int = _DEEPEST
) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested mappings, by their keys joined with dots."""
    for key, value in content.items():
        if not isinstance(key, str):
            continue
        name = _COMPILED.sub("", prefix + key)
        if isinstance(value, Mapping) and depth:
            yield from _named_tensors(value, f"{prefix}{key}.", depth - 1)
        elif isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, Array) and value.numbers is not None:
            yield name, torch.from_numpy(value.numbers)


def network_in(content: Mapping[Any, object], path: Path) -> dict[str, Tensor] | None:
    """The weights of the one network in the content of a file; None if there is none."""
    return _chosen_network(dict(_named_tensors(content)), path)


def _chosen_network(named: Mapping[str, Tensor], path: Path) -> dict[str, Tensor] | None:
    """The weights of the one network among tensors, by the names that it gives them."""
    networks = _networks_in(named)
    usual = [place for place in networks if set(place.split(".")) <= {*_WRAPPERS, ""}]
    if len(networks) > 1 and not usual:
        raise ModelFileError(
            f"{path} holds {len(networks)} networks ({', '.join(map(repr, networks))}): "
            "save the one to use in a file of its own."
        )
    return networks[usual[0]] if usual else next(iter(networks.values()), None)


def _networks_in(
    named: Mapping[str, Tensor], depth: int = _DEEPEST
) -> dict[str, dict[str, Tensor]]:
    """Networks of known families, by the prefix of their weights' names."""
    if family_of(named):
        return {"": dict(named)}
    below: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in named.items():
        first, dot, rest = name.partition(".")
        if dot and depth:
            below[first][rest] = tensor
    return {
        f"{first}.{place}": weights
        for first, part in below.items()
        for place, weights in _networks_in(part, depth - 1).items()
    }


def describe(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """The architecture of the network in a checkpoint, from its settings and its weights' shapes.

    Without settings, it is taken for a network as they were published.

    Raises
    ------
    ModelFileError
        When it is of no known network, or wants something that ours cannot do.
    """
    settings = {} if checkpoint.config is None else _settings(checkpoint.config, path)
    unsupported = sorted(
        name for name, supported in _SUPPORTED.items() if not supported(settings.get(name))
    )
    if unsupported:
        raise ModelFileError(
            f"{path} is of a network that is not supported here: it was made with "
            f"{', '.join(f'{name}={settings.get(name)}' for name in unsupported)}."
        )
    try:
        architecture = infer_architecture(checkpoint.weights, settings.get("num_heads"))
    except ValueError as error:
        raise ModelFileError(f"{path} holds no network that is known here. {error}") from error
    if architecture["family"] == "sam2":
        architecture["padded"] = checkpoint.from_micro_sam
    elif architecture["family"] in ("sam_vit", "mobile_sam") and checkpoint.from_micro_sam:
        architecture["contrast"] = "min-max"
    if settings.get("use_disks") is False:
        architecture["click_style"] = "distances"
    if settings.get("norm_radius") is not None:
        architecture["click_radius"] = float(settings["norm_radius"])
    return architecture


def _settings(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Flatten the settings: names to values, those of backbone and head among them."""
    family = str(config.get("class")).rpartition(".")[2]
    if family not in _FAMILIES:
        raise ModelFileError(
            f"{path} holds a network of the kind {family}; only {' and '.join(_FAMILIES)} can be "
            "used."
        )
    try:
        values = {name: entry["value"] for name, entry in config["params"].items()}
        for part in ("backbone_params", "head_params"):
            values |= {
                name: value
                for name, value in values.get(part, {}).items()
                if name in ("num_heads", "align_corners")
            }
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} has damaged settings: fetch or copy it again.") from error
    # Only in an HRNet does this setting reach the network.
    if family != "HRNetModel":
        values.pop("use_leaky_relu", None)
    return values


def _is_imagenet(value: Any) -> bool:
    """True if mean and std are ours, as tuples or lists."""
    try:
        return [tuple(part) for part in value] == [IMAGE_MEAN, IMAGE_STD]
    except TypeError:
        return False
