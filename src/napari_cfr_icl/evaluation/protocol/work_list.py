"""The work of a run: objects, picture by picture, in an order that never changes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_cfr_icl._errors import MaskError, SettingsError
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.datasets import open_dataset
from napari_cfr_icl.evaluation.protocol.records import Subject
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures, nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.datasets import ReaderOptions
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset, Picture, TrueObject
    from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, SampleOptions

STRIDE = 2**31 - 1
"""The numbers of objects begin anew at so much times the number of their picture.

A picture that cannot be read changes no other's numbers then: a run goes on where it was when it is
read again, and processes that see different files still share the work alike. It is a prime, so
that pictures with one object each are shared out evenly.
"""


@dataclass(frozen=True, slots=True, eq=False)
class WorkItem:
    """One picture with the objects that take part.

    Parameters
    ----------
    dataset : str
        Name of its data set.
    picture : Picture
        The picture.
    objects : tuple of (int, TrueObject)
        The objects with their numbers in the run, see `STRIDE`.
    number : int
        Its number among the pictures, from 0.
    count : int
        Number of pictures.
    window_scale : float
        See `napari_cfr_icl.evaluation.datasets.dataset.Dataset`.
    """

    dataset: str
    picture: Picture
    objects: tuple[tuple[int, TrueObject], ...]
    number: int
    count: int
    window_scale: float

    def subject(self, index: int, item: TrueObject, shape: tuple[int, int]) -> Subject:
        """The subject of one of its objects in the results."""
        return Subject(self.dataset, self.picture.key, item.key, index, item.area, shape)

    def image(self, skipped: SkippedPictures) -> ImageSource | None:
        """The picture; None, and it is left out, where it cannot be read."""
        return skipped.attempt(
            self.dataset, self.picture.key, lambda: ImageSource.of(self.picture.image())
        )

    def truth(
        self, item: TrueObject, shape: tuple[int, int], skipped: SkippedPictures
    ) -> NDArray[np.int8] | None:
        """The truth of one of its objects, (rows, columns).

        None, and the picture is left out, where it does not fit the picture, of size `shape`.
        """
        return skipped.attempt(
            self.dataset, self.picture.key, lambda: self._fitting_truth(item, shape)
        )

    def _fitting_truth(self, item: TrueObject, shape: tuple[int, int]) -> NDArray[np.int8]:
        truth = item.truth()
        if truth.shape != shape:
            raise MaskError(
                f"{self.picture.key} of {self.dataset} is {shape[0]} x {shape[1]} pixels, its "
                f"object {item.key} {truth.shape[0]} x {truth.shape[1]}."
            )
        return truth


def open_datasets(choices: Sequence[DatasetChoice], options: ReaderOptions) -> list[Dataset]:
    """The data sets, none of them read yet.

    Raises
    ------
    InputError
        When one of them is not there or not laid out as its format says.
    SettingsError
        When two of them would be called the same.
    """
    datasets = [open_dataset(choice.path, choice.format, options) for choice in choices]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"Two data sets are called {name!r}; evaluate them one by one.")
    return datasets


def check_any_fits(
    datasets: Sequence[Dataset], sample: SampleOptions, skipped: SkippedPictures
) -> None:
    """Raise InputError where there is no picture with an object, before a model is loaded."""
    for work in work_items(datasets, sample, skipped):
        image = work.image(skipped) if work.objects else None
        if image is not None and work.truth(work.objects[0][1], image.shape, skipped) is not None:
            return
    raise nothing_left(
        skipped.found,
        "There is no object to click in these data sets: look at the labels, and at the smallest "
        "area.",
    )


def work_items(
    datasets: Sequence[Dataset], sample: SampleOptions, skipped: SkippedPictures | None = None
) -> Iterator[WorkItem]:
    """Work items, one for each picture of the sample, read when its turn comes.

    Those whose labels cannot be read are added to `skipped`; what is in there is passed over.
    """
    skipped = skipped or SkippedPictures()
    chosen = [
        (dataset, dataset.pictures[number])
        for dataset in datasets
        for number in drawn(len(dataset.pictures), sample.pictures, f"{sample.seed}:{dataset.name}")
    ]
    for number, (dataset, picture) in enumerate(chosen):
        if skipped.has(dataset.name, picture.key):
            continue
        objects = skipped.attempt(dataset.name, picture.key, picture.objects)
        if objects is None:
            continue
        seed = f"{sample.seed}:{dataset.name}:{picture.key}"
        kept = [objects[i] for i in drawn(len(objects), sample.objects_per_picture, seed)]
        yield WorkItem(
            dataset.name,
            picture,
            tuple(enumerate(kept, start=number * STRIDE)),
            number,
            len(chosen),
            dataset.window_scale,
        )


def drawn(count: int, wanted: int | None, seed: str) -> list[int]:
    """`wanted` of the numbers below `count`, drawn at random, in order; all of them for None."""
    if wanted is None or wanted >= count:
        return list(range(count))
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    return sorted(rng.choice(count, size=wanted, replace=False).tolist())
