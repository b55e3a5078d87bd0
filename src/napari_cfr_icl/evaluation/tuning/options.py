"""Options of a search, and the plan that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import Options, option
from napari_cfr_icl.engine.settings import ARITHMETICS, DEVICES, Arithmetic, Refinement
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice, Protocol, SampleOptions
from napari_cfr_icl.evaluation.tuning.policies import Grid, canonical, policies_of
from napari_cfr_icl.evaluation.tuning.scores import Objective
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The policies that a search tries, and the objects that it tries them on.

    Parameters
    ----------
    policies : tuple of Refinement
        No refinement first, and each once; see `policies_of`.
    current : Refinement
        Today's policy, one of them.
    sample : SampleOptions
        The pictures and objects that take part.
    protocol : Protocol
        Clicks and thresholds.
    """

    policies: tuple[Refinement, ...]
    current: Refinement
    sample: SampleOptions
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class TuneOptions(Options):
    """One search. The seed of its sample is that of the whole search."""

    datasets: tuple[DatasetChoice, ...]
    out: Path = option(text="Folder of the results; an interrupted search goes on there.")
    model: str = option(DEFAULT_MODEL, "Name or file of a model.")
    preset: str = option(
        "interactive", "Today's settings: interactive, paper, public-code or a file."
    )
    grid: Grid = field(default_factory=Grid)
    goal: float = option(0.9, "IoU to reach.")
    click_worth: float = option(20.0, "How many passes are a fair price for one click less.")
    max_clicks: int = option(20, "Clicks after which an object is given up.")
    user: str = option("robot", "Who clicks: robot (the papers' user) or realistic.")
    sample: SampleOptions = field(default_factory=SampleOptions)
    reader: ReaderOptions = field(default_factory=ReaderOptions)
    device: str = option("auto", DEVICES)
    precision: Arithmetic = option("float32", f"{', '.join(ARITHMETICS)}.", choices=ARITHMETICS)

    def __post_init__(self) -> None:
        if not self.datasets:
            raise SettingsError("Choose at least one of the datasets.")
        if not self.click_worth > 0:
            raise SettingsError(f"A click must be worth some passes, not {self.click_worth}.")
        _ = self.protocol

    @property
    def protocol(self) -> Protocol:
        """The protocol of every object: clicks until the goal, and no further."""
        return Protocol(self.max_clicks, (self.goal,), user=self.user, seed=self.sample.seed)

    def plan(self, current: Refinement) -> SearchPlan:
        """The plan of the search, when `current` is today's policy."""
        policies = tuple(policies_of(self.grid, current))
        return SearchPlan(policies, canonical(current), self.sample, self.protocol)

    @property
    def objective(self) -> Objective:
        """The objective that the choice minimises."""
        return Objective(self.goal, self.max_clicks, self.click_worth, self.sample.seed)
