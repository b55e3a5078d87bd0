"""Begins runs of training, follows them, and lets go of them without ending them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._files import atomic_write_json
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.threads.background_task import BackgroundTask
from napari_cfr_icl.gui.training.process import start_run
from napari_cfr_icl.gui.training.run_watch import RunView, RunWatch, holds_run
from napari_cfr_icl.session.preferences import preferences_file
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.options import TrainOptions

GLANCE = 600
"""Milliseconds between two looks into the run's folder."""

RECIPE = "recipe.toml"

HELD_OUT = 0.2
"""Share of a stack's labelled planes that the gate is measured on."""

Source = Path | LayerFiles


class Trainer(QObject):
    """Follows one run at a time.

    Emits `viewed` (RunView) whenever it looked, `collected` (Path) when pictures are on the disk,
    and `failed` (Exception).
    """

    viewed = Signal(object)
    collected = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.watch: RunWatch | None = None
        self._is_beginning = False
        self._copying = Lock()
        self._starter = self._errand(self._on_started)
        self._starter.failed.connect(self._on_not_started)
        self._collector = self._errand(self.collected.emit)
        self._timer = QTimer(self)
        self._timer.setInterval(GLANCE)
        self._timer.timeout.connect(self._look)

    @property
    def is_beginning(self) -> bool:
        """Whether a run is on its way to its first step, and may be reading its pictures."""
        return self._is_beginning

    def collect(self, source: Source, run: Path) -> None:
        """Have pictures on the disk, for a process to read; `collected` tells where."""
        if isinstance(source, Path):
            self.collected.emit(source)
        else:
            self._collector.run(lambda: self._copied(source, run))

    def forget_collecting(self) -> None:
        """Tell nothing of pictures that are on their way to the disk."""
        self._collector.forget()

    def begin(self, source: Source, run: Path, options: TrainOptions, device: str) -> None:
        """Begin a run in a new folder; what is being collected for it is not told of."""

        def work() -> Path:
            place = source if isinstance(source, Path) else self._copied(source, run)
            recipe = run / RECIPE
            try:
                run.mkdir(parents=True, exist_ok=True)
                recipe.write_text(recipes.dumps(options), encoding="utf-8")
            except OSError as error:
                raise OutputError(f"{run} cannot be written: {error.strerror}.") from error
            words = ["--config", str(recipe), "--out", str(run), "--device", device]
            start_run(run, ["train", str(place), *words])
            return run

        self.forget_collecting()
        self._begin(work)

    def resume(self, run: Path, device: str) -> None:
        """Go on with a run."""

        def work() -> Path:
            start_run(run, ["train", "--resume", "--out", str(run), "--device", device])
            return run

        self._begin(work)

    def stop(self) -> None:
        """Ask the run to stop; asked again, end it at once."""
        if self.watch is None:
            return
        wish, process = self.watch.run / "stop", self.watch.process
        if wish.exists() and process is not None:
            process.kill()
            wish.unlink(missing_ok=True)
        else:
            wish.touch()
        self._look()

    def attach(self, run: Path) -> None:
        """Follow this run from now on."""
        self.watch = RunWatch(run)
        remember_run(run)
        self._timer.start()
        self._look()

    def detach(self) -> None:
        """Follow no run."""
        self.watch = None
        self._is_beginning = False
        self._timer.stop()

    def close(self) -> None:
        """Look no more; the run goes on."""
        self._starter.forget()
        self._collector.forget()
        self.watch = None

    def _errand(self, then: Callable[[Any], None]) -> BackgroundTask:
        errand = BackgroundTask(self)
        errand.done.connect(then)
        errand.failed.connect(self.failed)
        return errand

    def _copied(self, source: LayerFiles, run: Path) -> Path:
        # A copy that nobody waits for any more is written to its end all the same.
        with self._copying:
            return source.write(run / source.name, HELD_OUT)

    def _begin(self, work: Callable[[], Path]) -> None:
        self._timer.stop()
        self._is_beginning = True
        self._starter.run(work)

    def _on_started(self, run: Path) -> None:
        self.attach(run)

    def _on_not_started(self) -> None:
        self._is_beginning = False

    def _look(self) -> None:
        if self.watch is not None:
            view: RunView = self.watch.read()
            self._is_beginning = view.state == "starting"
            self.viewed.emit(view)


def remember_run(run: Path) -> None:
    """The run that a new dock shows; that it cannot be kept is no trouble."""
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
    """A folder that a new run may have."""
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
