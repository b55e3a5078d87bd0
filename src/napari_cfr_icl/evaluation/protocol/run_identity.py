"""What makes a run that run: written beside its results, and compared before it goes on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from napari_cfr_icl import __version__, zoo
from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import atomic_write_json, explained_write_failures
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for, settings_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.distributed import Share
    from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions

FILE_NAME = "run.json"


def claim(folder: Path, identity: dict[str, Any], share: Share) -> None:
    """Take the folder of the results for a run.

    The first process writes what the run is; every process that finds it written compares.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    identity : dict
        Everything that decides the results, as plain data.
    share : Share
        Which process this is.

    Raises
    ------
    OutputError
        When the folder holds another run, or cannot be written.
    """
    identity = json.loads(json.dumps(identity))
    path = folder / FILE_NAME
    if path.exists():
        _compare(path, identity)
    elif share.rank == 0:
        environment = {**environment_of(), "processes": share.count}
        with explained_write_failures(folder):
            atomic_write_json(path, {"run": identity, "environment": environment})


def identity_of(options: EvaluateOptions, datasets: Sequence[Dataset]) -> dict[str, Any]:
    """Everything that decides the results, as plain data."""
    networks = {name: zoo.load(name) for name in options.models}
    return {
        "datasets": datasets_identity(datasets, options.datasets),
        "reader": {**asdict(options.reader), "images": None},
        "models": {name: fingerprint(network) for name, network in networks.items()},
        "settings": {
            f"{name} {preset} {scheme}": settings_to_json(settings_for(preset, scheme, network))
            for name, network in networks.items()
            for preset in options.presets
            for scheme in options.schemes
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
    """What tells data sets apart wherever they lie."""
    return [
        {"name": dataset.name, "format": choice.format, "pictures": len(dataset.pictures)}
        for dataset, choice in zip(datasets, choices, strict=True)
    ]


def fingerprint(network: torch.nn.Module) -> str:
    """SHA-256 over the names and values of a network's weights, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
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


def _compare(path: Path, identity: dict[str, Any]) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is no description of a run; choose another folder.") from error
    for name, value in identity.items():
        if found.get(name) != value:
            raise OutputError(
                f"{path.parent} holds a run with other {name}; choose another folder, or delete it."
            )
