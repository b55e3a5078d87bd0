"""The dock "Tune refinement": look at one click's inner loop, or search on finished labels."""

from __future__ import annotations

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_cfr_icl._errors import CfrIclError
from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.gui.interaction.open_docks import (
    choose_preset,
    current_preferences,
    open_docks,
)
from napari_cfr_icl.gui.interaction.predictors import EngineChoice
from napari_cfr_icl.gui.threads.activity import Activity
from napari_cfr_icl.gui.tuning.inspection import Inspection
from napari_cfr_icl.gui.tuning.inspector_panel import InspectorPanel
from napari_cfr_icl.gui.tuning.refinement_inspector import RefinementInspector
from napari_cfr_icl.gui.tuning.search_panel import BAR_STEPS, SearchPanel
from napari_cfr_icl.gui.tuning.search_request import Standings
from napari_cfr_icl.gui.tuning.searcher import Searcher, SearchJob
from napari_cfr_icl.gui.widgets.closable_dock import ClosableDock
from napari_cfr_icl.gui.widgets.notices import show_error
from napari_cfr_icl.session.presets import NamedPreset, save_preset

SEARCHING = "Searching for the best refinement"

WIDTH = 350
"""Least width in pixels: nothing is cut off."""

FINDING_PAUSE = 500
"""Milliseconds between two glances for the dock "Segment with clicks": napari tells nobody."""


class TuningDock(ClosableDock):
    """Choose the steps and the threshold of the refinement by what they do on your images.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to work in; napari knows the parameter by its name and hands it over.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.look = InspectorPanel(self._viewer)
        self.search = SearchPanel(self._viewer)
        self.looker = RefinementInspector(self._viewer, self)
        self.searcher = Searcher(self)
        self._activity = Activity(self._on_cancel, self)
        self._glance = QTimer(self)
        self._glance.setInterval(FINDING_PAUSE)
        self._lay_out()
        self._connect()
        self._on_glance()
        self._glance.start()

    def close_work(self) -> None:
        """End the search, let go of the viewer."""
        self.looker.close()
        self.searcher.cancel()
        self._activity.close()
        self.look.plot.close_events()
        self.search.plot.close_events()
        self.search.source.close_events()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.addTab(_scrolling(self.look), "Look at a click")
        self.tabs.addTab(_scrolling(self.search), "Search on labels")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.setMinimumWidth(WIDTH)

    def _connect(self) -> None:
        self._glance.timeout.connect(self._on_glance)
        self.tabs.currentChanged.connect(self._on_glance)
        self.look.step_chosen.connect(self.looker.show_step)
        self.look.use_requested.connect(self._on_use)
        self.looker.changed.connect(self._on_looked)
        self.looker.settings_changed.connect(self.look.show_today)
        self.search.start_requested.connect(self._on_start)
        self.search.cancel_requested.connect(self._on_cancel)
        self.search.use_requested.connect(self._on_use)
        self.searcher.progressed.connect(self._on_progressed)
        self.searcher.finished.connect(self._on_finished)
        self.searcher.failed.connect(self._on_failed)

    def _on_glance(self) -> None:
        self.looker.follow(open_docks.of(self._viewer))
        self.looker.set_wanted(self.look.isVisible())

    def _on_looked(self, look: Inspection | None) -> None:
        self.look.show_look(look)
        if look is not None and len(look.answers) == 1:
            self.looker.show_step(self.look.scrubber.value())

    def _on_use(self, name: str, policy: Refinement) -> None:
        base = EngineChoice.of(current_preferences(self._viewer)).preset
        try:
            save_preset(NamedPreset(name, base, policy))
        except CfrIclError as error:
            show_error(error)
            return
        choose_preset(self._viewer, name)

    def _on_start(self) -> None:
        try:
            job = SearchJob(
                self.search.wish(),
                self.search.source.source(),
                EngineChoice.of(current_preferences(self._viewer)),
            )
            self.searcher.start(job)
        except CfrIclError as error:
            self._on_failed(error)
            return
        self.search.clear()
        self.search.show_running("Loading the model…")
        self._activity.show(SEARCHING, 0, 0)

    def _on_cancel(self) -> None:
        self.searcher.cancel()
        self.search.show_idle("Cancelled.")
        self._activity.end()

    def _on_progressed(self, fraction: float, seconds: float | None, standings: Standings) -> None:
        self._activity.show(SEARCHING, round(BAR_STEPS * fraction), BAR_STEPS)
        if standings.objects:
            self.search.show_progress(fraction, seconds, standings.objects)
            self.search.show_standings(standings)
        else:
            self.search.show_running("Clicking the first object…")

    def _on_finished(self, standings: Standings, text: str) -> None:
        self._activity.end()
        self.search.show_standings(standings)
        self.search.show_idle(
            f"{standings.objects} objects clicked. {text}", self.searcher.folder / "results"
        )

    def _on_failed(self, error: Exception) -> None:
        self._activity.end()
        self.search.show_idle(str(error))
        show_error(error)


def _scrolling(widget: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
