"""Sequences of clicks recorded from the public code, and its options in our words."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from golden_models import GOLDEN, arrays
from napari_cfr_icl.engine.settings import Refinement, Settings, Zoom

if TYPE_CHECKING:
    from pathlib import Path

MODELS = ("g_hrnet_w4s", "g_vit_d12_p16")


@dataclass(frozen=True, eq=False)
class GoldenRun:
    """One recorded sequence: the picture, the truth, the options, and what each click led to."""

    model: Path
    name: str
    image: np.ndarray
    truth: np.ndarray
    settings: Settings
    clicks: list[dict]


@cache
def golden_runs(model: str) -> list[GoldenRun]:
    """All sequences of one model that a robot user drove from a blank start."""
    runs = json.loads((GOLDEN / f"{model}__predictor.json").read_text())["runs"]
    pictures = arrays(f"{model}__predictor")
    return [
        GoldenRun(
            GOLDEN / f"{model}.pth",
            run["name"],
            pictures[run["image"]],
            pictures[run["image"].replace("img", "gt")].astype(np.int8),
            settings_of(run),
            run["clicks"],
        )
        for run in runs
        if "extmask" not in run["name"]
    ]


def settings_of(run: dict) -> Settings:
    """The recorded options of the public code, in our words."""
    options, zoomed = run["predictor_params"], run["zoom_params"]
    zoom = None
    if zoomed is not None:
        target = zoomed["target_size"]
        target = tuple(target) if isinstance(target, list) else target
        zoom = Zoom(target=target, skip_clicks=zoomed.get("skip_clicks", 1))
    refinement = Refinement(
        steps=max(0, options["cascade_step"] - 1),
        adaptive=options.get("cascade_adaptive", False),
        inclusive=True,
        first_clicks=options.get("cascade_clicks", 1),
        rezoom=True,
    )
    limit, flip = options.get("max_size"), run["with_flip"]
    return replace(
        Settings.public_code(), refinement=refinement, zoom=zoom, limit_side=limit, flip=flip
    )
