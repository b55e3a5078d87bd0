"""What an evaluation run is to do, as frozen data that checks itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.engine.settings import Precision, Settings
from napari_cfr_icl.evaluation.datasets import ReaderOptions
from napari_cfr_icl.evaluation.protocol.metrics import PAPER_THRESHOLDS
from napari_cfr_icl.evaluation.protocol.simulated_users import user_for

if TYPE_CHECKING:
    from pathlib import Path

OWN_SCHEME = "preset"
"""Name of the scheme that leaves a preset's inner loop as it is."""


@dataclass(frozen=True, slots=True)
class DatasetChoice:
    """One data set to evaluate on.

    Parameters
    ----------
    path : Path
        Its folder, or its json file.
    format : str
        How it is laid out, see `napari_cfr_icl.evaluation.datasets.FORMATS`.
    """

    path: Path
    format: str = "folder"


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """Which of a data set's pictures and objects take part.

    Parameters
    ----------
    pictures : int or None
        So many pictures, drawn at random; None takes all.
    objects_per_picture : int or None
        So many objects of each picture, drawn at random; None takes all.
    seed : int
        Seed of the drawing.
    """

    pictures: int | None = None
    objects_per_picture: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (
            ("number of pictures", self.pictures),
            ("number of objects per picture", self.objects_per_picture),
        ):
            if value is not None and value < 1:
                raise SettingsError(f"The {name} must be at least 1, not {value}.")
        if self.seed < 0:
            raise SettingsError(f"The seed must not be negative, as {self.seed} is.")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an object is clicked, and when it counts as done.

    Parameters
    ----------
    max_clicks : int
        Clicks after which an object is given up.
    thresholds : tuple of float
        The IoUs to count clicks for, 0 to 1.
    target : float or None
        IoU at which no more clicks are made; None takes the highest threshold.
    user : str
        Who clicks: "robot" or "realistic".
    seed : int
        Seed of a user whose clicks scatter.
    """

    max_clicks: int = 20
    thresholds: tuple[float, ...] = PAPER_THRESHOLDS
    target: float | None = None
    user: str = "robot"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_clicks < 1:
            raise SettingsError(f"An object needs at least 1 click, not {self.max_clicks}.")
        if not self.thresholds:
            raise SettingsError("Give at least one IoU to count clicks for.")
        for value in (*self.thresholds, self.stop_at):
            if not 0 < value <= 1:
                raise SettingsError(f"An IoU to reach must be above 0 and at most 1, not {value}.")
        if self.stop_at < max(self.thresholds):
            raise SettingsError("The target must not be below the highest IoU that is counted.")
        user_for(self.user, self.seed, "")

    @property
    def stop_at(self) -> float:
        """The IoU at which no more clicks are made."""
        return max(self.thresholds) if self.target is None else self.target


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """One run over data sets, models, presets and schemes.

    Parameters
    ----------
    datasets : tuple of DatasetChoice
        The data sets.
    out : Path
        Folder of the results; a run that was interrupted goes on there.
    models : tuple of str
        Names in the catalogue, or paths of checkpoints.
    schemes : tuple of str
        "std", "cfr-N", "a-cfr-N", or "preset" for the preset's own inner loop.
    presets : tuple of str
        "paper", "public-code", "interactive", or the path of a settings file.
    protocol : Protocol
        How objects are clicked.
    sample : SampleOptions
        Which pictures and objects take part.
    reader : ReaderOptions
        How the data sets are read.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : str or None
        "float32" or "fast"; None leaves it to the preset.
    worst : int
        How many of the worst cases to draw.
    batch : int
        Most objects of a picture that are clicked side by side, their passes run together.
    """

    datasets: tuple[DatasetChoice, ...]
    out: Path
    models: tuple[str, ...]
    schemes: tuple[str, ...] = ("std", "cfr-1", "cfr-4", "a-cfr-4")
    presets: tuple[str, ...] = ("paper",)
    protocol: Protocol = field(default_factory=Protocol)
    sample: SampleOptions = field(default_factory=SampleOptions)
    reader: ReaderOptions = field(default_factory=ReaderOptions)
    device: str = "auto"
    precision: Precision | None = None
    worst: int = 12
    batch: int = 1

    def __post_init__(self) -> None:
        for name in ("datasets", "models", "schemes", "presets"):
            chosen = getattr(self, name)
            if not chosen:
                raise SettingsError(f"Choose at least one of the {name}.")
            if len(set(chosen)) != len(chosen):
                raise SettingsError(f"Each of the {name} can be chosen once only.")
        for scheme in self.schemes:
            if scheme != OWN_SCHEME:
                Settings().with_inference(scheme)
        if self.precision not in (None, "float32", "fast"):
            raise SettingsError(f"The precision is float32 or fast, not {self.precision!r}.")
        if self.worst < 0:
            raise SettingsError(f"The number of worst cases must not be negative: {self.worst}.")
        if self.batch < 1:
            raise SettingsError(f"A batch holds at least 1 object, not {self.batch}.")
