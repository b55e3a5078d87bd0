"""Starts training runs, follows them, and lets go of them without ending them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import QObject, QTimer, Signal

from napari_cfr_icl._files import atomic_write_json, atomic_write_text, explained_write_failures
from napari_cfr_icl.gui.threads.io_worker import IoWorker
from napari_cfr_icl.gui.training.process import start_run
from napari_cfr_icl.gui.training.run_monitor import RunMonitor, RunStatus, holds_run
from napari_cfr_icl.gui.views.source_choice import Source
from napari_cfr_icl.session.preferences import preferences_file
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.options import TrainOptions

READ_INTERVAL = 600
"""Milliseconds between two reads of the run's folder."""

RECIPE = "recipe.toml"

HELD_OUT = 0.2
"""Share of a stack's labelled planes that are held out."""


class RunController(QObject):
    """Follows one run at a time.

    Emits `status_changed` (RunStatus) after each read of the run's folder, `collected` (Path) when
    the pictures are on disk, and `failed` (Exception). All files are read and written in two
    threads: one copies layers and starts runs, which Python waits for at its exit; one reads.
    """

    status_changed = Signal(object)
    collected = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.status: RunStatus | None = None
        self._monitor: RunMonitor | None = None
        self._is_starting = False
        self._collecting = self._following = object()
        self._writer = IoWorker(self._on_not_started, self)
        self._reader = IoWorker(self.failed.emit, self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(READ_INTERVAL)
        self._timer.timeout.connect(self._read)

    @property
    def run(self) -> Path | None:
        """Folder of the run that is followed."""
        return None if self._monitor is None else self._monitor.run

    @property
    def is_starting(self) -> bool:
        """True until a new run makes its first step; it may be reading its pictures."""
        return self._is_starting

    def collect(self, source: Source, run: Path) -> None:
        """Write pictures to disk where they are layers; `collected` tells the place."""
        self.cancel_collecting()
        if isinstance(source, Path):
            self.collected.emit(source)
            return
        request = self._collecting

        def unless_cancelled(emit: Callable[..., None]) -> Callable[..., None]:
            return lambda result: emit(result) if request is self._collecting else None

        self._writer.do(
            lambda: source.write(run / source.name, HELD_OUT),
            unless_cancelled(self.collected.emit),
            unless_cancelled(self.failed.emit),
        )

    def cancel_collecting(self) -> None:
        """Emit nothing about pictures that are on their way to the disk."""
        self._collecting = object()

    def start(self, source: Source, run: Path, options: TrainOptions, device: str) -> None:
        """Start a run in a new folder, which cancels collecting."""

        def arguments() -> list[str]:
            place = source
            if not isinstance(place, Path):
                place = place.write(run / place.name, HELD_OUT)
            recipe = run / RECIPE
            with explained_write_failures(run):
                atomic_write_text(recipe, recipes.dumps(options))
            return ["train", str(place), "--config", str(recipe)]

        self.cancel_collecting()
        self._start(run, device, arguments)

    def resume(self, run: Path, device: str) -> None:
        """Resume a run."""
        self._start(run, device, lambda: ["train", "--resume"])

    def stop(self) -> None:
        """Ask the run to stop; asked again, kill it."""
        if self._monitor is not None:
            self._reader.do(self._monitor.request_stop, lambda _: self._read())

    def follow(self, run: Path | None) -> None:
        """Follow this run from now on; None follows none."""
        self._interrupt()
        self._monitor = None if run is None else RunMonitor(run)
        self._is_starting = self._is_starting and run is not None
        if run is not None:
            self._reader.do(lambda: remember_run(run), lambda _: None)
            self._read()

    def close(self) -> None:
        """Emit nothing any more; the run goes on, and one that is being started is started."""
        self._writer.close()
        self._reader.close()
        self._monitor = None

    def _start(self, run: Path, device: str, arguments: Callable[[], list[str]]) -> None:
        def work() -> Path:
            start_run(run, [*arguments(), "--out", str(run), "--device", device])
            remember_run(run)
            return run

        self._interrupt()
        self._is_starting = True
        self._writer.do(work, self.follow)

    def _on_not_started(self, error: Exception) -> None:
        self._is_starting = False
        self.failed.emit(error)

    def _interrupt(self) -> None:
        """Read no more, and ignore what is being read."""
        self._following = object()
        self._timer.stop()

    def _read(self) -> None:
        following = self._following

        def done(status: RunStatus) -> None:
            if following is self._following:
                self._is_starting = status.state == "starting"
                self.status = status
                self._timer.start()
                self.status_changed.emit(status)

        if self._monitor is not None:
            self._reader.do(self._monitor.read, done)


def remember_run(run: Path) -> None:
    """Keep the run that a new dock shows; a failure to keep it is ignored."""
    with suppress(OSError):
        atomic_write_json(_memory(), {"run": str(run.resolve())})


def last_run() -> Path | None:
    """The run that was followed last, if it is still there."""
    try:
        run = Path(json.loads(_memory().read_text("utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return run if holds_run(run) else None


def new_run_folder() -> Path:
    """A folder for a new run."""
    return _free(Path.home() / "cfr-icl-runs" / "run")


def free_folder(run: Path) -> Path:
    """The folder itself, or one beside it where it holds a run."""
    return run if not (run / "config.toml").exists() else _free(run)


def _free(run: Path) -> Path:
    stem, number = run.name, 1
    while run.exists():
        number += 1
        run = run.with_name(f"{stem}-{number}")
    return run


def _memory() -> Path:
    return preferences_file().parent / "training.json"
