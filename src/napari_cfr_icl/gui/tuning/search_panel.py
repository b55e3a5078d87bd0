"""Panel of the tuning dock: a search for the best refinement on finished labels."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import napari
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_cfr_icl.evaluation.tuning.policies import describe
from napari_cfr_icl.gui.tuning.inspector_panel import NAMES_EXPLAINED, USE_THIS
from napari_cfr_icl.gui.tuning.plots import FrontPlot
from napari_cfr_icl.gui.tuning.policy_scores import NO_SCORES, PolicyScores
from napari_cfr_icl.gui.tuning.search_options import SearchOptions
from napari_cfr_icl.gui.views.source_choice import SourceChoice
from napari_cfr_icl.gui.widgets.arrange import form, row
from napari_cfr_icl.gui.widgets.durations import Elapsed, time_left
from napari_cfr_icl.gui.widgets.named_action import NamedAction
from napari_cfr_icl.gui.widgets.option_field import as_option, option_field
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.gui.widgets.section import Section
from napari_cfr_icl.gui.widgets.wrapped_label import WrappedLabel

BAR_STEPS = 1000

BASIC = {
    "goal": {"unit": " % IoU"},
    "limit": {"zero": "all"},
    "objects_per_picture": {"zero": "all"},
}
"""Options in sight, and how their fields look."""

EXPLANATION = (
    "A robot clicks objects whose labels are finished, under every setting of the refinement, and "
    "finds the setting that needs the fewest clicks for its passes through the network."
)


class SearchPanel(QWidget):
    """Shows a search and lets the user choose a policy.

    Emits `start_requested`, `cancel_requested` and `use_requested` (name, Refinement).
    """

    start_requested = Signal()
    cancel_requested = Signal()
    use_requested = Signal(str, object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.scores = NO_SCORES
        self._chosen: int | None = None
        self._results: Path | None = None
        self.source = SourceChoice(viewer)
        self.fields = {
            spec.name: option_field(
                spec.name, spec.metadata, spec.default, **BASIC.get(spec.name, {})
            )
            for spec in fields(SearchOptions)
        }
        self._build_progress()
        self.plot = FrontPlot(viewer)
        self.chosen = WrappedLabel()
        self.chosen.setToolTip(NAMES_EXPLAINED)
        self.use = NamedAction(*USE_THIS)
        self._lay_out()
        self._connect()
        self.show_idle("")
        self.clear()

    def options(self) -> SearchOptions:
        """The options as the form shows them.

        Raises
        ------
        SettingsError
            When a value is invalid.
        """
        known = fields(SearchOptions)
        return SearchOptions(
            **{s.name: as_option(self.fields[s.name].value, s.default) for s in known}
        )

    def clear(self) -> None:
        """Show no result."""
        self._chosen = None
        self.plot.show_front(NO_SCORES)
        self.show_scores(NO_SCORES)

    def show_running(self, text: str) -> None:
        """Show that a search runs, before any number is known."""
        self.start.setEnabled(False)
        self.cancel.setEnabled(True)
        self.bar.show_progress(0, 0)
        self.bar.show()
        self.report.hide()
        self._elapsed.begin(text)

    def show_progress(self, fraction: float, seconds_left: float | None, objects: int) -> None:
        """Show the progress of the search."""
        self.bar.show_progress(round(BAR_STEPS * fraction), BAR_STEPS)
        self._elapsed.end()
        parts = [f"{objects} object{'' if objects == 1 else 's'} clicked", time_left(seconds_left)]
        self.status.setText(", ".join(part for part in parts if part) + ".")

    def show_idle(self, text: str, results: Path | None = None) -> None:
        """Show that no search runs, and why."""
        self.start.setEnabled(True)
        self.cancel.setEnabled(False)
        self.bar.hide()
        self._elapsed.end()
        self.status.setText(text)
        self.report.setVisible(results is not None)
        self._results = results

    def show_scores(self, scores: PolicyScores) -> None:
        """Draw the scores of the policies; the user's choice among them stays."""
        self.scores = scores
        for widget in (self.plot, self.chosen, self.use):
            widget.setVisible(scores.objects > 0)
        if scores.objects:
            self._show_chosen()

    def _build_progress(self) -> None:
        self.start = QPushButton("Search")
        self.cancel = QPushButton("Cancel")
        self.bar = ProgressBar(thin=True)
        self.status = WrappedLabel()
        self._elapsed = Elapsed(self.status.setText, self)
        self.report = QPushButton("Open the report")

    def _lay_out(self) -> None:
        basic: dict[str, QWidget] = {}
        extra: dict[str, QWidget] = {}
        for spec in fields(SearchOptions):
            rows = basic if spec.name in BASIC else extra
            rows[spec.metadata["title"]] = self.fields[spec.name].native
        more = Section("More", form(extra), opened=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        for widget in (WrappedLabel(EXPLANATION), self.source, form(basic), more):
            layout.addWidget(widget)
        layout.addWidget(row(self.start, self.cancel))
        for widget in (self.bar, self.status, self.chosen, self.use, self.plot, self.report):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.start.clicked.connect(self.start_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.plot.policy_chosen.connect(self._on_policy_chosen)
        self.use.requested.connect(self._on_use)
        self.report.clicked.connect(self._on_report)
        self.source.changed.connect(self._on_source_changed)

    def _on_policy_chosen(self, index: int) -> None:
        self._chosen = index
        self._show_chosen()

    def _on_use(self, name: str) -> None:
        self.use_requested.emit(name, self.scores.policies[self._index])

    def _on_source_changed(self) -> None:
        """Take back what was said about other pictures."""
        if self.start.isEnabled():
            self.status.setText("")

    def _on_report(self) -> None:
        if self._results is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._results / "tune.md")))

    @property
    def _index(self) -> int:
        return self.scores.recommended if self._chosen is None else self._chosen

    def _show_chosen(self) -> None:
        scores, index = self.scores, self._index
        goal = f"clicks to {self.fields['goal'].value:g} % overlap"
        self.plot.show_front(scores, index, goal)
        title = "Recommended" if index == scores.recommended else "Chosen"
        today = scores.words(scores.current)
        self.chosen.setText(f"{title}: {scores.words(index)}. Today: {today}.")
        self.use.show_default(describe(scores.policies[index]))
