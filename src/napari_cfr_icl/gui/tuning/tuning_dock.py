"""The dock "Tune refinement": inspect one click's inner loop, or search on finished labels."""

from __future__ import annotations

import napari
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QTabWidget, QVBoxLayout

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.interaction.open_docks import (
    OpenDock,
    choose_preset,
    current_preferences,
    open_docks,
)
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.tuning.inspection import Inspection
from napari_cfr_icl.gui.tuning.inspector_panel import InspectorPanel
from napari_cfr_icl.gui.tuning.policy_scores import PolicyScores
from napari_cfr_icl.gui.tuning.refinement_inspector import RefinementInspector
from napari_cfr_icl.gui.tuning.search_controller import SearchController
from napari_cfr_icl.gui.tuning.search_panel import BAR_STEPS, SearchPanel
from napari_cfr_icl.gui.widgets.arrange import scrolling
from napari_cfr_icl.gui.widgets.closable_dock import ClosableDock
from napari_cfr_icl.gui.widgets.notices import show_error
from napari_cfr_icl.session.presets import NamedPreset, save_preset

SEARCHING = "Searching for the best refinement"

WIDTH = 350
"""Least width in pixels: nothing is cut off."""


class TuningDock(ClosableDock):
    """Choose the steps and the threshold of the refinement by their effect on your images.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to work in; napari knows the parameter by its name and hands it over.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.inspector_panel = InspectorPanel(self._viewer)
        self.search_panel = SearchPanel(self._viewer)
        self.inspector = RefinementInspector(self._viewer, self)
        self.searches = SearchController(self)
        self._activity = Activity(self._on_cancel, self)
        self._lay_out()
        self._connect()
        self.inspector.follow(open_docks.of(self._viewer))

    def close_work(self) -> None:
        """End the search, let go of the viewer."""
        open_docks.opened.disconnect(self._on_docks_changed, missing_ok=True)
        open_docks.closed.disconnect(self._on_docks_changed, missing_ok=True)
        self.inspector.close()
        self.searches.close()
        self._activity.close()
        self.inspector_panel.plot.close_events()
        self.search_panel.plot.close_events()
        self.search_panel.source.close_events()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.addTab(scrolling(self.inspector_panel), "Look at a click")
        self.tabs.addTab(scrolling(self.search_panel), "Search on labels")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.setMinimumWidth(WIDTH)

    def _connect(self) -> None:
        open_docks.opened.connect(self._on_docks_changed)
        open_docks.closed.connect(self._on_docks_changed)
        self.inspector_panel.visibility_changed.connect(self.inspector.set_active)
        self.inspector_panel.step_chosen.connect(self.inspector.show_step)
        self.inspector_panel.use_requested.connect(self._on_use)
        self.inspector.changed.connect(self._on_inspection_changed)
        self.inspector.settings_changed.connect(self.inspector_panel.show_current)
        self.search_panel.start_requested.connect(self._on_start)
        self.search_panel.cancel_requested.connect(self._on_cancel)
        self.search_panel.use_requested.connect(self._on_use)
        self.searches.progressed.connect(self._on_progressed)
        self.searches.entered.connect(self.search_panel.show_running)
        self.searches.finished.connect(self._on_finished)
        self.searches.failed.connect(self._on_failed)

    def _on_docks_changed(self, dock: OpenDock) -> None:
        if dock.workspace.viewer is self._viewer:
            self.inspector.follow(open_docks.of(self._viewer))

    def _on_inspection_changed(self, inspection: Inspection | None) -> None:
        self.inspector_panel.show_inspection(inspection)
        if inspection is not None and len(inspection.answers) == 1:
            self.inspector.show_step(self.inspector_panel.scrubber.value())

    def _on_use(self, name: str, policy: Refinement) -> None:
        base = EngineChoice.of(current_preferences(self._viewer)).preset
        try:
            save_preset(NamedPreset(name, base, policy))
        except CfrIclError as error:
            show_error(error)
            return
        choose_preset(self._viewer, name)
        show_info(f"{name} is kept as a preset and used from now on.")

    def _on_start(self) -> None:
        engine = EngineChoice.of(current_preferences(self._viewer))
        try:
            options, source = self.search_panel.options(), self.search_panel.source.source()
        except CfrIclError as error:
            self._on_failed(error)
            return
        self.search_panel.clear()
        self.search_panel.show_running("Starting")
        self._activity.show(SEARCHING, 0, 0)
        self.searches.start(options, source, engine)

    def _on_cancel(self) -> None:
        self.searches.cancel()
        self.search_panel.show_idle("Cancelled.")
        self._activity.end()

    def _on_progressed(self, fraction: float, seconds: float | None, scores: PolicyScores) -> None:
        self._activity.show(SEARCHING, round(BAR_STEPS * fraction), BAR_STEPS)
        if scores.objects:
            self.search_panel.show_progress(fraction, seconds, scores.objects)
            self.search_panel.show_scores(scores)

    def _on_finished(self, scores: PolicyScores, text: str) -> None:
        self._activity.end()
        self.search_panel.show_scores(scores)
        self.search_panel.show_idle(
            f"{scores.objects} objects clicked. {text}", self.searches.results
        )

    def _on_failed(self, error: Exception) -> None:
        self._activity.end()
        self.search_panel.show_idle(str(error))
        show_error(error)
