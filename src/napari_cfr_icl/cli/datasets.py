"""Data sets as words of a command line, and the progress over their pictures."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl.cli.arguments import is_number, numbers
from napari_cfr_icl.evaluation.datasets import FORMATS
from napari_cfr_icl.evaluation.protocol.options import DatasetChoice

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from napari_cfr_icl.evaluation.protocol.eta import Progress
    from napari_cfr_icl.evaluation.protocol.skipped import SkippedPicture

Datasets = Annotated[str, Parameter(name="DATASET...", help="Folders, or COCO json files.")]
Formats = Annotated[
    tuple[str, ...],
    Parameter(name="--format", help=f"Layout, of each data set or of all: {', '.join(FORMATS)}."),
]
_SHOWN_SKIPPED = 10
_LINE_PAUSE = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def dataset_choices(paths: Sequence[str], formats: Sequence[str]) -> tuple[DatasetChoice, ...]:
    """Data sets with their layouts: one layout for each, or one for all.

    Raises
    ------
    SettingsError
        When the numbers of both do not fit.
    """
    if len(formats) not in (1, len(paths)):
        raise SettingsError(
            f"Give --format once, or once for each of the {len(paths)} data sets, not "
            f"{len(formats)} times."
        )
    every = list(formats) * (len(paths) if len(formats) == 1 else 1)
    pairs = zip(paths, every, strict=True)
    return tuple(DatasetChoice(Path(path), layout) for path, layout in pairs)


def separated(words: Sequence[str], ious: Sequence[float]) -> tuple[list[str], tuple[float, ...]]:
    """Paths and IoUs, where `--iou 0.8 0.85 0.9` left all but the first number among the paths."""
    paths = [word for word in words if not (ious and is_number(word) and not Path(word).exists())]
    rest = [word for word in words if word not in paths]
    return paths, (*ious, *numbers(" ".join(rest)))


class PictureProgress:
    """A bar with the time left, and sentences about pictures; silent in all but one process."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._skipped = 0
        self._next_line = time.monotonic() + _LINE_PAUSE

    def advance(self, step: Progress[Any]) -> None:
        """Show how far the run is."""
        self._bar.update(self._task, completed=step.fraction)
        # In a pipe rich draws its bar once, at the end.
        if not (self._bar.console.is_terminal or self._bar.disable):
            now = time.monotonic()
            if now >= self._next_line:
                self._next_line = now + _LINE_PAUSE
                left = "" if step.seconds_left is None else f", {step.seconds_left:.0f} s left"
                print(f"{step.fraction:.0%} done{left}", file=sys.stderr, flush=True)

    def skip(self, picture: SkippedPicture) -> None:
        """Say that a picture cannot be read; where it is many, the report lists them."""
        self._skipped += 1
        if self._skipped <= _SHOWN_SKIPPED and not self._bar.disable:
            # plainly: brackets in the name of a file are no markup
            self._bar.console.print(picture.sentence, markup=False, highlight=False)

    def summarize_skipped(self, report: Path) -> None:
        """Say at the end how many pictures were skipped, if any."""
        from napari_cfr_icl.evaluation.protocol.skipped import skipped_sentence

        if self._skipped:
            print(skipped_sentence(self._skipped, report))


@contextmanager
def picture_progress(title: str) -> Iterator[PictureProgress]:
    """A progress bar while a run goes on."""
    from rich.progress import Progress as Bar

    with Bar(disable=os.environ.get("RANK", "0") != "0") as bar:
        yield PictureProgress(bar, bar.add_task(title, total=1.0))
