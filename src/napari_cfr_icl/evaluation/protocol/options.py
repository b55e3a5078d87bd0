"""Options of an evaluation run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import Options, option
from napari_cfr_icl.engine.settings import ARITHMETICS, DEVICES, Arithmetic, Settings
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.protocol.metrics import PAPER_THRESHOLDS
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL

OWN_SCHEME = "preset"
"""Name of the scheme that leaves a preset's inner loop as it is."""

USERS = ("robot", "realistic")
GESTURES = ("click", "box", "scribble", "lasso")


@dataclass(frozen=True, slots=True)
class DatasetChoice:
    """One data set to evaluate on.

    Parameters
    ----------
    path : Path
        Its folder, or its json file.
    format : str
        Its layout, see `napari_cfr_icl.evaluation.datasets.FORMATS`.
    """

    path: Path
    format: str = "folder"


@dataclass(frozen=True, slots=True)
class SampleOptions(Options):
    """The pictures and objects of a data set that take part."""

    pictures: int | None = option(
        None,
        "So many pictures of each data set, drawn at random.",
        (1, None),
        label="number of pictures",
        flag="--limit",
    )
    objects_per_picture: int | None = option(
        None,
        "So many objects of each picture, drawn at random.",
        (1, None),
        label="number of objects per picture",
    )
    seed: int = option(0, "Seed of all that is drawn.", (0, None))


@dataclass(frozen=True, slots=True)
class Protocol(Options):
    """Limits of the simulated clicking of one object."""

    max_clicks: int = option(
        20, "Clicks after which an object is given up.", (1, None), label="number of clicks"
    )
    thresholds: tuple[float, ...] = option(
        PAPER_THRESHOLDS, "IoUs to count clicks for, 0 to 1.", flag="--iou"
    )
    target: float | None = option(None, "IoU to click on to. Default: the highest --iou.")
    user: str = option("robot", "Who clicks: robot (the papers' user) or realistic.", choices=USERS)
    seed: int = option(0, "Seed of all that is drawn.")
    gesture: str = option(
        "click",
        "What an object begins with: click, box, scribble or lasso, drawn with errors like a "
        "hand's; it counts as one click.",
        choices=GESTURES,
    )

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if not self.thresholds:
            raise SettingsError("Give at least one IoU to count clicks for.")
        for value in (*self.thresholds, self.stop_at):
            if not 0 < value <= 1:
                raise SettingsError(f"An IoU to reach must be above 0 and at most 1, not {value}.")
        if self.stop_at < max(self.thresholds):
            raise SettingsError("The target must not be below the highest IoU that is counted.")

    @property
    def stop_at(self) -> float:
        """The IoU at which no more clicks are made."""
        return max(self.thresholds) if self.target is None else self.target


@dataclass(frozen=True, slots=True)
class EvaluateOptions(Options):
    """One run over data sets, models, presets and schemes."""

    datasets: tuple[DatasetChoice, ...]
    out: Path = option(text="Folder of the results; an interrupted run goes on there.")
    models: tuple[str, ...] = option(
        (DEFAULT_MODEL,), "Name or file of a model; can be repeated.", flag="--model"
    )
    schemes: tuple[str, ...] = option(
        ("std", "cfr-1", "cfr-4", "a-cfr-4"),
        "std, cfr-N, a-cfr-N, or preset (as the preset says); can be repeated.",
        flag="--inference",
    )
    presets: tuple[str, ...] = option(
        ("paper",),
        "paper, public-code, interactive, or a settings file; can be repeated.",
        flag="--preset",
    )
    protocol: Protocol = field(default_factory=Protocol)
    sample: SampleOptions = field(default_factory=SampleOptions)
    reader: ReaderOptions = field(default_factory=ReaderOptions)
    device: str = option("auto", DEVICES)
    precision: Arithmetic = option("float32", f"{', '.join(ARITHMETICS)}.", choices=ARITHMETICS)
    worst: int = option(
        12, "Number of the worst cases to draw.", (0, None), label="number of worst cases"
    )
    batch: int = option(
        1,
        "Objects of a picture to click side by side, their passes as one batch: for GPUs.",
        (1, None),
    )

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        for name in ("datasets", "models", "schemes", "presets"):
            chosen = getattr(self, name)
            if not chosen:
                raise SettingsError(f"Choose at least one of the {name}.")
            if len(set(chosen)) != len(chosen):
                raise SettingsError(f"Each of the {name} can be chosen once only.")
        for scheme in self.schemes:
            if scheme != OWN_SCHEME:
                Settings().with_inference(scheme)
