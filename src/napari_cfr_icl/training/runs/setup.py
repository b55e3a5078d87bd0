"""Setup of a run before its first step: data, network, optimizer, folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import InputError, SettingsError
from napari_cfr_icl.engine.runtime.device import readable_memory_errors
from napari_cfr_icl.evaluation.protocol.run_identity import environment_of
from napari_cfr_icl.training.data.batches import Batches
from napari_cfr_icl.training.data.check import DatasetReport, inspect_dataset, without_ignored
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.data.image_cache import ImageCache
from napari_cfr_icl.training.data.splits import SplitRecords, divide
from napari_cfr_icl.training.runs.held_out import HeldOut, rank_held_out
from napari_cfr_icl.training.runs.state import State
from napari_cfr_icl.training.steps.encoded_crops import EncodedCrops
from napari_cfr_icl.training.steps.encoder import prepare_encoder
from napari_cfr_icl.training.steps.frozen_norms import freeze_norms
from napari_cfr_icl.training.steps.optimizer import make_optimizer
from napari_cfr_icl.training.steps.precision import precision_on
from napari_cfr_icl.training.steps.step import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.training.options import TrainOptions
    from napari_cfr_icl.training.runs.run_folder import RunFolder

_CPU_MICRO_BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The pictures of a run.

    Attributes
    ----------
    collections : tuple of SplitRecords
    cache : ImageCache
    description : dict
        Plain: names, paths, fingerprints, split and findings of the collections.
    """

    collections: tuple[SplitRecords, ...]
    cache: ImageCache
    description: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run that is ready to begin, or to go on.

    Attributes
    ----------
    options : TrainOptions
    processes : Distributed
    folder : RunFolder
    data : Data
    held_out : list of HeldOut
        The first of them are clicked now and then, those after them at the gate.
    stepper : Stepper
    architecture : dict
        Of the network.
    state : State
    """

    options: TrainOptions
    processes: Distributed
    folder: RunFolder
    data: Data
    held_out: list[HeldOut]
    stepper: Stepper
    architecture: dict[str, Any]
    state: State


def read_data(
    paths: Sequence[Path],
    options: TrainOptions,
    device: torch.device,
    tell: Callable[[str], None],
    images: Path | None = None,
) -> Data:
    """Read all collections once, report, divide, and keep the pictures ready.

    Parameters
    ----------
    paths : sequence of Path
        The collections.
    options : TrainOptions
        Sizes, splits and seeds.
    device : torch.device
        Where pictures are kept.
    tell : callable
        Hears a sentence for each collection.
    images : Path, optional
        See `open_collection`.

    Raises
    ------
    InputError
        When two collections have one name, or there is nothing to train on.
    """
    cache = ImageCache(options.data.cache_gib, device)
    reports = []
    for path in paths:
        opened = open_collection(path, images)
        tell(f"Reading {opened.name}: {len(opened.examples)} pictures")
        found = inspect_dataset(opened, options.data.min_area, cache.keep)
        reports.append(without_ignored(found, options.data.ignored_id))
    names = [found.collection.name for found in reports]
    if len(set(names)) != len(names):
        raise InputError(f"Two collections have one name ({', '.join(names)}): rename a folder.")
    parts = tuple(divide(found, options.data.held_out, options.seed) for found in reports)
    described = [_described(f, p, path) for f, p, path in zip(reports, parts, paths, strict=True)]
    place = None if images is None else str(images.absolute())
    return Data(parts, cache, {"collections": described, "images": place})


def _described(found: DatasetReport, part: SplitRecords, path: Path) -> dict[str, Any]:
    return {
        "name": part.name,
        "path": str(path.absolute()),
        "fingerprint": found.fingerprint,
        "train": [record.example.key for record in part.train],
        "held_out": [record.example.key for record in part.held_out],
        "findings": [[f.severity, f.key, f.text] for f in (*found.findings, *part.findings)],
    }


def with_named_precision(options: TrainOptions, device: torch.device) -> TrainOptions:
    """The options of a run, with the arithmetic that suits the device in the place of "auto"."""

    def named(wanted: str) -> str:
        return str(precision_on(device, wanted)).removeprefix("torch.")

    return replace(
        options,
        schedule=replace(options.schedule, precision=named(options.schedule.precision)),
        validation=replace(options.validation, precision=named(options.validation.precision)),
    )


def set_up(options: TrainOptions, data: Data, folder: RunFolder, processes: Distributed) -> Run:
    """Network, optimizer and samples, all as they are before the first step."""
    with readable_memory_errors(processes.device):
        model = prepared_model(options, processes.device)
    _check_side(model, options.data.side)
    optimizer = make_optimizer(model, options.optimizer)
    state = State(model, optimizer, options, _micro(options, processes))
    batches = Batches(data.collections, data.cache, options, processes.device)
    precision = precision_on(processes.device, options.schedule.precision)
    if options.features.gib and processes.size > 1:
        raise SettingsError("Features are kept by one process only: set features.gib to 0.")
    crops = None
    if options.features.gib:
        fingerprints = [part["fingerprint"] for part in data.description["collections"]]
        place = folder.path / "features"
        crops = EncodedCrops(model, batches, options, place, fingerprints, precision)
    stepper = Stepper(_wrapped(model, processes), batches, options, processes, precision, crops)
    ranked = rank_held_out(data.collections, options.validation.min_area, options.data.ignored_id)
    return Run(options, processes, folder, data, ranked, stepper, model.architecture, state)


def _check_side(model: ClickModel, side: int) -> None:
    if model.caches_image_features and (nearest := model.nearest_size(side, side)[0]) != side:
        raise SettingsError(
            f"This network takes no windows of {side} pixels: set data.side to {nearest}."
        )


def prepared_model(options: TrainOptions, device: torch.device) -> ClickModel:
    """The base model, ready to learn."""
    model = zoo.load(options.base)
    model.mask_choice = model.published_masks  # it learns the masks that it will be asked for
    prepare_encoder(model, options.optimizer, options.seed)
    if options.optimizer.norms == "frozen":
        freeze_norms(model)
    model = model.to(device).to(memory_format=torch.channels_last)
    model.train(options.optimizer.norms == "batch" or options.optimizer.dropout)
    if not options.optimizer.dropout:
        for module in model.modules():
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.eval()
    if options.schedule.checkpointing:
        recompute_activations(model)
    return model


def recompute_activations(model: ClickModel) -> None:
    """Let the large parts of a network forget their activations and compute them again."""
    for module in model.modules():
        if isinstance(module, model.checkpointed):
            module.forward = _recomputed(module.forward)


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any) -> Any:
        return (
            checkpoint(forward, x, use_reentrant=False) if torch.is_grad_enabled() else forward(x)
        )

    return run


def _micro(options: TrainOptions, processes: Distributed) -> int:
    mine = len(processes.share(options.schedule.batch))
    wanted = options.schedule.micro_batch
    if wanted == 0:  # on a GPU all at once: when that is too much, it is halved
        wanted = _CPU_MICRO_BATCH if processes.device.type == "cpu" else mine
    return min(wanted, mine)


def _wrapped(model: nn.Module, processes: Distributed) -> nn.Module:
    if processes.size == 1:
        return model
    devices = [processes.device] if processes.device.type == "cuda" else None
    # The statistics of frozen norms are the same everywhere already.
    return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)


def machine(processes: Distributed) -> dict[str, Any]:
    """Versions and hardware, for the record."""
    device = processes.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return {**environment_of(), "device": name, "processes": processes.size}
