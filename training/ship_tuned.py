"""Make the file of a shipped model from a training run.

    python training/ship_tuned.py RUN --name cfr-icl-hrnet18 --share 1.0 --output FILE

`RUN` is the folder of a run of training/recipes. The weights of base and result can be mixed:
`--share 0.7` takes 0.7 of the result and 0.3 of its base, which keeps more of what the base knows
(Wortsman et al. 2022, arXiv 2109.01903). They are rounded to float16. The same run always gives the
same bytes.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path  # noqa: TC003, Typer reads the annotations
from typing import Annotated

import torch
import typer

from napari_cfr_icl import zoo
from napari_cfr_icl.zoo import read_info, save


def ship(
    run: Path,
    name: Annotated[str, typer.Option(help="what the model is called")],
    output: Annotated[Path, typer.Option(help="the file to write")],
    share: Annotated[float, typer.Option(help="of the tuned weights", min=0, max=1)] = 1.0,
) -> None:
    """Mix, round, write, and say the checksum."""
    path = run / "model.safetensors"
    info, tuned = read_info(path), zoo.load(path)
    if share < 1:
        base = zoo.load(info.training["options"]["base"])
        tuned.load_state_dict(mixed(base.state_dict(), tuned.state_dict(), share))
    training = {**info.training, "share_of_tuned_weights": share}
    save(tuned, output, replace(info, name=name, dtype="float16", training=training))
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    sys.stdout.write(f"{output}: {output.stat().st_size} bytes\nsha256 {digest}\n")


def mixed(
    base: dict[str, torch.Tensor], tuned: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Weights on the straight line from `base` (0) to `tuned` (1)."""
    return {
        key: torch.lerp(base[key], value, share) if value.is_floating_point() else value
        for key, value in tuned.items()
    }


if __name__ == "__main__":
    typer.run(ship)
