"""The objects of `find`, searched and written: of an image, a stack, or a folder of images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import Progress

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import CfrIclError, MaskError, OutputError, SettingsError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.cli.image_source import open_mask, open_source
from napari_cfr_icl.engine.finding.finder import ObjectFinder
from napari_cfr_icl.engine.finding.proposals import Exemplars, Proposal
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.engine.runtime.distributed import joined
from napari_cfr_icl.engine.settings import Settings
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.tiff import write_tiff
from napari_cfr_icl.images.opening import SUFFIXES, open_image, open_labels
from napari_cfr_icl.session.folder import LABELS_ENDING, ImageFolder
from napari_cfr_icl.session.joining import StackJoiner

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_cfr_icl.cli.find_options import FindCommandOptions
    from napari_cfr_icl.engine.runtime.distributed import Distributed
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.engine.windows import Patch
    from napari_cfr_icl.images.image_file import ImageFile

MOST_DOUBTS = 20
"""Doubts that are told one by one."""


def run(options: FindCommandOptions) -> str:
    """Search, and write the labels.

    Returns
    -------
    str
        Lines for the user; none in a process that does not lead.

    Raises
    ------
    CfrIclError
        When something that was given cannot be used, or nothing can be written.
    """
    if options.is_folder:
        with joined(options.device) as processes:
            return _Searches(options, str(processes.device)).folder(processes)
    if options.plane is None and (planes := _planes(options)):
        return _Searches(options, options.device).stack(planes)
    return _Searches(options, options.device).image()


def with_proposals(labels: NDArray[np.uint32], proposals: list[Proposal]) -> NDArray[np.uint32]:
    """The labels, (rows, columns), and the proposals with the ids after them, surest first."""
    together = labels.copy()
    ranked = sorted(proposals, key=lambda each: -each.certainty)
    for label, proposal in enumerate(ranked, start=int(labels.max()) + 1):
        together[proposal.mask.window.slices][proposal.mask.values] = label
    return together


def _planes(options: FindCommandOptions) -> int:
    """Number of planes of a stack whose labels have as many; 0 for anything else."""
    image, labels = _opened(options), open_labels(options.examples).named(None)
    counts = [[each.shape[axis] for axis in each.plane_axes] for each in (image, labels)]
    return int(counts[0][0]) if len(counts[0]) == 1 and counts[0] == counts[1] else 0


def _opened(options: FindCommandOptions) -> ImageFile:
    picture = options.picture
    return open_image(options.image, picture.series).named(picture.axes)


@dataclass(frozen=True, slots=True, eq=False)
class _LabelledImage:
    """An image with finished objects."""

    image: ImageSource
    labels: NDArray[np.uint32]

    @property
    def examples(self) -> list[Patch]:
        return [mask for _, mask in LabelImage(self.labels).objects(())]


class _Searches:
    """The searches of one command, with one model."""

    def __init__(self, options: FindCommandOptions, device: str) -> None:
        self._options = options
        self._model = zoo.load(options.model)
        settings = Settings.interactive(self._model)
        self._predictor = Predictor(self._model, settings, device)
        self._finder = ObjectFinder(self._predictor.network, self._model.input_size)

    def image(self) -> str:
        """Search one image, or one plane of a stack."""
        options, begun = self._options, time.perf_counter()
        labelled = self._labelled(options.image, options.examples, options.plane)
        examples = labelled.examples
        proposals = self._proposals(labelled.image, Exemplars(examples))
        self._write(options.image, options.out, with_proposals(labelled.labels, proposals), "YX")
        seconds = time.perf_counter() - begun
        return (
            f"{options.out}: {len(examples)} examples, {len(proposals)} objects found in "
            f"{seconds:.1f} s."
        )

    def stack(self, planes: int) -> str:
        """Search all planes of a stack, and join their objects."""
        options = self._options
        path = options.image
        each = [self._labelled(path, options.examples, (plane,)) for plane in range(planes)]
        known = [dict(LabelImage(labelled.labels).objects(())) for labelled in each]
        first = next((index for index, masks in enumerate(known) if masks), 0)
        found = []
        for labelled, masks in zip(each, known, strict=True):
            examples = list(masks.values()) or list(known[first].values())
            exemplars = Exemplars(examples, source=None if masks else each[first].image)
            found.append([one.mask for one in self._proposals(labelled.image, exemplars)])
        joiner = StackJoiner([labelled.image for labelled in each], found, self._predictor)
        together = joiner.join(known)
        labels = np.stack([labelled.labels for labelled in each])
        for plane, masks in zip(labels, together.planes, strict=True):
            for label, mask in masks.items():
                plane[mask.window.slices][mask.values] = label
        image = _opened(options)
        self._write(path, options.out, labels, f"{image.axes[image.plane_axes[0]]}YX")
        objects = len(np.unique(labels[labels > 0]))
        unsure = f"{len(together.doubts)} places are unsure." if together.doubts else ""
        lines = [f"{options.out}: {objects} objects on {planes} planes. {unsure}".strip()]
        return "\n".join([*lines, *together.doubts[:MOST_DOUBTS]])

    def folder(self, processes: Distributed) -> str:
        """Search this process's share of a folder; one image's trouble keeps no other from it."""
        options = self._options
        with explained_write_failures(options.out.parent):
            options.out.mkdir(parents=True, exist_ok=True)
        folder = ImageFolder(options.image, options.out)
        given = {path: labels for path in folder.images if (labels := self._labels_of(path))}
        if not given:
            raise MaskError(
                f"{options.examples} has no labels for a picture in {options.image}: they have its "
                f"name, or its name and {LABELS_ENDING}."
            )
        path, labels = next(iter(given.items()))
        first = self._labelled(path, labels, options.plane)
        lines = []
        for number, path in enumerate(folder.images):
            if processes.owns(number):
                try:
                    lines.append(self._one_of(folder, path, given.get(path), first))
                except CfrIclError as error:
                    lines.append(f"{path.name}: skipped. {error}")
        told = processes.gathered(lines)
        return "\n".join(map(str, told)) if processes.leads else ""

    def _one_of(
        self, folder: ImageFolder, path: Path, labels: Path | None, first: _LabelledImage
    ) -> str:
        out = folder.labels_path(path)
        if labels is not None and labels.resolve() == out.resolve():
            raise OutputError(f"{out} holds its examples: choose another folder for --out.")
        if labels is None:
            image = self._source(path, self._options.plane)
            labelled = _LabelledImage(image, np.zeros(image.shape, np.uint32))
        else:
            labelled = self._labelled(path, labels, self._options.plane)
        examples = labelled.examples
        exemplars = (
            Exemplars(examples) if examples else Exemplars(first.examples, source=first.image)
        )
        proposals = self._proposals(labelled.image, exemplars)
        self._write(path, out, with_proposals(labelled.labels, proposals), "YX")
        return f"{out}: {len(examples)} examples, {len(proposals)} objects found."

    def _labels_of(self, path: Path) -> Path | None:
        """The file of an image's examples, if there is one."""
        given = self._options.examples
        names = [f"{path.stem}{LABELS_ENDING}", *(f"{path.stem}{suffix}" for suffix in SUFFIXES)]
        if not given.is_dir():
            return given if given.name in names else None
        return next((found for name in names if (found := given / name).is_file()), None)

    def _source(self, path: Path, plane: tuple[int, ...] | None) -> ImageSource:
        picture = self._options.picture
        return open_source(path, picture.axes, plane, picture.series)

    def _labelled(self, path: Path, labels: Path, plane: tuple[int, ...] | None) -> _LabelledImage:
        image = self._source(path, plane)
        ids = open_mask(labels, plane)
        if ids.shape != image.shape or ids.dtype.kind not in "bui":
            raise MaskError(
                f"{labels} must hold whole numbers for {image.shape[0]} x {image.shape[1]} "
                f"pixels, not {ids.dtype} for {' x '.join(map(str, ids.shape))}."
            )
        return _LabelledImage(image, ids.astype(np.uint32))

    def _proposals(self, image: ImageSource, exemplars: Exemplars) -> list[Proposal]:
        given = self._options.region
        region = None if given is None else _inside(Window(*given), image.shape)
        proposals = []
        with Progress(transient=True) as bar:
            task = bar.add_task("Finding", total=None)
            for found in self._finder.find(image, exemplars, self._options.find, region=region):
                if isinstance(found, Proposal):
                    proposals.append(found)
                else:
                    bar.update(task, completed=found.done, total=found.total)
                bar.update(task, description=f"Finding: {len(proposals)} objects")
        return proposals

    def _write(self, path: Path, out: Path, labels: NDArray[np.uint32], axes: str) -> None:
        """Write the labels, whole or not at all."""
        with explained_write_failures(out.parent), atomic_path(out) as part:
            sizes = open_image(path, self._options.picture.series).sizes
            write_tiff(part, LabelImage.sized(labels, "image", axes, sizes), out.name)


def _inside(region: Window, shape: tuple[int, int]) -> Window:
    common = region.intersection(Window.whole(shape))
    if common is None:
        raise SettingsError(f"The region lies outside the image of {shape[0]} x {shape[1]} pixels.")
    return common
