"""Clicks that it takes to correct a mask from elsewhere, against clicks from nothing.

The masks are true ones with outlines that wander, cut short or spill over until their IoU is
between 0.6 and 0.85, as another program's might be. The robot user clicks both to IoU 0.9.

    python benchmarks/correction.py FOLDER [FOLDER ...] [--objects 40] [--clicks 10] [--model NAME]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_cfr_icl import zoo
from napari_cfr_icl.engine import Predictor
from napari_cfr_icl.evaluation.protocol.metrics import iou
from precision import clicks_needed, spread_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.6, 0.85
SIZES = {"small": 32**2, "medium": 96**2, "large": np.inf}
"""COCO's names for objects of up to so many pixels."""


def main() -> None:
    """Print one line per folder and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="each with images/ and labels/")
    parser.add_argument("--objects", type=int, default=40, help="objects per folder, spread evenly")
    parser.add_argument("--clicks", type=int, default=10, help="most clicks")
    parser.add_argument("--min-area", type=int, default=150, help="pixels of the smallest object")
    parser.add_argument("--model", default=zoo.DEFAULT_MODEL, help="name or file")
    options = parser.parse_args()
    predictor = Predictor(zoo.load(options.model))
    rng = np.random.default_rng(0)
    for folder in options.folders:
        rows = []
        for source, truth in spread_objects(folder, options.objects, options.min_area):
            begun = perturbed(truth == 1, rng)
            given = (predictor, source, truth, options.clicks)
            needed = clicks_needed(*given, begun=begun), clicks_needed(*given)
            rows.append((np.count_nonzero(truth == 1), iou(truth, begun), *needed))
        _print(folder, np.array(rows))


def perturbed(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A mask like `mask`, of an IoU from `LOWEST` to `HIGHEST` with it.

    The outline moves by a smooth random field, added to the signed distance from the outline.
    """
    signed = distance_transform_edt(mask) - distance_transform_edt(~mask)
    radius = np.sqrt(np.count_nonzero(mask) / np.pi)
    wanted = rng.uniform(LOWEST + 0.05, HIGHEST - 0.05)
    while True:
        field = gaussian_filter(rng.standard_normal(mask.shape), max(1.0, 0.4 * radius))
        field /= field[mask].std()
        # A larger field moves the outline farther: halve the step until the IoU is the wanted one.
        low, high = 0.0, 4.0 * radius
        for _ in range(12):
            amount = (low + high) / 2
            moved = signed + amount * field > 0
            low, high = (amount, high) if iou(mask, moved) > wanted else (low, amount)
        if LOWEST <= iou(mask, moved) <= HIGHEST:
            return np.asarray(moved)


def _print(folder: Path, rows: NDArray[Any]) -> None:
    smallest = 0.0
    for name, largest in SIZES.items():
        chosen = rows[(rows[:, 0] > smallest) & (rows[:, 0] <= largest)]
        smallest = largest
        if len(chosen):
            _, begun, corrected, from_nothing = chosen.T
            sys.stdout.write(
                f"{folder}, {name}: {len(chosen)} objects, mean IoU {begun.mean():.2f} before; "
                f"clicks to IoU 0.9, median (mean): {np.median(corrected):g} "
                f"({corrected.mean():.2f}) from the mask, {np.median(from_nothing):g} "
                f"({from_nothing.mean():.2f}) from nothing\n"
            )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
