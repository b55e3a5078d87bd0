"""Panel of the tuning dock: one click's inner loop, and a policy to try on it."""

from __future__ import annotations

from dataclasses import replace

import napari
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cfr_icl.engine.settings import Refinement
from napari_cfr_icl.evaluation.tuning.policies import describe
from napari_cfr_icl.gui.tuning.inspection import Inspection, in_words
from napari_cfr_icl.gui.tuning.plots import LoopPlot
from napari_cfr_icl.gui.widgets.named_action import NamedAction
from napari_cfr_icl.gui.widgets.wrapped_label import WrappedLabel

STEPS_SHOWN = 8
"""Steps of the inner loop that are run to be looked at."""

USE_THIS = (
    "Use this",
    "Name in the menu of presets.",
    "Segment with this setting, and keep it as a preset of this name.",
)
NAMES_EXPLAINED = (
    "CFR-4: four refinement steps after a click, each a further pass of the network over its own "
    "mask. A-CFR-4: four at most, ended when a step changes less than the threshold. “Checked”: a "
    "step that contradicts a click is refused."
)
PIXELS, SHARE = "px", "% of it"
NOTHING = "Click an object with “Segment with clicks”; the refinement of its mask appears here."


class InspectorPanel(QWidget):
    """Shows an `Inspection` and lets the user try policies on it.

    Emits `step_chosen` (int) when a mask should be shown, `use_requested` (name, Refinement), and
    `visibility_changed` (bool).
    """

    step_chosen = Signal(int)
    use_requested = Signal(str, object)
    visibility_changed = Signal(bool)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._inspection: Inspection | None = None
        self._current = Refinement()
        self.plot = LoopPlot(viewer)
        self._build_scrubber()
        self._build_policy()
        self.outcome = WrappedLabel()
        self.outcome.setToolTip(NAMES_EXPLAINED)
        # Without it a third line is cut off until the dock is laid out anew.
        self.outcome.setMinimumHeight(3 * self.outcome.fontMetrics().lineSpacing() + 6)
        self.use = NamedAction(*USE_THIS)
        self._lay_out()
        self._connect()
        self.show_inspection(None)

    @property
    def policy(self) -> Refinement:
        """The policy as the form shows it."""
        value = self.threshold.value()
        in_pixels = self.unit.currentText() == PIXELS
        return replace(
            self._current,
            steps=self.steps.value(),
            adaptive=value > 0,
            threshold_pixels=round(value) if in_pixels else 0,
            threshold_fraction=0.0 if in_pixels else value / 100,
            first_clicks=self.first.value() or None,
            guard=self.guard.isChecked(),
        )

    def show_current(self, policy: Refinement) -> None:
        """Show the policy in use as the one to try."""
        self._current = policy
        with signals_blocked(self.steps), signals_blocked(self.first), signals_blocked(self.guard):
            self.steps.setValue(policy.steps)
            self.first.setValue(policy.first_clicks or 0)
            self.guard.setChecked(policy.guard)
        in_share = policy.adaptive and policy.threshold_fraction > 0
        self._set_unit(SHARE if in_share else PIXELS)
        pixels = policy.threshold_pixels if policy.adaptive else 0
        self._set_threshold(100 * policy.threshold_fraction if in_share else pixels)
        self._show()

    def show_inspection(self, inspection: Inspection | None) -> None:
        """Show the steps so far of an inner loop, or none."""
        before, self._inspection = self._inspection, inspection
        steps = 0 if inspection is None else inspection.steps
        with signals_blocked(self.scrubber):
            self.scrubber.setRange(0, steps)
        self.scrubber.setEnabled(steps > 0)
        if inspection is not None and (before is None or inspection.state is not before.state):
            self.scrubber.setValue(0)
        self._show()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that it is visible."""
        super().showEvent(event)
        self.visibility_changed.emit(self.isVisible())

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Tell that it is hidden, unless the whole window was minimized."""
        super().hideEvent(event)
        self.visibility_changed.emit(self.isVisible())

    def _build_scrubber(self) -> None:
        self.scrubber = QSlider(Qt.Orientation.Horizontal)
        self.scrubber.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.scrubber.setPageStep(1)
        self.scrubber.setToolTip("The mask of this step, orange on the picture.")
        self.step_text = WrappedLabel()

    def _build_policy(self) -> None:
        self.steps = QSpinBox()
        self.steps.setRange(0, STEPS_SHOWN)
        self.steps.setToolTip("Most refinement steps after a click; 0 refines nothing.")
        self.first = QSpinBox()
        self.first.setRange(0, 99)
        self.first.setSpecialValueText("every click")
        self.first.setToolTip("Refine so many clicks of an object; 0 refines every one.")
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0, 1e7)
        self.threshold.setToolTip("Refinement stops when a step changes less than this; 0: never.")
        self.unit = QComboBox()
        self.unit.addItems([PIXELS, SHARE])
        self.unit.setToolTip("Pixels, or a share of the object's area.")
        self.guard = QCheckBox("Refuse a step that contradicts a click")
        self.guard.setToolTip("“Checked” in the name of a setting.")

    def _lay_out(self) -> None:
        threshold = QHBoxLayout()
        threshold.addWidget(self.threshold, 1)
        threshold.addWidget(self.unit, 1)
        form = QFormLayout()
        form.addRow("Steps", self.steps)
        form.addRow("Refined clicks", self.first)
        form.addRow("Stop below", threshold)
        form.addRow(self.guard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.step_text)
        layout.addWidget(self.scrubber)
        layout.addWidget(self.plot)
        layout.addWidget(self.outcome)
        layout.addLayout(form)
        layout.addWidget(self.use)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.scrubber.valueChanged.connect(self._on_scrubbed)
        self.plot.step_chosen.connect(self.scrubber.setValue)
        self.plot.threshold_dragged.connect(self._on_dragged)
        self.steps.valueChanged.connect(self._show)
        self.first.valueChanged.connect(self._show)
        self.threshold.valueChanged.connect(self._show)
        self.unit.currentTextChanged.connect(self._on_unit_chosen)
        self.guard.toggled.connect(self._show)
        self.use.requested.connect(self._on_use)

    def _on_scrubbed(self, step: int) -> None:
        self._show()
        self.step_chosen.emit(step)

    def _on_dragged(self, pixels: float) -> None:
        self._set_threshold(pixels if self.unit.currentText() == PIXELS else self._share(pixels))
        self._show()

    def _on_unit_chosen(self, unit: str) -> None:
        """Convert the threshold into the other unit."""
        value = self.threshold.value()
        pixels = value if unit == SHARE else value / 100 * self._area()
        self._set_unit(unit)
        self._set_threshold(self._share(pixels) if unit == SHARE else pixels)
        self._show()

    def _on_use(self, name: str) -> None:
        self.use_requested.emit(name, self.policy)

    def _share(self, pixels: float) -> float:
        """Pixels as percent of the object."""
        return 100 * pixels / max(1, self._area())

    def _area(self) -> int:
        inspection = self._inspection
        return inspection.area(-1) if inspection is not None and inspection.answers else 0

    def _set_unit(self, unit: str) -> None:
        self.threshold.setDecimals(0 if unit == PIXELS else 3)
        self.threshold.setSingleStep(1 if unit == PIXELS else 0.05)
        with signals_blocked(self.unit):
            self.unit.setCurrentText(unit)

    def _set_threshold(self, value: float) -> None:
        with signals_blocked(self.threshold):
            self.threshold.setValue(value)

    def _show(self) -> None:
        inspection, policy = self._inspection, self.policy
        self.use.show_default(describe(policy))
        if inspection is None or not inspection.answers:
            self.step_text.setText(NOTHING)
            self.outcome.setText("")
            self.plot.show_loop(None, policy)
            return
        step = min(self.scrubber.value(), inspection.steps)
        which = f"after refinement step {step}" if step else "before refinement"
        self.step_text.setText(f"Mask {which}: {inspection.area(step)} px")
        stopping, current = inspection.stop(policy), inspection.stop(self._current)
        text = in_words(stopping)
        if policy != self._current:
            text += f" Today's setting: {current.steps + 1} pass{'es' if current.steps else ''}."
        self.outcome.setText(text)
        self.plot.show_loop(inspection, policy, step)
