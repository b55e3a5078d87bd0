"""Rough gestures: IoU after each, and clicks from there to IoU 0.90, against clicks alone.

    python benchmarks/gestures.py FOLDER ... [--model NAME] [--inference std cfr-2] [--pictures 2]

A folder holds `images/` and `labels/`. An object that 10 clicks do not bring to 0.90 counts 10.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cfr_icl.engine import Predictor, Settings
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.protocol.metrics import noc
from napari_cfr_icl.evaluation.protocol.options import (
    GESTURES,
    DatasetChoice,
    Protocol,
    SampleOptions,
)
from napari_cfr_icl.evaluation.protocol.simulate import simulate
from napari_cfr_icl.evaluation.protocol.simulated_gestures import begun_with
from napari_cfr_icl.evaluation.protocol.simulated_users import RobotUser
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures
from napari_cfr_icl.evaluation.protocol.work_list import open_datasets, work_items
from napari_cfr_icl.zoo import DEFAULT_MODEL, load

GOAL, MOST = 0.9, 10


def main() -> None:
    """Measure, and print a line for each folder, scheme and gesture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--inference", nargs="+", default=["std"])
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--objects", type=int, default=2, help="of each picture")
    parser.add_argument("--gestures", nargs="+", default=list(GESTURES))
    options = parser.parse_args()
    model = load(options.model)
    predictor = Predictor(model, replace(Settings.interactive(model), precision="float32"))
    print("| data | objects | scheme | gesture | IoU after it | clicks from there to 0.90 |")
    print("|---|---|---|---|---|---|")
    for folder in options.folders:
        for scheme in options.inference:
            settings = Settings.interactive(model).with_inference(scheme)
            # A gesture is several clicks at once: all of them are refined.
            refinement = replace(settings.refinement, first_clicks=None)
            predictor.settings = replace(settings, refinement=refinement, precision="float32")
            for gesture in options.gestures:
                measure(folder, scheme, gesture, predictor, options)


def measure(
    folder: Path, scheme: str, gesture: str, predictor: Predictor, options: argparse.Namespace
) -> None:
    """One line: means over the objects."""
    (dataset,) = open_datasets([DatasetChoice(folder)], ReaderOptions())
    sample = SampleOptions(options.pictures, options.objects)
    protocol = Protocol(MOST + (gesture != "click"), (GOAL,), gesture=gesture)
    first, clicks = [], []
    skipped = SkippedPictures()
    for work in work_items([dataset], sample):
        image = work.image(skipped)
        if image is None:
            continue
        for index, item in work.objects:
            truth = work.truth(item, image.shape, skipped)
            if truth is None:
                continue
            name = work.subject(index, item, image.shape).name
            begin = begun_with(protocol, truth, name)
            done = simulate(predictor, image, truth, RobotUser(), protocol, begin)
            ious = [step.iou for step in done]
            first.append(ious[0])
            clicks.append(noc(ious, GOAL, protocol.max_clicks) - (gesture != "click"))
    print(
        f"| {folder.parent.name} | {len(first)} | {scheme} | {gesture} | {np.mean(first):.3f} "
        f"| {np.mean(clicks):.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
