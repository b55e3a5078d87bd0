"""The dock "Train a model": choose pictures, check them, start, follow the run, use the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cfr_icl._errors import CfrIclError, InputError
from napari_cfr_icl.gui.interaction.open_docks import choose_model
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.threads.json_process import JsonProcess
from napari_cfr_icl.gui.training.data_panel import DataPanel
from napari_cfr_icl.gui.training.run_controller import (
    RunController,
    free_folder,
    last_run,
    new_run_folder,
)
from napari_cfr_icl.gui.training.run_monitor import RunStatus, holds_run
from napari_cfr_icl.gui.training.run_panel import RunPanel
from napari_cfr_icl.gui.training.settings_panel import SettingsPanel
from napari_cfr_icl.gui.widgets.arrange import scrolling
from napari_cfr_icl.gui.widgets.closable_dock import ClosableDock
from napari_cfr_icl.gui.widgets.notices import show_error
from napari_cfr_icl.gui.widgets.section import Section

TRAINING = "Training a model"

STARTING = "A run is being begun; check the pictures once it is under way."
CHECK_CANCELLED = "The check was broken off: the run is begun with the layers as they are now."

WIDTH = 370
"""Least width in pixels: nothing is cut off."""


class TrainingDock(ClosableDock):
    """Fine-tune a model on your own pictures. Training goes on when napari is closed.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to work in; napari knows the parameter by its name and hands it over.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._collection: Path | None = None
        self._name = ""
        self.data = DataPanel(self._viewer)
        self.settings = SettingsPanel()
        self.progress = RunPanel(self._viewer)
        self.runs = RunController(self)
        self._activity = Activity(self.runs.stop, self)
        self.checker, self.suggester, self.importer = (JsonProcess(self) for _ in range(3))
        self._lay_out()
        self._connect()
        run = last_run()
        self.progress.folder.setText(str(run or new_run_folder()))
        self.runs.follow(run)

    def close_work(self) -> None:
        """End everything but the training run."""
        self.runs.close()
        self._activity.close()
        for process in (self.checker, self.suggester, self.importer):
            process.stop()
        self.progress.plot.close_events()
        self.data.source.close_events()

    def _lay_out(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(Section("1  Pictures", self.data, opened=True))
        layout.addWidget(Section("2  Settings", self.settings, opened=True))
        layout.addWidget(Section("3  Training", self.progress, opened=True))
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(inside))
        self.setMinimumWidth(WIDTH)

    def _connect(self) -> None:
        self.data.check_requested.connect(self._on_check)
        self.data.source_changed.connect(self._on_source_changed)
        self.settings.suggest_requested.connect(self._on_suggest)
        self.progress.start_requested.connect(self._on_start)
        self.progress.stop_requested.connect(self.runs.stop)
        self.progress.resume_requested.connect(self._on_resume)
        self.progress.use_requested.connect(self._on_use)
        self.progress.folder_chosen.connect(self._on_folder_chosen)
        self.runs.collected.connect(self._on_collected)
        self.runs.status_changed.connect(self._on_status_changed)
        self.runs.failed.connect(self._on_failed)
        self.checker.line_read.connect(self._on_check_line)
        self.checker.ended.connect(self._on_check_ended)
        self.suggester.line_read.connect(self._on_suggestion_line)
        self.suggester.ended.connect(self._on_suggester_ended)
        self.importer.ended.connect(self._on_importer_ended)

    def _run_folder(self) -> Path:
        run = self.progress.run
        if run is None:
            raise InputError("Choose a folder for the run.")
        return run

    def _on_source_changed(self) -> None:
        self._collection = None
        self.runs.cancel_collecting()
        self.checker.stop()

    def _on_check(self) -> None:
        if self.runs.is_starting:
            self.data.show_idle(STARTING)
            return
        try:
            self.runs.collect(self.data.source.source(), free_folder(self._run_folder()))
        except CfrIclError as error:
            self._on_failed(error)
        else:
            if not self.checker.is_running:
                self.data.show_checking(0, 0)

    def _on_collected(self, place: Path) -> None:
        self._collection = place
        self.data.show_checking(0, 0)
        self.checker.stop()
        self.checker.start(["train", "check", str(place), "--json"])

    def _on_check_line(self, line: Mapping[str, Any]) -> None:
        if "read" in line:
            self.data.show_checking(line["read"], line["of"])
        elif "report" in line:
            self.data.show_report(line["report"])

    def _on_check_ended(self, reason: str) -> None:
        if reason:
            self.data.show_idle(reason)
        else:
            self._on_suggest()

    def _on_suggest(self) -> None:
        if self.suggester.is_running:
            return
        try:
            base = self.settings.options().base
        except CfrIclError as error:
            self.settings.show_no_suggestion(str(error))
            return
        self.settings.show_suggesting()
        device, place = self.settings.device.currentText(), self._collection
        pictures = [] if place is None else [str(place)]
        words = ["--json", "--base", base, "--device", device]
        self.suggester.start(
            ["train", "suggest", *pictures, "--config", self.settings.recipe.currentText(), *words]
        )

    def _on_suggestion_line(self, line: Mapping[str, Any]) -> None:
        if "suggestion" in line:
            self.settings.show_suggestion(line["suggestion"])

    def _on_suggester_ended(self, reason: str) -> None:
        if reason:
            self.settings.show_no_suggestion(reason)

    def _on_start(self) -> None:
        try:
            run = free_folder(self._run_folder())
            source, options = self.data.source.source(), self.settings.options()
        except CfrIclError as error:
            self._on_failed(error)
            return
        if isinstance(source, LayerFiles):
            self._stop_readers()
        self.progress.folder.setText(str(run))
        self.progress.show_starting("Starting…")
        self.runs.start(source, run, options, self.settings.device.currentText())

    def _stop_readers(self) -> None:
        """Stop the processes that read the copy of the layers, which is about to be replaced."""
        if self.data.is_checking:
            self.data.show_idle(CHECK_CANCELLED)
        if self.suggester.is_running:
            self.settings.show_no_suggestion("")
        self.checker.stop()
        self.suggester.stop()

    def _on_resume(self) -> None:
        if (run := self.progress.run) is not None:
            self.progress.show_starting("Going on…")
            self.runs.resume(run, self.settings.device.currentText())

    def _on_folder_chosen(self, run: Path) -> None:
        if holds_run(run):
            self.runs.follow(run)
        else:
            self.runs.follow(None)
            self._activity.end()
            self.progress.show_nothing()

    def _on_status_changed(self, status: RunStatus) -> None:
        self.progress.show_status(status)
        if status.is_at_work:
            self._activity.show(TRAINING, status.step, status.steps)
        else:
            self._activity.end()

    def _on_use(self, name: str) -> None:
        if self.runs.run is not None and not self.importer.is_running:
            self._name = name
            self.importer.start(["train", "use", str(self.runs.run), "--name", name])

    def _on_importer_ended(self, reason: str) -> None:
        if reason:
            show_error(InputError(reason))
        else:
            choose_model(self._viewer, self._name)
            show_info(f"{self._name} is in the model menu, and chosen.")

    def _on_failed(self, error: Exception) -> None:
        self._activity.end()
        self.data.show_idle("")
        self.progress.show_nothing(str(error))
        show_error(error)
