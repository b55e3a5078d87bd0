"""Checkpoint files as the public code writes them, made by the tests."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_cfr_icl.engine.models import ClickModel, build

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
HRNET = GOLDEN / "g_hrnet_w4s.pth"
VIT = GOLDEN / "g_vit_d12_p16.pth"

TINY_HRNET = {"family": "hrnet_ocr", "width": 2, "ocr_width": 4, "small": True}
TINY_VIT = {
    "family": "plain_vit",
    "dim": 8,
    "depth": 8,
    "num_heads": 2,
    "patch": 16,
    "neck_dims": [4, 4, 4, 4],
    "head_channels": 4,
    "image_size": 224,
}


def tiny(architecture: Mapping[str, Any] = TINY_HRNET, seed: int = 0) -> ClickModel:
    """A network of a few thousand weights, random but always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(architecture)


def same_weights(one: ClickModel, other: ClickModel) -> bool:
    """Whether two networks are equal to the last bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def settings(family: str, **values: object) -> dict[str, Any]:
    """Settings in the form in which the public code stores them beside the weights."""
    params = {
        name: {"type": "builtin", "value": value, "specified": True}
        for name, value in values.items()
    }
    module = "is_hrnet_model" if family == "HRNetModel" else "is_plainvit_model"
    return {"class": f"isegm.model.{module}.{family}", "params": params}


def write(path: Path, content: object, *, legacy: bool = False) -> Path:
    """Write `content` as PyTorch does, since 1.6 or before."""
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


class Malicious:
    """Creates a file at the moment in which it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def plain_pickle(path: Path, content: object) -> Path:
    """Write a bare pickle of the kind that PyTorch's old files begin with."""
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path
