"""Make the file of a shipped model from a training run.

    python training/ship_tuned.py RUN --name cfr-icl-hrnet18 --share 0.7 --output FILE

`RUN` is the folder of a run of training/recipes. The weights of the result can be mixed with those
of another model of the same network: `--share 0.7` takes 0.7 of the result and 0.3 of its base, or
of the model that `--other` names, which keeps more of what that one knows (Wortsman et al. 2022,
arXiv 2109.01903). They are rounded to float16. The same run always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cyclopts
import torch
from cyclopts import Parameter
from cyclopts.validators import Number

from napari_cfr_icl import zoo
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.zoo import read_info, save


def ship(
    run: Path,
    /,
    *,
    name: str,
    output: Path,
    share: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 1.0,
    other: str | None = None,
    side: int | None = None,
) -> None:
    """Mix, round, write, and say the checksum.

    Parameters
    ----------
    run : Path
        Folder of the run.
    name : str
        Name of the model.
    output : Path
        The file to write.
    share : float
        Share of the tuned weights, 0 to 1.
    other : str, optional
        The model that is mixed in; else the base.
    side : int, optional
        Longest side of a window; else as the base's.
    """
    path = run / "model.safetensors"
    info = read_info(path)
    other = other or info.training["options"]["base"]
    weights = mixed(zoo.load(other).state_dict(), zoo.load(path).state_dict(), share)
    architecture = info.architecture | ({} if side is None else {"image_size": side})
    model = build(architecture)
    model.load_state_dict(weights)
    # Names alone: where the files lay is nobody's business.
    options = {**info.training["options"], "base": Path(info.training["options"]["base"]).name}
    mix = {"share_of_tuned_weights": share, "mixed_with": Path(other).name}
    training = {**info.training, "options": options, **mix}
    described = {"name": name, "architecture": model.architecture, "training": training}
    save(model, output, replace(info, dtype="float16", **described))
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
    cyclopts.run(ship)
