"""Write a data set of the field as a collection that `napari-cfr-icl train` reads.

The collection has images/ and labels/, one object for each id; pictures become PNG, labels
are painted with the smaller objects on top.

    prepare_collection.py sbd data/SBD/dataset collections/sbd --split train
    prepare_collection.py coco-lvis data/COCO_LVIS collections/cocolvis --split train
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image

from napari_cfr_icl.evaluation.datasets import FORMATS, ReaderOptions, open_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.datasets.dataset import Picture


def painted(picture: Picture) -> NDArray[np.uint16]:
    """All objects of a picture as one label image, (rows, columns)."""
    truths = [item.truth() for item in sorted(picture.objects(), key=lambda item: -item.area)]
    labels = np.zeros(truths[0].shape, np.uint16)
    for number, truth in enumerate(truths, start=1):
        labels[truth == 1] = number
    return labels


def prepare(source: Path, layout: str, options: ReaderOptions, out: Path) -> int:
    """Write the collection; returns the number of its pictures. What is there already stays."""
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    count = 0
    for picture in open_dataset(source, layout, options).pictures:
        name = Path(picture.key).stem.replace("/", "-")
        label_file = out / "labels" / f"{name}.tif"
        if not label_file.exists() and picture.objects():
            # The labels come last: a picture that has some is complete.
            Image.fromarray(np.asarray(picture.image())).save(out / "images" / f"{name}.png")
            tifffile.imwrite(label_file, painted(picture), compression="zlib")
        count += label_file.exists()
    return count


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("format", choices=sorted(FORMATS))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--min-area", type=int, default=1, help="smallest object, in pixels")
    given = parser.parse_args()
    options = ReaderOptions(split=given.split, min_area=given.min_area)
    count = prepare(given.source, given.format, options, given.out)
    print(f"{count} pictures in {given.out}")


if __name__ == "__main__":
    main()
