"""The objects of `find`, searched and written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import Progress

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import MaskError, SettingsError
from napari_cfr_icl._files import atomic_path, explained_write_failures
from napari_cfr_icl.cli.image_source import open_mask, open_source
from napari_cfr_icl.engine.finding.finder import ObjectFinder
from napari_cfr_icl.engine.finding.proposals import Lesson, Proposal
from napari_cfr_icl.engine.runtime.network import Network
from napari_cfr_icl.engine.windows import Window
from napari_cfr_icl.exports.label_image import LabelImage
from napari_cfr_icl.exports.tiff import write_tiff
from napari_cfr_icl.images.opening import open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.cli.find_options import FindCommandOptions
    from napari_cfr_icl.engine.source import ImageSource
    from napari_cfr_icl.engine.windows import Patch


def run(options: FindCommandOptions) -> str:
    """Search, and write the labels.

    Returns
    -------
    str
        One line for the user.

    Raises
    ------
    CfrIclError
        When something that was given cannot be used, or nothing can be written.
    """
    image = open_source(options.image, options.axes, options.plane)
    labels = open_mask(options.examples, options.plane)
    if labels.shape != image.shape or labels.dtype.kind not in "bui":
        raise MaskError(
            f"{options.examples} must hold whole numbers for {image.shape[0]} x {image.shape[1]} "
            f"pixels, not {labels.dtype} for {' x '.join(map(str, labels.shape))}."
        )
    labels = labels.astype(np.uint32)
    examples = [mask for _, mask in LabelImage(labels).objects(())]
    model = zoo.load(options.model)
    finder = ObjectFinder(Network(model, options.device, "float32"), model.input_size)
    begun = time.perf_counter()
    proposals = _search(finder, image, examples, options)
    seconds = time.perf_counter() - begun
    write_labels(options, with_proposals(labels, proposals))
    return (
        f"{options.out}: {len(examples)} examples, {len(proposals)} objects found in "
        f"{seconds:.1f} s."
    )


def with_proposals(labels: NDArray[np.uint32], proposals: list[Proposal]) -> NDArray[np.uint32]:
    """The labels, (rows, columns), and the proposals with the ids after them, surest first."""
    together = labels.copy()
    ranked = sorted(proposals, key=lambda each: -each.certainty)
    for label, proposal in enumerate(ranked, start=int(labels.max()) + 1):
        together[proposal.mask.window.slices][proposal.mask.values] = label
    return together


def write_labels(options: FindCommandOptions, labels: NDArray[np.uint32]) -> None:
    """Write the labels, whole or not at all."""
    with explained_write_failures(options.out.parent), atomic_path(options.out) as part:
        sizes = open_image(options.image).sizes
        write_tiff(part, LabelImage.sized(labels, "image", "YX", sizes), options.out.name)


def _search(
    finder: ObjectFinder, image: ImageSource, examples: list[Patch], options: FindCommandOptions
) -> list[Proposal]:
    region = None if options.region is None else _inside(Window(*options.region), image.shape)
    proposals = []
    with Progress(transient=True) as bar:
        task = bar.add_task("Finding", total=None)
        for found in finder.find(image, Lesson(examples), options.find, region=region):
            if isinstance(found, Proposal):
                proposals.append(found)
            else:
                bar.update(task, completed=found.done, total=found.total)
            bar.update(task, description=f"Finding: {len(proposals)} objects")
    return proposals


def _inside(region: Window, shape: tuple[int, int]) -> Window:
    common = region.intersection(Window.whole(shape))
    if common is None:
        raise SettingsError(f"The region lies outside the image of {shape[0]} x {shape[1]} pixels.")
    return common
