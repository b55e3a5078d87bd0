"""The model that a run ends with, and its record."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl.engine.models import build
from napari_cfr_icl.zoo.catalog import CATALOGUE
from napari_cfr_icl.zoo.file_kinds import FileKind, kind_of
from napari_cfr_icl.zoo.format import ModelInfo, is_ours, read_info, save
from napari_cfr_icl.zoo.loading import locate
from napari_cfr_icl.zoo.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_cfr_icl.training.runs.setup import Run


def save_model(run: Run, weights: Mapping[str, Tensor], step: int) -> Path:
    """Write the tuned network with all that is known of its making.

    Parameters
    ----------
    run : Run
        Where it comes from.
    weights : mapping
        Of the network.
    step : int
        After how many steps they were taken.

    Returns
    -------
    Path
        `model.safetensors` in the run's folder.
    """
    model = build(run.architecture)
    model.load_state_dict(dict(weights))
    base = base_info(run.options.base, run.architecture)
    names = ", ".join(part.name for part in run.data.collections)
    info = replace(
        base,
        name=run.folder.path.resolve().name,
        trained_on=f"{base.trained_on}; then {names}" if base.trained_on else names,
        training=record(run, step, base),
    )
    path = run.folder.path / "model.safetensors"
    save(model, path, info)
    return path


def base_info(name: str, architecture: dict[str, Any]) -> ModelInfo:
    """The metadata of a base model: from the catalogue, else its file, else none."""
    if (entry := CATALOGUE.get(name)) is not None:
        return ModelInfo(
            name=entry.name,
            architecture=architecture,
            licence=entry.licence,
            attribution=entry.source,
            trained_on=entry.trained_on,
        )
    path = locate(name, ModelStore())
    if kind_of(path) is FileKind.SAFETENSORS and is_ours(path):
        return replace(read_info(path), dtype="float32")
    return ModelInfo(name=path.stem, architecture=architecture)


def record(run: Run, step: int, base: ModelInfo) -> dict[str, Any]:
    """The provenance of the network, as plain values: enough to make it again."""
    parts = [
        {"name": part["name"], "fingerprint": part["fingerprint"], "pictures": len(part["train"])}
        for part in run.data.description["collections"]
    ]
    return {
        "base": base.name,
        "base_training": base.training,
        "options": asdict(run.options),
        "steps": step,
        "masks": run.state.model.mask_choice,
        "held_out_clicks": None if run.state.best_step < 0 else round(run.state.best_score, 4),
        "collections": parts,
    }
