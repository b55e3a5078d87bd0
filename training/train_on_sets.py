"""Train on a folder of sets, sampled so that no kind drowns another.

    python training/train_on_sets.py SETS --out RUN --config RECIPE [--times coco=2]
        [--leave-out neurites] [--set schedule.steps=1000]
    napari-cfr-icl train --resume --out RUN

`SETS` holds a folder for each set, with `train` and `val` in it. A set's share of the samples grows
with the root of the number of its pictures: a set of 476 gets six times as much as one of 12, not
forty times. `--times` multiplies a share. A set that is left out is neither trained nor validated
on.
"""

from __future__ import annotations

import math
from pathlib import Path  # noqa: TC003, cyclopts reads the annotations
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from napari_cfr_icl._options import with_values
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.data.collection import open_collection
from napari_cfr_icl.training.runs import loop


def train(
    sets: Path,
    /,
    *,
    out: Path,
    config: str,
    times: tuple[str, ...] = (),
    leave_out: tuple[str, ...] = (),
    values: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
) -> None:
    """Begin the run.

    Parameters
    ----------
    sets : Path
        The folder of the sets.
    out : Path
        The run's folder.
    config : str
        The recipe.
    times : tuple of str
        NAME=FACTOR.
    leave_out : tuple of str
        Sets that are not used.
    values : tuple of str
        NAME=VALUE, other values for options.
    """
    paths = [path for path in sorted(sets.iterdir()) if (path / "train").is_dir()]
    factors = dict(text.split("=") for text in times)
    if unknown := {*factors, *leave_out} - {path.name for path in paths}:
        raise SystemExit(f"{sets} has no {', '.join(sorted(unknown))}.")
    used = [path for path in paths if path.name not in leave_out]
    shares = [root_of_pictures(path) * float(factors.get(path.name, 1)) for path in used]
    total = sum(shares)
    weights = [round(share / total, 4) for share in shares]
    for path, weight in zip(used, weights, strict=True):
        print(f"{weight:6.1%}  {path.name}")
    options = recipes.with_assignments(recipes.load_recipe(config), values)
    loop.main(with_values(options, {"data": {"weights": weights}}), used, out, listener=tell)


def root_of_pictures(path: Path) -> float:
    """Root of the number of pictures that a set has to train on."""
    examples = open_collection(path).examples
    return math.sqrt(sum(example.split != "val" for example in examples))


def tell(event: dict[str, object]) -> None:
    """Print what is rare; the steps are in the run's folder."""
    if event["event"] != "step":
        print(event, flush=True)


if __name__ == "__main__":
    cyclopts.run(train)
