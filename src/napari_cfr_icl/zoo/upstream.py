"""Safe reading of the checkpoints that RITM, SimpleClick and CFR-ICL publish.

Such a file is a pickle. It is read with `weights_only`, which builds tensors and plain containers
and refuses everything else. The transformer checkpoints also hold an instance of a loss of the code
that trained them; an empty class takes its place, known by the dotted name alone.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from napari_cfr_icl._errors import ModelFileError
from napari_cfr_icl.engine.models import family_of, infer_architecture
from napari_cfr_icl.engine.models.click_model import IMAGE_MEAN, IMAGE_STD
from napari_cfr_icl.zoo.file_kinds import FileKind, find_damage, kind_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Checkpoint", "describe", "read_checkpoint"]


class _Inert:
    """Stand-in for a class of the training code: attributes without behaviour."""


def _inert() -> None:
    """Stand-in for a function of the training code."""


_LOSS: Final = "isegm.model.modeling.transformer_helper.cross_entropy_loss"
_STAND_INS: Final[list[Callable[..., Any] | tuple[Callable[..., Any], str]]] = [
    (_Inert, f"{_LOSS}.CrossEntropyLoss"),
    (_inert, f"{_LOSS}.cross_entropy"),
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

_WRAPPED: Final = "module."
"""Prefix of every name in a network wrapped in PyTorch's `DataParallel`."""

_GLOBAL_IN_MESSAGE: Final = re.compile(r"GLOBAL (\S+)")
_MODULE_IN_OLD_FORMAT: Final = "Only persistent_load of storage"

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
    """Content of a file: the weights, and the settings of the network, if any."""

    weights: dict[str, Tensor]
    config: dict[str, Any] | None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a .pth file of the public code, without running anything in it.

    Raises
    ------
    ModelFileError
        When it is damaged, holds something else, or wants to run code.
    """
    return _checkpoint_in(_read_pickle(path), path)


def _read_pickle(path: Path) -> object:
    kind = kind_of(path)
    if kind is FileKind.TORCH_ZIP and (damage := find_damage(path)) is not None:
        raise ModelFileError(f"{path} cannot be read: {damage}. Fetch or copy it again.")
    try:
        with safe_globals(_STAND_INS):
            if kind is FileKind.TORCH_ZIP and (refused := get_unsafe_globals_in_checkpoint(path)):
                raise ModelFileError(_explain_refusal(path, refused))
            # Mapped, a large file does not take its size in memory twice; old ones cannot be.
            mapped = kind is FileKind.TORCH_ZIP
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except _UNREADABLE as error:
        if refused := _GLOBAL_IN_MESSAGE.findall(str(error)):
            raise ModelFileError(_explain_refusal(path, refused[:1])) from None
        if _MODULE_IN_OLD_FORMAT in str(error):
            raise ModelFileError(
                f"{path} is in PyTorch's format before 1.6 and holds a part of the program that "
                "trained it, which cannot be read safely. Save it anew with a PyTorch since 1.6."
            ) from None
        raise ModelFileError(
            f"{path} is no PyTorch checkpoint, or a damaged one: fetch or copy it again. "
            f"({type(error).__name__} while reading it)"
        ) from error


def _explain_refusal(path: Path, refused: list[str]) -> str:
    return (
        f"{path} was not loaded, because it wants to run code while it is read "
        f"({', '.join(sorted(refused))}), which a file of weights has no need to. "
        "Get the file from its publisher."
    )


def _checkpoint_in(content: object, path: Path) -> Checkpoint:
    """The weights and settings in the unpickled content."""
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
    wrapped = content.get("model")
    # Some wrap it as pretrained backbones are.
    if isinstance(wrapped, Mapping) and family_of(wrapped) == "mobile_sam":
        content = wrapped
    if "state_dict" not in content and isinstance(content.get("model"), Mapping):
        raise ModelFileError(
            f"{path} is a pretrained backbone (such as an MAE file), which clicks cannot be given "
            "to yet. Choose a checkpoint of a click model, such as cocolvis_vit_base.pth."
        )
    weights, config = content.get("state_dict", content), content.get("config")
    if not _are_weights(weights):
        raise ModelFileError(f"{path} holds no weights of a network: choose another file.")
    if config is not None and not isinstance(config, Mapping):
        raise ModelFileError(f"{path} has damaged settings: fetch or copy it again.")
    return Checkpoint(_unwrapped(weights), None if config is None else dict(config))


def _unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by the names that they have outside a `DataParallel`."""
    if all(name.startswith(_WRAPPED) for name in weights):
        return {name.removeprefix(_WRAPPED): weight for name, weight in weights.items()}
    return dict(weights)


def _are_weights(weights: object) -> bool:
    return (
        isinstance(weights, Mapping)
        and len(weights) > 0
        and all(isinstance(key, str) for key in weights)
        and all(isinstance(weight, Tensor) for weight in weights.values())
    )


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
