"""Runs a search: writes layers where needed, starts the process, tells what it says."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_cfr_icl._errors import CfrIclError, InputError
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.threads.background_task import BackgroundTask
from napari_cfr_icl.gui.threads.json_process import NICENESS, JsonProcess
from napari_cfr_icl.gui.tuning.search_request import SearchWish, Standings, result_of
from napari_cfr_icl.session.preferences import preferences_file
from napari_cfr_icl.session.presets import write_settings


@dataclass(frozen=True, slots=True, eq=False)
class SearchJob:
    """One search.

    Parameters
    ----------
    wish : SearchWish
        What is asked for.
    source : Path or LayerFiles
        The pictures.
    engine : EngineChoice
        Model, device and today's settings.
    """

    wish: SearchWish
    source: Path | LayerFiles
    engine: EngineChoice


class Searcher(QObject):
    """Does one search at a time, in a process of its own.

    Emits `progressed` (fraction, seconds left or None, Standings), `finished` (Standings, sentence)
    and `failed` (Exception). After `cancel` nothing more is emitted.
    """

    progressed = Signal(float, object, object)
    finished = Signal(object, str)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._errand = BackgroundTask(self)
        self._errand.done.connect(self._on_written)
        self._errand.failed.connect(self._on_failed)
        self._process = JsonProcess(self, NICENESS)
        self._process.line_read.connect(self._on_said)
        self._process.ended.connect(self._on_ended)
        self._job: SearchJob | None = None
        self._standings: Standings | None = None
        self._folder = Path()

    @property
    def folder(self) -> Path:
        """Where the results of the last search lie."""
        return self._folder

    @property
    def is_running(self) -> bool:
        """Whether a search is under way."""
        return self._job is not None

    @property
    def pid(self) -> int | None:
        """Number of its process, while there is one."""
        return self._process.pid

    def start(self, job: SearchJob) -> None:
        """Begin.

        Raises
        ------
        OutputError
            When the folder of the results cannot be made.
        """
        self._folder = _new_folder()
        self._standings = None
        refinement = job.engine.settings_for(None).refinement
        write_settings(self._folder / "today.json", job.engine.preset, refinement)
        self._job = job
        source = job.source
        if isinstance(source, LayerFiles):
            place = self._folder / source.name
            self._errand.run(lambda: source.write(place))
        else:
            self._run(source)

    def cancel(self) -> None:
        """End at once; the objects that were done stay in the results."""
        self._errand.forget()
        self._process.stop()
        self._leave()

    def _run(self, dataset: Path) -> None:
        job = self._job
        if job is None:
            return
        engine = (job.engine.model, job.engine.device, self._folder / "today.json")
        self._process.start(job.wish.arguments(dataset, self._folder / "results", engine))

    def _on_written(self, folder: Path) -> None:
        self._run(folder)

    def _on_said(self, line: Mapping[str, Any]) -> None:
        if "policies" in line:
            self._standings = Standings.begun(line)
            self.progressed.emit(0.0, None, self._standings)
        elif "clicks" in line and self._standings is not None:
            self._standings = self._standings.after(line)
            self.progressed.emit(line["fraction"], line["seconds_left"], self._standings)

    def _on_ended(self, sentence: str) -> None:
        if sentence:
            self._on_failed(InputError(sentence))
            return
        self._leave()
        try:
            objects = self._standings.objects if self._standings is not None else 0
            standings, text = result_of(self._folder / "results", objects)
        except CfrIclError as error:
            self.failed.emit(error)
        else:
            self.finished.emit(standings, text)

    def _on_failed(self, error: Exception) -> None:
        self._leave()
        self.failed.emit(error)

    def _leave(self) -> None:
        job, self._job = self._job, None
        if job is not None and isinstance(job.source, LayerFiles):
            # The copies were made for the process alone.
            with suppress(OSError):
                shutil.rmtree(self._folder / job.source.name)


def _new_folder() -> Path:
    place = preferences_file().parent / "searches"
    name = time.strftime("%Y-%m-%d-%H%M%S")
    for number in range(1000):
        folder = place / (f"{name}-{number}" if number else name)
        if not folder.exists():
            return folder
    return place / f"{name}-{time.time_ns()}"
