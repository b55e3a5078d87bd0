"""The dock "Train a model": name pictures, check them, start, look on, use the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_cfr_icl._errors import CfrIclError, InputError
from napari_cfr_icl.gui.interaction.open_docks import choose_model
from napari_cfr_icl.gui.layers.layer_files import LayerFiles
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.threads.json_process import JsonProcess
from napari_cfr_icl.gui.training.data_panel import DataPanel
from napari_cfr_icl.gui.training.run_panel import RunPanel
from napari_cfr_icl.gui.training.run_watch import RunView, holds_run
from napari_cfr_icl.gui.training.settings_panel import SettingsPanel
from napari_cfr_icl.gui.training.trainer import (
    Source,
    Trainer,
    free_folder,
    last_run,
    new_run_folder,
)
from napari_cfr_icl.gui.widgets.closable_dock import ClosableDock
from napari_cfr_icl.gui.widgets.notices import show_error
from napari_cfr_icl.gui.widgets.section import Section

TRAINING = "Training a model"

BEGINNING = "A run is being begun; check the pictures once it is under way."
BROKEN_OFF = "The check was broken off: the run is begun with the layers as they are now."

WIDTH = 370
"""Least width in pixels: nothing is cut off."""


class TrainingDock(ClosableDock):
    """Tune a model on your own pictures. Training goes on when napari is closed.

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
        self.trainer = Trainer(self)
        self._activity = Activity(self.trainer.stop, self)
        self.checker, self.suggester, self.importer = (JsonProcess(self) for _ in range(3))
        self._lay_out()
        self._connect()
        self._show_last_run()

    def close_work(self) -> None:
        """End what belongs to the dock. A run of training goes on."""
        self.trainer.close()
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
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.setMinimumWidth(WIDTH)

    def _connect(self) -> None:
        self.data.check_requested.connect(self._on_check)
        self.data.source_changed.connect(self._on_source_changed)
        self.settings.suggest_requested.connect(self._on_suggest)
        self.progress.start_requested.connect(self._on_start)
        self.progress.stop_requested.connect(self.trainer.stop)
        self.progress.resume_requested.connect(self._on_resume)
        self.progress.use_requested.connect(self._on_use)
        self.progress.folder_chosen.connect(self._on_folder_chosen)
        self.trainer.collected.connect(self._on_collected)
        self.trainer.viewed.connect(self._on_viewed)
        self.trainer.failed.connect(self._on_failed)
        self.checker.said.connect(self._on_check_said)
        self.checker.ended.connect(self._on_check_ended)
        self.suggester.said.connect(self._on_suggested)
        self.suggester.ended.connect(self._on_suggest_ended)
        self.importer.ended.connect(self._on_imported)

    def _show_last_run(self) -> None:
        run = last_run()
        self.progress.folder.setText(str(run or new_run_folder()))
        if run is not None:
            self.trainer.attach(run)

    def _source(self) -> Source:
        source = self.data.source
        if not source.is_layers:
            return source.folder()
        return LayerFiles.of(*source.layers(), self._viewer.layers)

    def _run_folder(self) -> Path:
        run = self.progress.run
        if run is None:
            raise InputError("Choose a folder for the run.")
        return run

    def _on_source_changed(self) -> None:
        self._collection = None
        self.trainer.forget_collecting()
        self.checker.stop()

    def _on_check(self) -> None:
        if self.trainer.is_beginning:
            self.data.show_idle(BEGINNING)
            return
        try:
            self.trainer.collect(self._source(), free_folder(self._run_folder()))
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

    def _on_check_said(self, line: Mapping[str, Any]) -> None:
        if "read" in line:
            self.data.show_checking(line["read"], line["of"])
        elif "survey" in line:
            self.data.show_survey(line["survey"])

    def _on_check_ended(self, sentence: str) -> None:
        if sentence:
            self.data.show_idle(sentence)
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

    def _on_suggested(self, line: Mapping[str, Any]) -> None:
        if "suggestion" in line:
            self.settings.show_suggestion(line["suggestion"])

    def _on_suggest_ended(self, sentence: str) -> None:
        if sentence:
            self.settings.show_no_suggestion(sentence)

    def _on_start(self) -> None:
        try:
            run = free_folder(self._run_folder())
            source, options = self._source(), self.settings.options()
        except CfrIclError as error:
            self._on_failed(error)
            return
        if isinstance(source, LayerFiles):
            self._stop_reading()
        self.progress.folder.setText(str(run))
        self.progress.show_starting("Starting…")
        self.trainer.begin(source, run, options, self.settings.device.currentText())

    def _stop_reading(self) -> None:
        """End what reads the copy of the layers, which is about to be made anew."""
        if self.data.is_checking:
            self.data.show_idle(BROKEN_OFF)
        if self.suggester.is_running:
            self.settings.show_no_suggestion("")
        self.checker.stop()
        self.suggester.stop()

    def _on_resume(self) -> None:
        if (run := self.progress.run) is not None:
            self.progress.show_starting("Going on…")
            self.trainer.resume(run, self.settings.device.currentText())

    def _on_folder_chosen(self, run: Path) -> None:
        if holds_run(run):
            self.trainer.attach(run)
        else:
            self.trainer.detach()
            self._activity.end()
            self.progress.show_nothing()

    def _on_viewed(self, view: RunView) -> None:
        if self.trainer.watch is not None:
            self.progress.show_view(view, self.trainer.watch)
        if view.is_at_work:
            self._activity.show(TRAINING, view.step, view.steps)
        else:
            self._activity.end()

    def _on_use(self, name: str) -> None:
        if self.trainer.watch is not None and not self.importer.is_running:
            self._name = name
            self.importer.start(["train", "use", str(self.trainer.watch.run), "--name", name])

    def _on_imported(self, sentence: str) -> None:
        if sentence:
            show_error(InputError(sentence))
        else:
            choose_model(self._viewer, self._name)
            show_info(f"{self._name} is in the model menu, and chosen.")

    def _on_failed(self, error: Exception) -> None:
        self._activity.end()
        self.data.show_idle("")
        self.progress.show_nothing(str(error))
        show_error(error)
