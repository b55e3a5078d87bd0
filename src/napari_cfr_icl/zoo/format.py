"""Our own model files: safetensors with the description and the credits of the network.

The whole description is one JSON text in the file's header, so that it can be read without the
weights, and the same model always gives the same bytes. Nothing here loads torch unless a model is
saved, and then it is loaded already.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from napari_cfr_icl._errors import ModelFileError, OutputError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.zoo.key_maps import published_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_cfr_icl.engine.models import ClickModel

__all__ = ["ModelInfo", "is_ours", "read_info", "save"]

_KEY = "napari_cfr_icl"
_FORMAT = 1
_DTYPES = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Description of a model in its file.

    Attributes
    ----------
    name : str
        What the model is called.
    architecture : dict
        Plain JSON, for `engine.models.build`.
    licence : str or None
        The terms of the weights; None if unknown.
    attribution : str
        Whom to name, and the paper to cite.
    trained_on : str or None
        The training data; None if unknown.
    training : dict
        Plain JSON record of the training run, empty if there is none.
    dtype : str
        "float32" or "float16": type of the weights in the file. They are loaded as float32.

    Raises
    ------
    ValueError
        When a field is of the wrong type.
    """

    name: str
    architecture: dict[str, Any]
    licence: str | None = None
    attribution: str = ""
    trained_on: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"

    def __post_init__(self) -> None:
        types: dict[Any, tuple[str, ...]] = {
            str: ("name", "attribution", "dtype"),
            str | None: ("licence", "trained_on"),
            dict: ("architecture", "training"),
        }
        for wanted, names in types.items():
            for name in names:
                if not isinstance(value := getattr(self, name), wanted):
                    raise ValueError(f"{name} must not be {type(value).__name__}.")
        if self.dtype not in _DTYPES:
            raise ValueError(f"dtype must be float32 or float16, not {self.dtype!r}.")


def save(model: ClickModel, path: Path, info: ModelInfo) -> None:
    """Write a model with its description, atomically.

    Parameters
    ----------
    model : ClickModel
        The network.
    path : Path
        Where to; an existing file is replaced.
    info : ModelInfo
        The description. Its `dtype` decides how the weights are stored.

    Raises
    ------
    OutputError
        When it cannot be written, or the weights do not fit into float16.
    """
    # Here and not above, for reading a header must not load torch.
    from safetensors.torch import save_file

    weights = {
        key: _stored(key, weight, info.dtype) for key, weight in published_weights(model).items()
    }
    try:
        with explained_write_failures(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as part:
                part.touch()
                mode = part.stat().st_mode
                save_file(weights, part, metadata={_KEY: _to_json(info)})
                part.chmod(mode)  # safetensors would keep the file from everyone but its owner
    except SafetensorError as error:
        raise OutputError(
            f"{path} could not be written ({error}): free some space, or choose another folder."
        ) from error


def read_info(path: Path) -> ModelInfo:
    """Read the description of a model file, without its weights.

    Raises
    ------
    ModelFileError
        When the file is damaged, or not one of ours.
    """
    metadata = _metadata(path)
    if _KEY not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file, but does not say which network it belongs to: "
            "only files saved by napari-cfr-icl do. Use its .pth checkpoint instead."
        )
    return _from_json(metadata[_KEY], path)


def is_ours(path: Path) -> bool:
    """True if a safetensors file has a description of ours; raises as `read_info` does."""
    return _KEY in _metadata(path)


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="numpy") as opened:
            return opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged or incomplete ({error}): fetch or copy it again."
        ) from error


def _stored(key: str, weight: Tensor, dtype: str) -> Tensor:
    weight = weight.detach().cpu().contiguous()
    if dtype == "float32" or not weight.is_floating_point():
        return weight
    half = weight.half()
    if not half.isfinite().all():
        raise OutputError(
            f"The weights {key} are too large for float16: store the model in float32."
        )
    return half


def _to_json(info: ModelInfo) -> str:
    return json.dumps({"format": _FORMAT, **asdict(info)}, sort_keys=True)


def _from_json(text: str, path: Path) -> ModelInfo:
    try:
        described = json.loads(text)
        if described.pop("format") > _FORMAT:
            raise ModelFileError(
                f"{path} was saved by a newer version of napari-cfr-icl: upgrade to use it."
            )
        known = {each.name for each in fields(ModelInfo)}
        return ModelInfo(**{key: value for key, value in described.items() if key in known})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} has a damaged description ({error}): fetch or copy the file again."
        ) from error
