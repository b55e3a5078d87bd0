"""The panel for the propagation through a stack."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QPushButton, QSpinBox, QWidget

from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.widgets.arrange import column, form, grid, row
from napari_cfr_icl.gui.widgets.durations import time_left
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.session.propagation import Limits


class StackPanel(QWidget):
    """Previous and next plane, and filling planes up to a chosen one.

    Emits `step_requested` (int: -1 or 1), `fill_requested` (int: index of the last plane),
    `cancel_requested`, and `offered` (bool) when an image is a stack, or is none.
    """

    step_requested = Signal(int)
    fill_requested = Signal(int)
    cancel_requested = Signal()
    offered = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._build_steps()
        self._build_limits()
        self._build_progress()
        self._lay_out()
        self._connect()

    def _build_steps(self) -> None:
        self.previous = KeyButton("◂ Previous", "Take the object to the plane before.")
        self.next = KeyButton("Next ▸", "Take the object to the plane after.")
        self.last = QSpinBox()
        self.last.setToolTip("The plane to fill up to; before or after the one that is shown.")
        self.fill = KeyButton(
            "Fill",
            "Write the object on this plane and all planes up to the chosen one, or until it ends.",
        )

    def _build_limits(self) -> None:
        defaults = Limits()
        self.overlap = QDoubleSpinBox()
        self.overlap.setRange(0, 1)
        self.overlap.setSingleStep(0.05)
        self.overlap.setValue(defaults.least_overlap)
        self.overlap.setToolTip(
            "A fill stops where the masks of neighbouring planes overlap less "
            "(intersection over union)."
        )
        self.growth = QDoubleSpinBox()
        self.growth.setRange(1, 99)
        self.growth.setDecimals(1)
        self.growth.setSingleStep(0.5)
        self.growth.setValue(defaults.most_growth)
        self.growth.setPrefix("x ")
        self.growth.setToolTip("A fill stops where the area grows or shrinks by more than this.")

    def _build_progress(self) -> None:
        self.progress = ProgressBar()
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop filling; the planes that are done stay.")

    def _lay_out(self) -> None:
        until = row(QLabel("to plane"), self.last, stretch=1)
        steps = grid([[self.previous, self.next], [self.fill, until]])
        limits = form(
            {"Stop if overlap is below": self.overlap, "Stop if area changes by": self.growth}
        )
        self._running = row(self.progress, self.cancel, stretch=0)
        column(steps, limits, self._running, into=self)
        self._running.hide()

    def _connect(self) -> None:
        self.previous.clicked.connect(self._on_previous_clicked)
        self.next.clicked.connect(self._on_next_clicked)
        self.fill.clicked.connect(self._on_fill_clicked)
        self.cancel.clicked.connect(self.cancel_requested)

    @property
    def limits(self) -> Limits:
        """The limits at which a fill stops."""
        return Limits(self.overlap.value(), self.growth.value())

    def show_keys(self, keys: DockKeys) -> None:
        """Show the keys in force."""
        self.previous.show_key(keys.shown("previous_plane"))
        self.next.show_key(keys.shown("next_plane"))

    def show_planes(self, planes: int) -> None:
        """Offer the planes of a stack, the last one first; of 0 planes, offer nothing."""
        self.offered.emit(planes > 0)
        if planes and self.last.maximum() != planes - 1:
            self.last.setRange(0, planes - 1)
            self.last.setValue(planes - 1)

    def show_possible(self, *, current: bool) -> None:
        """Enable the buttons if there is a current object."""
        for button in (self.previous, self.next, self.fill):
            button.setEnabled(current)

    def show_filling(self, done: int, planes: int, seconds: float | None = None) -> None:
        """Show the progress of a fill and the time left; 0 planes for no fill."""
        parts = ["plane %v of %m", time_left(seconds)]
        self.progress.setFormat(", ".join(part for part in parts if part))
        self.progress.show_progress(done, max(1, planes))
        self._running.setVisible(planes > 0)

    def _on_previous_clicked(self) -> None:
        self.step_requested.emit(-1)

    def _on_next_clicked(self) -> None:
        self.step_requested.emit(1)

    def _on_fill_clicked(self) -> None:
        self.fill_requested.emit(self.last.value())
