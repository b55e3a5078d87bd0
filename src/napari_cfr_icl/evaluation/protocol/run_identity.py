"""The identity of a run: written beside its results, and compared before it goes on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from napari_cfr_icl import __version__
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import atomic_write_json, explained_write_failures
from napari_cfr_icl.evaluation.protocol.predictors import methods_of, settings_of
from napari_cfr_icl.zoo.key_maps import published_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions

FILE_NAME = "run.json"
PENDING = "pending"
"""Stands in an identity for what is not known before a model is loaded."""


def claim(folder: Path, identity: dict[str, Any], processes: Distributed) -> None:
    """Take the folder of the results for a run.

    The first process writes the identity; every process that finds one compares. A run claims its
    folder again for each model, and fills in what was pending.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    identity : dict
        Everything that decides the results, as plain data.
    processes : Distributed
        The processes of the run.

    Raises
    ------
    OutputError
        When the folder holds another run, or cannot be written.
    """
    path, identity = folder / FILE_NAME, json.loads(json.dumps(identity))
    if path.exists():
        content = _read(path)
    else:
        environment = {**environment_of(), "processes": processes.size}
        content = {"run": dict(identity), "environment": environment}
    for name, value in identity.items():
        try:
            content["run"][name] = _merged(content["run"].get(name), value)
        except ValueError:
            raise OutputError(
                f"{folder} holds a run with other {name}; choose another folder, or delete it."
            ) from None
    if processes.leads:
        with explained_write_failures(folder):
            atomic_write_json(path, content)


def identity_of(
    options: EvaluateOptions, datasets: Sequence[Dataset], networks: Mapping[str, ClickModel]
) -> dict[str, Any]:
    """Everything that decides the results, as plain data.

    Parameters
    ----------
    options : EvaluateOptions
        The run.
    datasets : sequence of Dataset
        Its data sets.
    networks : mapping
        Those of its models that are loaded, by name; the others are `PENDING`.
    """
    return {
        "datasets": datasets_identity(datasets, options.datasets),
        "reader": {**asdict(options.reader), "images": None},
        "models": {
            name: fingerprint(networks[name]) if name in networks else PENDING
            for name in options.models
        },
        "settings": {
            f"{method.model} {method.preset} {method.scheme}": asdict(
                settings_of(method, networks[method.model], options)
            )
            if method.model in networks
            else PENDING
            for method in methods_of(options)
        },
        "precision": options.precision,
        "protocol": asdict(options.protocol),
        "sample": asdict(options.sample),
        # Windows that go through a network together round otherwise than alone.
        **({"batch": options.batch} if options.batch > 1 else {}),
    }


def datasets_identity(
    datasets: Sequence[Dataset], choices: Sequence[DatasetChoice]
) -> list[dict[str, Any]]:
    """Names, formats and sizes, which tell data sets apart wherever they lie."""
    return [
        {"name": dataset.name, "format": choice.format, "pictures": len(dataset.pictures)}
        for dataset, choice in zip(datasets, choices, strict=True)
    ]


def fingerprint(network: torch.nn.Module) -> str:
    """SHA-256 over the names and values of a network's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(published_weights(network).items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def environment_of() -> dict[str, Any]:
    """The machine and the versions, which change times and, in the last digits, numbers."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "napari-cfr-icl": __version__,
        **{name: version(name) for name in ("torch", "numpy", "scipy", "scikit-image")},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["run"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is no description of a run; choose another folder.") from error
    return content


def _merged(found: Any, given: Any) -> Any:
    """The value that both agree on; what is pending in one is taken from the other.

    Raises
    ------
    ValueError
        When they differ.
    """
    if PENDING in (found, given):
        return given if found == PENDING else found
    if isinstance(found, dict) and isinstance(given, dict) and found.keys() == given.keys():
        return {name: _merged(found[name], value) for name, value in given.items()}
    if found != given:
        raise ValueError
    return found
