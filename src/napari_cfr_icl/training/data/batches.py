"""Batches: the object and window of each sample, and the sample that it is combined with."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.training.data.augment import augment
from napari_cfr_icl.training.data.click_sampling import starting_clicks
from napari_cfr_icl.training.data.crops import REST, choose_window, cut_image, cut_masks
from napari_cfr_icl.training.data.rough_starts import rough_starts
from napari_cfr_icl.training.data.sample_batch import SampleBatch
from napari_cfr_icl.training.data.sample_rng import SampleRng
from napari_cfr_icl.training.data.suem import SuemPlan, suem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.engine.models.click_model import Features
    from napari_cfr_icl.engine.windows import Window
    from napari_cfr_icl.training.data.check import ImageRecord
    from napari_cfr_icl.training.data.image_cache import ImageCache
    from napari_cfr_icl.training.data.splits import SplitRecords
    from napari_cfr_icl.training.options import TrainOptions

_LEAST_VISIBLE = 20  # pixels of an object as the network sees it
_WINDOWS_TRIED = 5
_NOBODY = -2  # an id that no object has
_SOURCE, _EXTRA, _PLAN, _CLICKS = range(4)  # independent random streams


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tensors of a training step.

    Attributes
    ----------
    images : Tensor of float32, shape (B, 3, H, W)
        0 to 1.
    target : Tensor of float32, shape (B, 1, H, W)
        1 object, 0 background, -1 unknown.
    points : Tensor, shape (B, 2N, 3)
        The starting clicks.
    previous : Tensor of float32, shape (B, 1, H, W)
        The starting mask, 0 but for rough starts.
    features : tuple of Tensor
        What the network's encoder made of the images, where they were encoded before; the images
        are blank then.
    """

    images: Tensor
    target: Tensor
    points: Tensor
    previous: Tensor
    features: Features = ()


_Raw = tuple[SampleBatch, SampleBatch, SuemPlan]


class Batches:
    """Makes the samples of any step, each from the seed, the step and its place alone.

    Parameters
    ----------
    collections : sequence of SplitRecords
        Their training pictures are used.
    cache : ImageCache
        Has the pictures.
    options : TrainOptions
        All of them.
    device : torch.device
        Where batches are wanted.

    Raises
    ------
    InputError
        When there is no object to train on.
    """

    def __init__(
        self,
        collections: Sequence[SplitRecords],
        cache: ImageCache,
        options: TrainOptions,
        device: torch.device,
    ) -> None:
        self._cache, self._options, self._device = cache, options, device
        self._pools = [_pool(part.train, options.data.min_area) for part in collections]
        sizes = [len(pool) for pool in self._pools]
        weights = options.data.weights or tuple(float(size) for size in sizes)
        if len(weights) != len(self._pools):
            raise InputError(f"There are {len(weights)} weights for {len(sizes)} collections.")
        chances = np.array(weights) * (np.array(sizes) > 0)
        if chances.sum() == 0:
            raise InputError(
                f"There is no object of {options.data.min_area} pixels or more to train on."
            )
        self._chances = chances / chances.sum()
        workers = _workers(options.data.workers, cache, device)
        self._readers = ThreadPoolExecutor(workers) if workers else None
        self._prefetcher = ThreadPoolExecutor(1) if workers else None
        self._expected: dict[tuple[int, range], Future[_Raw]] = {}

    def expect(self, step: int, samples: range) -> None:
        """Begin to read the samples of a later call of `inputs`, where there are threads for it."""
        key = step, samples
        if self._prefetcher is not None and key not in self._expected:
            self._expected[key] = self._prefetcher.submit(self.at, step, samples)

    def at(self, step: int, samples: range) -> _Raw:
        """The crops of `samples` (places in the whole batch), their extras, and the plan."""
        plan = SuemPlan.drawn(self._options.suem, self._sample_rng(step, samples, _PLAN, "cpu"))
        needed = [i for i, need in zip(samples, plan.needs_extra.tolist(), strict=True) if need]
        wanted = [(i, _SOURCE) for i in samples] + [(i, _EXTRA) for i in needed]
        each = map if self._readers is None else self._readers.map
        crops = list(each(lambda one: self._crop(self._rng(step, *one)), wanted))
        source, made = crops[: len(samples)], dict(zip(needed, crops[len(samples) :], strict=True))
        extra = [made.get(i, _blank_like(like)) for i, like in zip(samples, source, strict=True)]
        return self._stacked(source), self._stacked(extra), plan

    def inputs(self, step: int, samples: range) -> Inputs:
        """The network's inputs at a step: augmented, combined, clicked."""
        expected = self._expected.pop((step, samples), None)
        self._expected = {key: one for key, one in self._expected.items() if key[0] >= step}
        read = self.at(step, samples) if expected is None else expected.result()
        rng = self._sample_rng(step, samples, _CLICKS)
        batch = self._combined(read, step, samples, rng)
        points = starting_clicks(batch, self._options.clicks, rng)
        previous, points = rough_starts(batch, points, self._options.clicks.rough_start, rng)
        return Inputs(batch.images.float() / 255, batch.target, points, previous)

    def several(self, number: int, most: int) -> SampleBatch:
        """Up to `most` samples that share a picture, which is augmented and combined as any other.

        The first one is a random object, as a step's are, the others are objects beside it. Those
        whose combination with another sample gives another picture are left out.
        """
        source = self._crop(self._rng(number, 0, _SOURCE), most)
        places = [0] * len(source)  # all with the random numbers of one
        plan = SuemPlan.drawn(self._options.suem, self._sample_rng(number, places, _PLAN, "cpu"))
        extra = _blank_like(source)
        if plan.needs_extra[0]:
            one = self._crop(self._rng(number, 0, _EXTRA))
            extra = one.rows(torch.zeros(len(source), dtype=torch.int64))
        read = self._stacked([source]), self._stacked([extra]), plan
        batch = self._combined(read, number, places, self._sample_rng(number, places, _CLICKS))
        alike = (batch.images == batch.images[:1]).flatten(1).all(dim=1)
        return batch.rows(alike.nonzero()[:, 0])

    def _combined(
        self, read: _Raw, step: int, samples: Sequence[int], rng: SampleRng
    ) -> SampleBatch:
        """Crops, augmented and combined with their extras; `rng` decides how."""
        source, extra, plan = read
        batch = augment(source, self._options.augment, self._sample_rng(step, samples, _SOURCE))
        if len(rows := plan.needs_extra.nonzero()[:, 0]):
            needed = [samples[row] for row in rows.tolist()]
            changed = augment(
                extra.rows(rows.to(self._device)),
                self._options.augment,
                self._sample_rng(step, needed, _EXTRA),
            )
            extra = extra.with_rows(rows.to(self._device), changed)
        return suem(batch, extra, plan, self._options.suem, rng)

    def _crop(self, rng: np.random.Generator, most: int = 1) -> SampleBatch:
        """A random picture, object in it and window around that, as a batch of 1.

        Or of up to `most`: the others are further objects in the window.
        """
        pool = self._pools[rng.choice(len(self._pools), p=self._chances)]
        record = pool[rng.integers(len(pool))]
        image, labels = self._cache.read(record.example)
        number = int(rng.integers(len(record.objects)))
        window = self._window(record, number, labels, rng)
        wanted, second = int(record.objects.ids[number]), _NOBODY
        others = _ids_inside(record, window, wanted)
        if len(others) and rng.random() < self._options.data.merge:
            second = int(rng.choice(others))
        targets = [(wanted, second)]
        if most > 1:
            targets += [(int(other), _NOBODY) for other in rng.permutation(others)]
        side, unknown = self._options.data.side, self._ignored or _NOBODY
        ids = [(*target, REST, unknown) for target in targets[:most]]
        first, *more = (cut_masks(labels, window, side, each) for each in ids)
        visible = [one for one in more if one[:2].sum() >= _LEAST_VISIBLE]
        masks = torch.stack([first, *visible])
        pictures = cut_image(image, window, side).expand(len(masks), -1, -1, -1)
        return SampleBatch(pictures, masks[:, :2], masks[:, 2:3], masks[:, 3:])

    def _window(
        self, record: ImageRecord, number: int, labels: Tensor, rng: np.random.Generator
    ) -> Window:
        """A window in which enough of an object shows."""
        options, label = self._options.data, int(record.objects.ids[number])
        box = record.objects.boxes[number]
        for _ in range(_WINDOWS_TRIED):
            window = choose_window(box, record.shape, options, rng)
            visible = int(record.objects.areas[number])
            if not _holds(window, box):  # to count on a GPU would mean to wait for it
                visible = int((labels[window.slices] == label).sum())
            if visible * options.side**2 / (window.height * window.width) >= _LEAST_VISIBLE:
                break
        return window

    @property
    def _ignored(self) -> int:
        return self._options.data.ignored_id

    def _rng(self, step: int, sample: int, stream: int) -> np.random.Generator:
        return np.random.default_rng((self._options.seed, step, sample, stream))

    def _sample_rng(
        self, step: int, samples: Sequence[int], stream: int, device: str | None = None
    ) -> SampleRng:
        seed = (self._options.seed, stream)
        return SampleRng.at(seed, step, samples, device or self._device)

    def _stacked(self, crops: Sequence[SampleBatch]) -> SampleBatch:
        tensors = zip(*(sample.tensors for sample in crops), strict=True)
        return SampleBatch(
            *(torch.cat(each).to(self._device, non_blocking=True) for each in tensors)
        )


def _workers(wanted: int, cache: ImageCache, device: torch.device) -> int:
    """Threads that read: none where all is in memory, nor where they would slow the network."""
    if wanted >= 0:
        return wanted
    return 0 if cache.holds_all or device.type == "cpu" else min(8, (os.cpu_count() or 2) - 1)


def _holds(window: Window, box: NDArray[np.int64]) -> bool:
    within = (window.top, window.left) <= box[:2], box[2:] <= (window.bottom, window.right)
    return bool(np.all(within))


def _ids_inside(record: ImageRecord, window: Window, wanted: int) -> NDArray[np.int64]:
    """Ids of the objects, but the wanted one, whose middle lies in a window."""
    middles = (record.objects.boxes[:, :2] + record.objects.boxes[:, 2:]) // 2
    first, last = (window.top, window.left), (window.bottom, window.right)
    inside = ((middles >= first) & (middles < last)).all(axis=1)
    return record.objects.chosen(inside & (record.objects.ids != wanted)).ids


def _pool(records: Sequence[ImageRecord], min_area: int) -> list[ImageRecord]:
    """The training pictures of one collection that have objects large enough."""
    enough = (p.with_objects(p.objects.chosen(p.objects.areas >= min_area)) for p in records)
    return [record for record in enough if len(record.objects)]


def _blank_like(crop: SampleBatch) -> SampleBatch:
    return crop.apply(torch.zeros_like)
