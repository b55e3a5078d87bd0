"""Give a MobileSAM model the head that corrects outlines, untrained: it changes no answer yet.

    python training/add_outline_head.py cfr-icl-mobilesam --output start.safetensors

The same model always gives the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003, cyclopts reads the annotations

import cyclopts
import torch

from napari_cfr_icl import zoo
from napari_cfr_icl.engine.models import build
from napari_cfr_icl.zoo import read_info, save
from napari_cfr_icl.zoo.loading import locate
from napari_cfr_icl.zoo.store import ModelStore


def add_outline_head(model: str, /, *, output: Path) -> None:
    """Build the network with the head, and take over all other weights.

    Parameters
    ----------
    model : str
        A name, or a file.
    output : Path
        The file to write.
    """
    known, info = zoo.load(model), read_info(locate(model, ModelStore()))
    torch.manual_seed(0)
    extended = build({**known.architecture, "detail": True, "outline": True})
    left = extended.load_state_dict(known.state_dict(), strict=False)
    if left.unexpected_keys or not all(
        key.startswith(("outline.", "detail.")) for key in left.missing_keys
    ):
        raise SystemExit(f"{model} is no MobileSAM: {left}")
    described = {"name": output.stem, "architecture": extended.architecture}
    save(extended, output, replace(info, dtype="float32", **described))


if __name__ == "__main__":
    cyclopts.run(add_outline_head)
