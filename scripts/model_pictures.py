"""Draw what the models that ship make of one click on the samples' objects, for their cards.

    python scripts/model_pictures.py [--out docs/images]

One page for each model: four objects from the best to the middling, then the four worst. The robot
user makes the click; the pictures and their truth are the samples of the package.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cfr_icl import samples, zoo
from napari_cfr_icl.evaluation.datasets import ReaderOptions, open_dataset
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, EvaluateOptions, Protocol
from napari_cfr_icl.evaluation.protocol.predictors import predictors_for
from napari_cfr_icl.evaluation.reports.failure_cases import cases_of, write_page
from napari_cfr_icl.evaluation.reports.plots import file_stem
from napari_cfr_icl.evaluation.run import evaluate
from napari_cfr_icl.exports.collection import save_collection
from napari_cfr_icl.zoo import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_cfr_icl.evaluation.protocol.records import Record

SHOWN = 4
LEAST_AREA = 150
"""Pixels; as in the tables of the cards."""


def main() -> None:
    """Draw all pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--model", action="append", help="this one, not all that ship")
    options = parser.parse_args()
    shipped = [name for name, entry in CATALOGUE.items() if entry.embedded]
    with tempfile.TemporaryDirectory() as folder:
        collection = Path(folder) / "samples"
        save_collection(collection, sample_pictures())
        for model in options.model or shipped:
            draw(model, collection, options.out / f"model-{file_stem(model)}.png")


def sample_pictures() -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Name, image and labels of each sample; of the stack, its middle plane."""
    for name in samples.names():
        sample = samples.load(name)
        image, labels = sample.image, sample.labels
        if labels.ndim > 2:
            image, labels = image[len(image) // 2], labels[len(labels) // 2]
        yield name, image, labels


def draw(model: str, collection: Path, page: Path) -> None:
    """Click every object once, and draw some."""
    with tempfile.TemporaryDirectory() as out:
        options = EvaluateOptions(
            (DatasetChoice(collection),),
            Path(out),
            (model,),
            ("cfr-1",),
            ("interactive",),
            Protocol(max_clicks=1),
            reader=ReaderOptions(min_area=LEAST_AREA),
            device="cpu",
            precision="float32",
            worst=0,
        )
        records = sorted(evaluate(options), key=lambda record: -record.ious[-1])
        ((_, predictor),) = predictors_for(model, zoo.load(model), options, "cpu").items()
    dataset = open_dataset(collection, "folder", options.reader)
    cases = cases_of(chosen(records), dataset, predictor, options.protocol)
    write_page(cases, f"{model}: one click on {len(records)} objects", page)


def chosen(records: list[Record]) -> list[Record]:
    """Some from the best to the middle, and the worst."""
    first = np.linspace(0, len(records) // 2, SHOWN).round().astype(int)
    return [*(records[at] for at in first), *records[-SHOWN:]]


if __name__ == "__main__":
    main()
