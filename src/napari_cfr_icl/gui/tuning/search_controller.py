"""Runs a search for the best refinement in a process of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_cfr_icl._errors import InputError
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.threads.io_worker import IoWorker
from napari_cfr_icl.gui.threads.json_process import NICENESS, JsonProcess
from napari_cfr_icl.gui.tuning.policy_scores import PolicyScores, read_result
from napari_cfr_icl.gui.tuning.search_options import SearchOptions
from napari_cfr_icl.gui.views.source_choice import Source
from napari_cfr_icl.session.preferences import preferences_file
from napari_cfr_icl.session.presets import write_settings


@dataclass(frozen=True, slots=True, eq=False)
class SearchJob:
    """One search.

    Parameters
    ----------
    options : SearchOptions
        Its options.
    source : Path or LayerFiles
        The pictures.
    engine : EngineChoice
        Model, device and current settings.
    folder : Path
        A new folder for all its files.
    """

    options: SearchOptions
    source: Source
    engine: EngineChoice
    folder: Path

    @property
    def results(self) -> Path:
        """Folder of the results."""
        return self.folder / "results"

    def prepare(self) -> list[str]:
        """Write the files that the search reads.

        Returns
        -------
        list of str
            Arguments of the command.

        Raises
        ------
        CfrIclError
            When they cannot be written, or nothing is labelled.
        """
        settings = self.folder / "today.json"
        refinement = self.engine.settings_for(None).refinement
        write_settings(settings, self.engine.preset, refinement)
        dataset = self.source
        if not isinstance(dataset, Path):
            dataset = dataset.write(self.folder / dataset.name)
        engine = (self.engine.model, self.engine.device, settings)
        return self.options.arguments(dataset, self.results, engine)

    def clean_up(self) -> None:
        """Remove the copies of layers, which were made for the process alone."""
        if not isinstance(self.source, Path):
            shutil.rmtree(self.folder / self.source.name, ignore_errors=True)


class SearchController(QObject):
    """Runs one search at a time.

    Emits `entered` (what is done now), `progressed` (fraction, seconds left or None, PolicyScores),
    `finished` (PolicyScores, sentence) and `failed` (Exception); nothing after `cancel`.
    """

    progressed = Signal(float, object, object)
    entered = Signal(str)
    finished = Signal(object, str)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._files = IoWorker(self.failed.emit, self)
        self._process = JsonProcess(self, NICENESS)
        self._process.line_read.connect(self._on_line)
        self._process.ended.connect(self._on_ended)
        self._job: SearchJob | None = None
        self._scores: PolicyScores | None = None
        self.results = Path()

    @property
    def is_running(self) -> bool:
        """True while a search runs."""
        return self._job is not None

    @property
    def pid(self) -> int | None:
        """Number of the search's process, while there is one."""
        return self._process.pid

    def start(self, options: SearchOptions, source: Source, engine: EngineChoice) -> None:
        """Start a search."""
        job = self._job = SearchJob(options, source, engine, _new_folder())
        self.results, self._scores = job.results, None
        self._do(job.prepare, self._process.start)

    def cancel(self) -> None:
        """Kill the search; the objects that were done stay in the results."""
        self._process.stop()
        self._end()

    def close(self) -> None:
        """Cancel, and take no more searches."""
        self.cancel()
        self._files.close()

    def _do(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Work with the files of the current job, unless it is cancelled before."""
        job = self._job

        def if_current(call: Callable[[Any], None]) -> Callable[[Any], None]:
            return lambda result: call(result) if job is self._job else None

        self._files.do(work, if_current(then), if_current(self._fail))

    def _on_line(self, line: Mapping[str, Any]) -> None:
        if "policies" in line:
            self._scores = PolicyScores.at_start(line)
            self.progressed.emit(0.0, None, self._scores)
        elif "stage" in line:
            self.entered.emit(line["stage"])
        elif "clicks" in line and self._scores is not None:
            self._scores = self._scores.after(line)
            self.progressed.emit(line["fraction"], line["seconds_left"], self._scores)

    def _on_ended(self, reason: str) -> None:
        if reason or self._job is None:
            self._fail(InputError(reason))
            return
        job, objects = self._job, 0 if self._scores is None else self._scores.objects

        def work() -> tuple[PolicyScores, str]:
            job.clean_up()
            return read_result(job.results, objects)

        self._do(work, self._on_result)

    def _on_result(self, result: tuple[PolicyScores, str]) -> None:
        self._job = None
        self.finished.emit(*result)

    def _fail(self, error: Exception) -> None:
        self._end()
        self.failed.emit(error)

    def _end(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            self._files.do(job.clean_up, lambda _: None)


def _new_folder() -> Path:
    place = preferences_file().parent / "searches"
    name = time.strftime("%Y-%m-%d-%H%M%S")
    for number in range(1000):
        folder = place / (f"{name}-{number}" if number else name)
        if not folder.exists():
            return folder
    return place / f"{name}-{time.time_ns()}"
