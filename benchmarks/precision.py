"""What quick arithmetic and leaving out the mirror image cost, on pictures with true objects.

Masks: the same click on the same previous mask in float32 and in the quickest arithmetic,
intersection over union of the two masks. Mirror image: clicks that the robot user needs with
and without it.

    python benchmarks/precision.py FOLDER [FOLDER ...] [--objects 20] [--clicks 10]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Clicks, Predictor, Settings
from napari_cfr_icl.engine.source import ImageSource
from napari_cfr_icl.evaluation.datasets.formats import ReaderOptions, open_dataset
from napari_cfr_icl.evaluation.protocol.metrics import iou
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser

if TYPE_CHECKING:
    from collections.abc import Iterator

CLICKS_COMPARED = 3
TARGET = 0.9


def main() -> None:
    """Print one line per folder of images and label images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="each with images/ and labels/")
    parser.add_argument("--objects", type=int, default=20, help="objects per folder, spread evenly")
    parser.add_argument("--clicks", type=int, default=10, help="most clicks for the mirror image")
    parser.add_argument("--min-area", type=int, default=150, help="pixels of the smallest object")
    options = parser.parse_args()
    model = zoo.load(zoo.DEFAULT_MODEL)
    fast = Settings.interactive(model)
    plain = Predictor(model, replace(fast, precision="float32"), "cpu")
    quick = Predictor(model, fast, "cpu")
    flipped = Predictor(model, replace(fast, flip=True), "cpu")
    sys.stdout.write(f"quickest arithmetic here: {quick.network.arithmetic}\n")
    for folder in options.folders:
        objects = list(spread_objects(folder, options.objects, options.min_area))
        same = [value for case in objects for value in _agreement(plain, quick, *case)]
        noc = np.array(
            [
                [clicks_needed(p, *case, options.clicks) for p in (quick, flipped)]
                for case in objects
            ]
        )
        sys.stdout.write(
            f"{folder}: {len(objects)} objects; {quick.network.arithmetic} against float32: "
            f"mean IoU {np.mean(same):.4f}, median {np.median(same):.4f}, "
            f"lowest {np.min(same):.3f}; "
            f"NoC@90 without flip {noc[:, 0].mean():.2f}, with {noc[:, 1].mean():.2f}\n"
        )
        sys.stdout.flush()


def spread_objects(folder: Path, count: int, min_area: int) -> Iterator[tuple[ImageSource, Any]]:
    """`count` objects spread evenly over all of a folder: the image and the object's truth."""
    pictures = open_dataset(folder, "folder", ReaderOptions(min_area=min_area)).pictures
    every = [(picture, found) for picture in pictures for found in picture.objects()]
    for index in np.linspace(0, len(every) - 1, min(count, len(every))).astype(int):
        picture, found = every[index]
        yield ImageSource(picture.image()), found.truth()


def _agreement(
    plain: Predictor, quick: Predictor, source: ImageSource, truth: Any
) -> Iterator[float]:
    """IoU of the two paths' masks at each of a few clicks, both going on from the first path's."""
    clicks, last = Clicks(), None
    mask = np.zeros(truth.shape, bool)
    for _ in range(CLICKS_COMPARED):
        clicks = clicks.added(RobotUser().next_click(truth, mask, clicks))
        other = quick.predict(source, clicks, last)
        last = plain.predict(source, clicks, last)
        mask, second = last.mask().full(), other.mask().full()
        union = np.count_nonzero(mask | second)
        yield np.count_nonzero(mask & second) / union if union else 1.0


def clicks_needed(
    predictor: Predictor, source: ImageSource, truth: Any, most: int, begun: Any = None
) -> int:
    """Clicks that the robot needs to pass `TARGET`, from nothing or from a mask; or else `most`."""
    clicks, last = Clicks(), begun
    mask = np.zeros(truth.shape, bool) if begun is None else begun
    for number in range(1, most + 1):
        clicks = clicks.added(RobotUser().next_click(truth, mask, clicks))
        last = predictor.predict(source, clicks, last)
        mask = last.mask().full()
        if iou(truth, mask) >= TARGET:
            return number
    return most


if __name__ == "__main__":
    main()
