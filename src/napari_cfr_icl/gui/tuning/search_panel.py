"""The part of the tuning dock that searches: what on, what for, how far it is, what it found."""

from __future__ import annotations

from pathlib import Path

import napari
from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_cfr_icl.evaluation.tuning.policies import describe
from napari_cfr_icl.gui.tuning.inspector_panel import USE_THIS
from napari_cfr_icl.gui.tuning.plots import FrontDrawing, FrontPlot
from napari_cfr_icl.gui.tuning.search_request import SearchWish, Standings
from napari_cfr_icl.gui.views.source_choice import SourceChoice
from napari_cfr_icl.gui.widgets.durations import time_left
from napari_cfr_icl.gui.widgets.named_action import NamedAction
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.gui.widgets.section import Section

BAR_STEPS = 1000
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
        self._standings: Standings | None = None
        self._chosen: int | None = None
        self._results: Path | None = None
        self.source = SourceChoice(viewer)
        self._build_options()
        self._build_progress()
        self.plot = FrontPlot(viewer)
        self.chosen = _wrapped()
        self.use = NamedAction(*USE_THIS)
        self._lay_out()
        self._connect()
        self.show_idle("")
        self.clear()

    def wish(self) -> SearchWish:
        """What the form says."""
        return SearchWish(
            self.goal.value() / 100,
            self.max_steps.value(),
            self.max_clicks.value(),
            self.pictures.value(),
            self.objects.value(),
            self.pixels.text(),
            self.fractions.text(),
            self.first_clicks.text(),
        )

    def clear(self) -> None:
        """Show no result."""
        self._standings = self._chosen = None
        self.plot.show_front(FrontDrawing())
        self._show_chosen()

    def show_running(self, text: str) -> None:
        """Show that it works, before any number is known."""
        self.start.setEnabled(False)
        self.cancel.setEnabled(True)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.report.hide()
        self.status.setText(text)

    def show_progress(self, fraction: float, seconds_left: float | None, objects: int) -> None:
        """Show how far it is."""
        self.bar.show_progress(round(BAR_STEPS * fraction), BAR_STEPS)
        parts = [f"{objects} object{'' if objects == 1 else 's'} clicked", time_left(seconds_left)]
        self.status.setText(", ".join(part for part in parts if part) + ".")

    def show_idle(self, text: str, results: Path | None = None) -> None:
        """Show that nothing runs, and why."""
        self.start.setEnabled(True)
        self.cancel.setEnabled(False)
        self.bar.hide()
        self.status.setText(text)
        self.report.setVisible(results is not None)
        self._results = results

    def show_standings(self, standings: Standings) -> None:
        """Draw what is known of the policies; the user's choice among them stays."""
        self._standings = standings
        self._show_chosen()

    def _build_options(self) -> None:
        self.goal = QDoubleSpinBox()
        self.goal.setRange(50, 99)
        self.goal.setDecimals(0)
        self.goal.setValue(90)
        self.goal.setSuffix(" % IoU")
        self.max_steps = _count(1, 20, 4)
        self.max_clicks = _count(1, 100, 20)
        self.pictures = _count(0, 10**6, 0, "all")
        self.objects = _count(0, 10**6, 0, "all")
        usual = SearchWish()
        self.pixels = QLineEdit(usual.pixels)
        self.fractions = QLineEdit(usual.fractions)
        self.first_clicks = QLineEdit(usual.first_clicks)

    def _build_progress(self) -> None:
        self.start = QPushButton("Search")
        self.cancel = QPushButton("Cancel")
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.status = _wrapped()
        self.report = QPushButton("Open the report")

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Click until", self.goal)
        form.addRow("Most pictures", self.pictures)
        form.addRow("Objects of each", self.objects)
        more = QWidget()
        extra = QFormLayout(more)
        extra.setContentsMargins(0, 0, 0, 0)
        extra.addRow("Most steps", self.max_steps)
        extra.addRow("Most clicks", self.max_clicks)
        extra.addRow("Thresholds, px", self.pixels)
        extra.addRow("… of the object", self.fractions)
        extra.addRow("Refined clicks", self.first_clicks)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(_wrapped(EXPLANATION))
        layout.addWidget(self.source)
        layout.addLayout(form)
        layout.addWidget(Section("More", more, opened=False))
        layout.addLayout(buttons)
        for widget in (self.bar, self.status, self.plot, self.chosen, self.use, self.report):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.start.clicked.connect(self.start_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.plot.policy_chosen.connect(self._on_policy_chosen)
        self.use.requested.connect(self._on_use)
        self.report.clicked.connect(self._on_report)

    def _on_policy_chosen(self, place: int) -> None:
        self._chosen = place
        self._show_chosen()

    def _on_use(self, name: str) -> None:
        if self._standings is not None:
            self.use_requested.emit(name, self._standings.policies[self._place(self._standings)])

    def _on_report(self) -> None:
        if self._results is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._results / "tune.md")))

    def _place(self, standings: Standings) -> int:
        return standings.recommended if self._chosen is None else self._chosen

    def _show_chosen(self) -> None:
        standings = self._standings
        self.use.setEnabled(standings is not None and bool(standings.objects))
        if standings is None or not standings.objects:
            self.chosen.setText("")
            return
        place = self._place(standings)
        goal = f"clicks to {self.goal.value():g} % overlap"
        self.plot.show_front(
            FrontDrawing(
                standings.passes,
                standings.clicks,
                standings.front,
                standings.current,
                standings.recommended,
                place,
                goal,
            )
        )
        title = "Recommended" if place == standings.recommended else "Chosen"
        today = standings.words(standings.current)
        self.chosen.setText(f"{title}: {standings.words(place)}. Today: {today}.")
        self.use.show_default(describe(standings.policies[place]))


def _count(low: int, high: int, value: int, zero: str = "") -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setValue(value)
    spin.setSpecialValueText(zero)
    return spin


def _wrapped(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
