"""What the search is asked for, and what it has found so far. No widgets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.evaluation.tuning.policies import describe


@dataclass(frozen=True, slots=True)
class SearchWish:
    """The options of a search, as people type them.

    Parameters
    ----------
    goal : float
        IoU to reach.
    max_steps, max_clicks : int
        Most refinement steps to try, and clicks after which an object is given up.
    pictures, objects : int
        So many pictures, and objects of each, drawn at random; 0 takes all.
    pixels, fractions, first_clicks : str
        Thresholds in pixels, as shares of the object's area, and numbers of refined clicks or
        "all"; with commas between.
    """

    goal: float = 0.9
    max_steps: int = 4
    max_clicks: int = 20
    pictures: int = 0
    objects: int = 0
    pixels: str = "5, 20, 80"
    fractions: str = "0.001, 0.002, 0.005, 0.01, 0.02"
    first_clicks: str = "1, 2, 3, all"

    def arguments(self, dataset: Path, out: Path, engine: tuple[str, str, Path]) -> list[str]:
        """The command.

        Parameters
        ----------
        dataset : Path
            A folder of images and labels, or a COCO json.
        out : Path
            Where the results go.
        engine : tuple of (str, str, Path)
            Model, device, and the file of today's settings.
        """
        model, device, settings = engine
        named: dict[str, object] = {
            "format": "coco-json" if dataset.suffix.lower() == ".json" else "folder",
            "out": out,
            "model": model,
            "device": device,
            "preset": settings,
            "goal": self.goal,
            "max-steps": self.max_steps,
            "max-clicks": self.max_clicks,
            "pixels": self.pixels,
            "fractions": self.fractions,
            "first-clicks": self.first_clicks,
        }
        if self.pictures:
            named["limit"] = self.pictures
        if self.objects:
            named["objects-per-picture"] = self.objects
        words = [f"--{name}={value}" for name, value in named.items()]
        return ["tune", str(dataset), *words, "--json-progress"]


@dataclass(frozen=True, slots=True)
class Standings:
    """What every policy needed so far.

    Parameters
    ----------
    policies : tuple of Refinement
        What is tried.
    current : int
        Place of today's policy.
    clicks, passes : tuple of float
        For one object; empty before the first is done.
    front : tuple of int
        Places of the efficient policies.
    recommended : int
        Place of the recommended policy.
    objects : int
        How many objects were clicked.
    """

    policies: tuple[Refinement, ...]
    current: int
    clicks: tuple[float, ...] = ()
    passes: tuple[float, ...] = ()
    front: tuple[int, ...] = ()
    recommended: int = 0
    objects: int = 0

    @classmethod
    def begun(cls, line: Mapping[str, Any]) -> Standings:
        """From the first line of a search."""
        policies = tuple(Refinement(**policy) for policy in line["policies"])
        return cls(policies, line["current"])

    def after(self, line: Mapping[str, Any]) -> Standings:
        """The same after another line."""
        return Standings(
            self.policies,
            self.current,
            tuple(line["clicks"]),
            tuple(line["passes"]),
            tuple(line["front"]),
            line["recommended"],
            line["objects"],
        )

    def words(self, place: int) -> str:
        """One policy in a line."""
        needs = f"{self.clicks[place]:.2f} clicks, {self.passes[place]:.1f} passes for an object"
        return f"{describe(self.policies[place])}: {needs}"


def result_of(folder: Path, objects: int) -> tuple[Standings, str]:
    """The end of a search: its standings, and how the recommended policy did on held-out objects.

    Parameters
    ----------
    folder : Path
        Of the search.
    objects : int
        How many were clicked.

    Raises
    ------
    OutputError
        When the result cannot be read.
    """
    try:
        found = json.loads((folder / "tune.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"The result in {folder} cannot be read: {error}") from error
    rows = found["standings"]
    standings = Standings(
        tuple(Refinement(**row["policy"]) for row in rows),
        found["current"],
        tuple(row["clicks"] for row in rows),
        tuple(row["passes"] for row in rows),
        tuple(found["front"]),
        found["recommended"],
        objects,
    )
    checks = [
        f"on {item['dataset']} {_signed(item['clicks'])} clicks, {_signed(item['passes'])} passes"
        for item in found["held_out_current"]
    ]
    if not checks or found["recommended"] == found["current"]:
        return standings, "Today's setting is the recommended one."
    return standings, f"Held-out half, against today's: {'; '.join(checks)}."


def _signed(interval: Mapping[str, float]) -> str:
    return f"{interval['mean']:+.2f} ({interval['low']:+.2f} to {interval['high']:+.2f})"
