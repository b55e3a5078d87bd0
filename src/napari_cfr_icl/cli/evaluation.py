"""The commands `evaluate` and `tune`: words on a command line become options."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.zoo.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from napari_cfr_icl.engine.settings import Precision
    from napari_cfr_icl.evaluation.protocol.options import DatasetChoice
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture
    from napari_cfr_icl.evaluation.run import Progress
    from napari_cfr_icl.evaluation.tuning.search import SearchProgress

app = typer.Typer(no_args_is_help=True)

Words = list[str] | None
_LAYOUTS = (
    "grabcut, berkeley, davis, coco-mval, sbd, pascal-voc, coco-lvis, coco-json, mask-files, folder"
)
_SHOWN_LEFT_OUT = 10


def _option(text: str, *names: str) -> object:
    return typer.Option(*names, help=text)


Datasets = Annotated[
    list[str],
    typer.Argument(metavar="DATASET...", help="Folders, or COCO json files."),
]
Formats = Annotated[
    Words,
    _option(f"Layout, of each data set or of all: {_LAYOUTS}. Default: folder.", "--format"),
]
Out = Annotated[Path, _option("Folder of the results; an interrupted run goes on there.")]
Models = Annotated[Words, _option("Name or file of a model; can be repeated.", "--model")]
Model = Annotated[str, _option("Name or file of a model.")]
Schemes = Annotated[
    Words,
    _option(
        "std, cfr-N, a-cfr-N, or preset (as the preset says); can be repeated. "
        "Default: std, cfr-1, cfr-4, a-cfr-4.",
        "--inference",
    ),
]
Presets = Annotated[
    Words,
    _option(
        "paper, public-code, interactive, or a settings file; can be repeated. Default: paper.",
        "--preset",
    ),
]
Preset = Annotated[str, _option("Today's settings: interactive, paper, public-code or a file.")]
MaxClicks = Annotated[int, _option("Clicks after which an object is given up.")]
IoUs = Annotated[Words, _option("IoUs to count clicks for. Default: 0.8 0.85 0.9 0.95.", "--iou")]
Target = Annotated[float | None, _option("IoU to click on to. Default: the highest --iou.")]
User = Annotated[str, _option("Who clicks: robot (the papers' user) or realistic.")]
Limit = Annotated[int | None, _option("So many pictures of each data set, drawn at random.")]
PerPicture = Annotated[int | None, _option("So many objects of each picture, drawn at random.")]
Seed = Annotated[int, _option("Seed of all that is drawn.")]
Split = Annotated[str, _option("SBD, Pascal VOC, COCO+LVIS: val, train or another list.")]
MinArea = Annotated[int, _option("Leave out objects of fewer pixels.")]
Images = Annotated[
    Path | None, _option("Folder of the images, if not beside the labels that DATASET holds.")
]
IgnoredId = Annotated[int | None, _option("Id in label images that counts neither way.")]
Stuff = Annotated[bool, _option("COCO+LVIS: take sky, grass and so on too.")]
Greys = Annotated[bool, _option("Pascal VOC: merge objects as the public code does.")]
Device = Annotated[str, _option("auto, cpu, cuda, cuda:1 or mps.")]
Arithmetic = Annotated[
    str | None, _option("float32 or fast; by default as the preset says.", "--precision")
]
Worst = Annotated[int, _option("How many of the worst cases to draw.")]
Batch = Annotated[
    int, _option("Objects of a picture to click side by side, their passes as one batch: for GPUs.")
]
Goal = Annotated[float, _option("IoU to reach.")]
ClickWorth = Annotated[float, _option("How many passes are a fair price for one click less.")]
MaxSteps = Annotated[int, _option("Most inner steps to try.")]
Pixels = Annotated[str, _option("Thresholds to try, in pixels, with commas between.")]
Fractions = Annotated[str, _option("Thresholds to try, as shares of the object's area.")]
FirstClicks = Annotated[str, _option("Refine so many clicks of an object, tried in turn; or all.")]
JsonProgress = Annotated[
    bool, typer.Option("--json-progress", help="Tell everything in lines of JSON, as it goes.")
]


@app.command("evaluate")
def evaluate_command(  # noqa: PLR0913 - one for each option
    datasets: Datasets,
    out: Out,
    formats: Formats = None,
    models: Models = None,
    schemes: Schemes = None,
    presets: Presets = None,
    max_clicks: MaxClicks = 20,
    ious: IoUs = None,
    target: Target = None,
    user: User = "robot",
    limit: Limit = None,
    objects_per_picture: PerPicture = None,
    seed: Seed = 0,
    split: Split = "val",
    min_area: MinArea = 1,
    images: Images = None,
    ignored_id: IgnoredId = None,
    with_stuff: Stuff = False,
    merge_equal_greys: Greys = False,
    device: Device = "auto",
    precision: Arithmetic = None,
    worst: Worst = 12,
    batch: Batch = 1,
) -> None:
    """Count the clicks that a user made of code needs, and write tables and plots."""
    from napari_cfr_icl.evaluation.datasets import ReaderOptions
    from napari_cfr_icl.evaluation.protocol.metrics import PAPER_THRESHOLDS
    from napari_cfr_icl.evaluation.protocol.options import EvaluateOptions, Protocol, SampleOptions
    from napari_cfr_icl.evaluation.run import evaluate

    paths, thresholds = separated(datasets, ious or [])
    options = EvaluateOptions(
        dataset_choices(paths, formats or ["folder"]),
        out,
        models=tuple(models or [DEFAULT_MODEL]),
        schemes=tuple(schemes or ["std", "cfr-1", "cfr-4", "a-cfr-4"]),
        presets=tuple(presets or ["paper"]),
        protocol=Protocol(max_clicks, thresholds or PAPER_THRESHOLDS, target, user, seed),
        sample=SampleOptions(limit, objects_per_picture, seed),
        reader=ReaderOptions(split, min_area, images, ignored_id, with_stuff, merge_equal_greys),
        device=device,
        precision=cast("Precision | None", precision),
        worst=worst,
        batch=batch,
    )
    with _progress("Evaluating") as screen:
        records = evaluate(options, screen.advance, screen.leave_out)
    if records:
        typer.echo((out / "table3.md").read_text(encoding="utf-8"))
        typer.echo(f"All numbers: {out / 'report.md'}")
        screen.say_what_is_left_out(out / "report.md")


@app.command("tune")
def tune_command(  # noqa: PLR0913 - one for each option
    datasets: Datasets,
    out: Out,
    formats: Formats = None,
    model: Model = DEFAULT_MODEL,
    preset: Preset = "interactive",
    goal: Goal = 0.9,
    click_worth: ClickWorth = 20.0,
    max_steps: MaxSteps = 4,
    pixels: Pixels = "5,20,80",
    fractions: Fractions = "0.001,0.002,0.005,0.01,0.02",
    first_clicks: FirstClicks = "1,2,3,all",
    max_clicks: MaxClicks = 20,
    user: User = "robot",
    limit: Limit = None,
    objects_per_picture: PerPicture = None,
    seed: Seed = 0,
    split: Split = "val",
    min_area: MinArea = 1,
    images: Images = None,
    ignored_id: IgnoredId = None,
    device: Device = "auto",
    precision: Arithmetic = None,
    json_progress: JsonProgress = False,
) -> None:
    """Search CFR's steps and thresholds on your own images and finished labels."""
    from napari_cfr_icl.evaluation.datasets import ReaderOptions
    from napari_cfr_icl.evaluation.protocol.options import SampleOptions
    from napari_cfr_icl.evaluation.tuning.policies import Grid
    from napari_cfr_icl.evaluation.tuning.progress_events import SearchEvents
    from napari_cfr_icl.evaluation.tuning.tune import TuneOptions, tune

    grid = Grid(
        tuple(range(1, max_steps + 1)),
        tuple(round(value) for value in numbers(pixels)),
        numbers(fractions),
        tuple(None if word == "all" else round(numbers(word)[0]) for word in _words(first_clicks)),
    )
    options = TuneOptions(
        dataset_choices(datasets, formats or ["folder"]),
        out,
        model,
        preset=preset,
        grid=grid,
        goal=goal,
        click_worth=click_worth,
        max_clicks=max_clicks,
        user=user,
        sample=SampleOptions(limit, objects_per_picture, seed),
        reader=ReaderOptions(split, min_area, images, ignored_id),
        device=device,
        precision=cast("Precision | None", precision),
    )
    if json_progress:
        live = SearchEvents(options, typer.echo)
        if tune(options, live.hear, live.leave_out) is not None:
            live.finish()
        return
    with _progress("Searching") as screen:
        choice = tune(options, screen.advance, screen.leave_out)
    if choice is not None:
        typer.echo((out / "tune.md").read_text(encoding="utf-8"))
        screen.say_what_is_left_out(out / "tune.md")


def dataset_choices(paths: Sequence[str], formats: Sequence[str]) -> tuple[DatasetChoice, ...]:
    """Data sets with their layouts: one layout for each, or one for all.

    Raises
    ------
    SettingsError
        When the numbers of both do not fit.
    """
    from napari_cfr_icl.evaluation.protocol.options import DatasetChoice

    if len(formats) not in (1, len(paths)):
        raise SettingsError(
            f"Give --format once, or once for each of the {len(paths)} data sets, not "
            f"{len(formats)} times."
        )
    every = list(formats) * (len(paths) if len(formats) == 1 else 1)
    pairs = zip(paths, every, strict=True)
    return tuple(DatasetChoice(Path(path), layout) for path, layout in pairs)


def separated(words: Sequence[str], ious: Sequence[str]) -> tuple[list[str], tuple[float, ...]]:
    """Paths and IoUs, where `--iou 0.8 0.85 0.9` left all but the first number among the paths."""
    paths = [word for word in words if not (ious and _is_number(word) and not Path(word).exists())]
    rest = [word for word in words if word not in paths]
    return paths, tuple(value for text in (*ious, *rest) for value in numbers(text))


def numbers(text: str) -> tuple[float, ...]:
    """The numbers in a text, with commas or blanks between.

    Raises
    ------
    SettingsError
        When something in it is no number.
    """
    for word in _words(text):
        if not _is_number(word):
            raise SettingsError(f"{word!r} is no number.")
    return tuple(float(word) for word in _words(text))


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class _Screen:
    """A bar with the time left, and sentences about pictures; silent in all but one process."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._left_out = 0

    def advance(self, step: Progress | SearchProgress) -> None:
        """Show how far it is."""
        self._bar.update(self._task, completed=step.fraction)

    def leave_out(self, picture: SkippedPicture) -> None:
        """Say that a picture cannot be read; when it is many, the report lists them."""
        self._left_out += 1
        if self._left_out <= _SHOWN_LEFT_OUT and not self._bar.disable:
            # plainly: brackets in the name of a file are no markup
            self._bar.console.print(picture.sentence, markup=False, highlight=False)

    def say_what_is_left_out(self, report: Path) -> None:
        """The last sentence of a run, where there is something to say."""
        from napari_cfr_icl.evaluation.protocol.skipped import told

        if self._left_out:
            typer.echo(told(self._left_out, report))


@contextmanager
def _progress(title: str) -> Iterator[_Screen]:
    """What is seen of a run while it goes on."""
    from rich.progress import Progress as Bar

    with Bar(disable=os.environ.get("RANK", "0") != "0") as bar:
        yield _Screen(bar, bar.add_task(title, total=1.0))
