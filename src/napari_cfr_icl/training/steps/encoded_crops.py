"""Training with a frozen encoder: crops are encoded once, and their features kept on disk.

A step then costs the decoder alone. A crop serves several objects and many clicks; after some uses
another takes its place, so that training goes on seeing new ones. Which crop a sample takes follows
from the seed, the step and its place alone, and a crop that is missing on disk, damaged, or made
from other pictures, options or weights is made again: a resumed run goes on bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.training.data.batches import Inputs
from napari_cfr_icl.training.data.click_sampling import starting_clicks
from napari_cfr_icl.training.data.rough_starts import rough_starts
from napari_cfr_icl.training.data.sample_batch import SampleBatch
from napari_cfr_icl.training.data.sample_rng import SampleRng

if TYPE_CHECKING:
    from pathlib import Path

    from napari_cfr_icl.engine.models import ClickModel
    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.training.data.batches import Batches
    from napari_cfr_icl.training.options import TrainOptions

_GIB = 2**30
_MASKS = 4  # of a sample: two parts, other objects, unknown
_CHOICE, _CLICKS = 20, 21  # random streams, beside those of batches and steps
_LARGEST = torch.finfo(torch.float16).max


@dataclass(frozen=True, slots=True)
class _Crop:
    """A crop's features, float16 (1, C, h, w) each, and the masks of its K samples.

    The masks are bool (K, 4, H, W).
    """

    features: Features
    masks: Tensor


class EncodedCrops:
    """Makes the inputs of any step from crops that are encoded once.

    Parameters
    ----------
    model : ClickModel
        One that caches image features; its encoder does not learn.
    batches : Batches
        Makes the crops.
    options : TrainOptions
        All of them.
    folder : Path
        Where features are kept.
    fingerprints : list of str
        Of the pictures.
    precision : torch.dtype
        Of the encoder.

    Raises
    ------
    SettingsError
        When the network's features are not the same at every step.
    """

    def __init__(
        self,
        model: ClickModel,
        batches: Batches,
        options: TrainOptions,
        folder: Path,
        fingerprints: list[str],
        precision: torch.dtype,
    ) -> None:
        self._model, self._batches, self._options = model, batches, options
        self._folder, self._precision = folder, precision
        self._device = next(model.parameters()).device
        self._origin = _origin(model, options, fingerprints)
        self._slots = min(self._fitting(), math.ceil(self._samples / options.features.uses))
        per_step = options.schedule.batch / options.features.uses
        self._turnover = max(1, round(self._slots / per_step))

    @property
    def _samples(self) -> int:
        return self._options.schedule.steps * self._options.schedule.batch

    def _fitting(self) -> int:
        """Number of crops that the allowed disk space holds."""
        side, objects = self._options.data.side, self._options.features.objects
        features = _checked_features(self._model, side, self._device)
        numbers = 2 * sum(x.numel() for x in features)
        size = numbers + objects * _MASKS * side * math.ceil(side / 8)
        return max(1, int(self._options.features.gib * _GIB / size))

    def expect(self, step: int, samples: range) -> None:
        """Nothing is read ahead."""

    def inputs(self, step: int, samples: range) -> Inputs:
        """The network's inputs at a step, with the features in the place of the images."""
        chosen = [self._chosen(step, sample) for sample in samples]
        alike = zip(*(features for features, _ in chosen), strict=True)
        features = (torch.cat(same).to(self._device) for same in alike)
        masks = torch.stack([mask for _, mask in chosen]).to(self._device)
        shape = (len(masks), 3, *masks.shape[-2:])
        unseen = torch.zeros((), dtype=torch.uint8, device=self._device).expand(shape)
        batch = SampleBatch(unseen, masks[:, :2], masks[:, 2:3], masks[:, 3:])
        rng = SampleRng.at((self._options.seed, _CLICKS), step, samples, self._device)
        points = starting_clicks(batch, self._options.clicks, rng)
        previous, points = rough_starts(batch, points, self._options.clicks.rough_start, rng)
        layout = torch.channels_last
        wide = tuple(x.float().contiguous(memory_format=layout) for x in features)
        return Inputs(unseen.float(), batch.target, points, previous, wide)

    def remove(self) -> None:
        """Remove what was kept."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _chosen(self, step: int, sample: int) -> tuple[Features, Tensor]:
        """Features of a crop, and the masks (4, H, W) of one of its objects."""
        rng = np.random.default_rng((self._options.seed, step, sample, _CHOICE))
        slot = int(rng.integers(self._slots))
        # The crops are replaced one after the other, all of them once in a turnover.
        turns = (step * self._slots + slot * self._turnover) // (self._slots * self._turnover)
        crop = self._crop(slot, turns * self._slots + slot)
        return crop.features, crop.masks[rng.integers(len(crop.masks))]

    def _crop(self, slot: int, number: int) -> _Crop:
        path, label = self._folder / f"{slot:06d}.safetensors", f"{self._origin}-{number}"
        kept = _read(path, label, self._options.data.side)
        if kept is None:
            kept = self._made(number)
            with explained_write_failures(path):
                _write(path, label, kept)
        return kept

    @torch.no_grad()
    def _made(self, number: int) -> _Crop:
        samples = self._batches.several(number, self._options.features.objects)
        image = samples.images[:1].to(self._device).float() / 255
        low = self._precision != torch.float32
        with torch.autocast(self._device.type, self._precision, enabled=low):
            encoded = self._model.encode(image.contiguous(memory_format=torch.channels_last))
        half = (x.float().clamp(-_LARGEST, _LARGEST).half().cpu() for x in encoded)
        masks = torch.cat([samples.parts, samples.others, samples.ignored], dim=1)
        return _Crop(tuple(x.contiguous() for x in half), masks.cpu())


def _checked_features(model: ClickModel, side: int, device: torch.device) -> Features:
    """Features of an empty picture, of an encoder that gives the same at every step."""
    if model.training:
        raise SettingsError(
            "Features can be kept only where nothing is left to chance in the encoder: set "
            'optimizer.norms to "frozen" and optimizer.dropout to false, or features.gib to 0.'
        )
    if not model.caches_image_features:
        raise SettingsError(
            "This network sees clicks together with the picture, so there are no features to keep: "
            "set features.gib to 0."
        )
    with torch.enable_grad():
        features = model.encode(torch.zeros(1, 3, side, side, device=device))
    if any(x.requires_grad for x in features):
        raise SettingsError(
            "Features can be kept only where the encoder stays as it is: set optimizer.encoder to "
            '"frozen" (or add its parts to optimizer.frozen), or set features.gib to 0.'
        )
    return features


def _origin(model: ClickModel, options: TrainOptions, fingerprints: list[str]) -> str:
    """A short name for all that the crops and their features follow from."""
    digest = hashlib.sha256()
    sections = (options.data, options.suem, options.augment)
    plain: list[Any] = [
        *(asdict(section) for section in sections),
        options.seed,
        options.features.objects,
    ]
    digest.update(json.dumps([plain, fingerprints]).encode())
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, value in model.state_dict().items():
        if name not in learning:
            digest.update(value.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def _read(path: Path, label: str, side: int) -> _Crop | None:
    """The crop of that name, or None where the file is missing, damaged or of another."""
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("crop") != label:
                return None
            count = len(file.keys()) - 1
            features = tuple(file.get_tensor(f"features.{i}") for i in range(count))
            packed = file.get_tensor("masks").numpy()
    except (OSError, SafetensorError):
        return None
    masks = np.unpackbits(packed, axis=-1, count=side).astype(bool)
    return _Crop(features, torch.from_numpy(masks))


def _write(path: Path, label: str, crop: _Crop) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"features.{index}": x for index, x in enumerate(crop.features)}
    tensors["masks"] = torch.from_numpy(np.packbits(crop.masks.numpy(), axis=-1))
    with atomic_path(path) as part:
        save_file(tensors, part, {"crop": label})
