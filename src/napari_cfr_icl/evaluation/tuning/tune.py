"""The search for the policy of the inner loop that saves most clicks for its passes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_cfr_icl import zoo
from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.predictor import Predictor
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.protocol.distributed import Share, gather_text, together
from napari_cfr_icl.evaluation.protocol.options import (
    OWN_SCHEME,
    DatasetChoice,
    Protocol,
    SampleOptions,
)
from napari_cfr_icl.evaluation.protocol.result_log import ResultLog, read_logs
from napari_cfr_icl.evaluation.protocol.run_identity import claim, datasets_identity, fingerprint
from napari_cfr_icl.evaluation.protocol.settings_file import settings_for, settings_to_json
from napari_cfr_icl.evaluation.protocol.skipped import SkippedPictures, nothing_left, without
from napari_cfr_icl.evaluation.protocol.work_list import open_datasets
from napari_cfr_icl.evaluation.tuning.findings import SearchFinding, in_order
from napari_cfr_icl.evaluation.tuning.policies import Grid, canonical, policies_of
from napari_cfr_icl.evaluation.tuning.scores import Goal
from napari_cfr_icl.evaluation.tuning.search import Plan, SearchProgress, search
from napari_cfr_icl.evaluation.tuning.selection import Selection, select
from napari_cfr_icl.evaluation.tuning.tune_report import write_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_cfr_icl.engine.settings import Precision, Refinement
    from napari_cfr_icl.evaluation.datasets.dataset import Dataset
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """One search.

    Parameters
    ----------
    datasets : tuple of DatasetChoice
        Images with finished labels.
    out : Path
        Folder of the results; a search that was interrupted goes on there.
    model : str
        Name in the catalogue, or path of a checkpoint.
    preset : str
        Gives today's policy, and everything but the inner loop; a name or a settings file.
    grid : Grid
        What to try.
    goal : float
        IoU to reach, 0 to 1.
    click_worth : float
        How many passes are a fair price for one click less.
    max_clicks : int
        Clicks after which an object is given up.
    user : str
        Who clicks: "robot" or "realistic".
    sample : SampleOptions
        Which pictures and objects take part; its seed is that of the whole search.
    reader : ReaderOptions
        How the data sets are read.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : str or None
        "float32" or "fast"; None leaves it to the preset.
    """

    datasets: tuple[DatasetChoice, ...]
    out: Path
    model: str
    preset: str = "interactive"
    grid: Grid = field(default_factory=Grid)
    goal: float = 0.9
    click_worth: float = 20.0
    max_clicks: int = 20
    user: str = "robot"
    sample: SampleOptions = field(default_factory=SampleOptions)
    reader: ReaderOptions = field(default_factory=ReaderOptions)
    device: str = "auto"
    precision: Precision | None = None

    def __post_init__(self) -> None:
        if not self.datasets:
            raise SettingsError("Choose at least one of the datasets.")
        if not self.click_worth > 0:
            raise SettingsError(f"A click must be worth some passes, not {self.click_worth}.")
        _ = self.protocol

    @property
    def protocol(self) -> Protocol:
        """How objects are clicked: until the goal, and no further."""
        return Protocol(self.max_clicks, (self.goal,), user=self.user, seed=self.sample.seed)

    def plan(self, current: Refinement) -> Plan:
        """What to try on which objects, when `current` is today's policy."""
        policies = tuple(policies_of(self.grid, current))
        return Plan(policies, canonical(current), self.sample, self.protocol)

    @property
    def what_counts(self) -> Goal:
        """What the choice is made by."""
        return Goal(self.goal, self.max_clicks, self.click_worth, self.sample.seed)


def tune(
    options: TuneOptions,
    on_progress: Callable[[SearchProgress], None] | None = None,
    on_skipped: Callable[[SkippedPicture], None] | None = None,
) -> Selection | None:
    """Search, or go on where a search with the same options was interrupted, and write the choice.

    Under torchrun every process takes a share of the objects, and the first one chooses.

    Parameters
    ----------
    options : TuneOptions
        What to do.
    on_progress : callable, optional
        Called after every object; an exception that it raises ends the search, which can be
        resumed.
    on_skipped : callable, optional
        Called for every picture that cannot be read; in the first process for those of all.

    Returns
    -------
    Selection or None
        None in all processes but the first.

    Raises
    ------
    CfrIclError
        When an option, a data set, the model or the folder of the results cannot be used, or no
        picture.
    """
    share = Share.from_environment()
    datasets = open_datasets(options.datasets, options.reader)
    predictor = _predictor(options, share)
    plan = options.plan(predictor.settings.refinement)
    with together(share):
        claim(options.out, _identity(options, datasets, predictor), share)
        known = read_logs(options.out, SearchFinding.from_line)
        finished = {finding.subject.index for finding in known}
        unreadable = SkippedPictures(on_skipped)
        with ResultLog(options.out, share.rank) as journal:
            for progress in search(predictor, datasets, plan, share, finished, unreadable):
                journal.append(progress.finding)
                if on_progress is not None:
                    on_progress(progress)
        skipped = unreadable.gathered(share)
        findings = without(skipped, _gathered(options, share))
    if share.rank != 0:
        return None
    if not findings:
        raise nothing_left(skipped, "There is no object to search on in these data sets.")
    choice = select(findings, plan.policies, plan.current, options.what_counts)
    write_choice(choice, predictor.settings, options.out, skipped)
    return choice


def _predictor(options: TuneOptions, share: Share) -> Predictor:
    network = zoo.load(options.model)
    settings = settings_for(options.preset, OWN_SCHEME, network)
    settings = replace(settings, precision=options.precision or settings.precision)
    return Predictor(network, settings, share.device(options.device))


def _identity(
    options: TuneOptions, datasets: Sequence[Dataset], predictor: Predictor
) -> dict[str, Any]:
    return {
        "datasets": datasets_identity(datasets, options.datasets),
        "reader": {**asdict(options.reader), "images": None},
        "models": {options.model: fingerprint(zoo.load(options.model))},
        "settings": settings_to_json(predictor.settings),
        "grid": asdict(options.grid),
        "protocol": asdict(options.protocol),
        "sample": asdict(options.sample),
    }


def _gathered(options: TuneOptions, share: Share) -> list[SearchFinding]:
    known = read_logs(options.out, SearchFinding.from_line)
    own = [finding for finding in known if share.has(finding.subject.index)]
    texts = gather_text(share, "".join(finding.to_line() + "\n" for finding in own))
    return in_order(
        SearchFinding.from_line(line) for text in texts for line in text.splitlines() if line
    )
