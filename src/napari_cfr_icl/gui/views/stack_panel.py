"""The panel for the propagation through a stack."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QPushButton, QSpinBox, QWidget

from napari_cfr_icl.gui.layers.stack_axes import StackAxis
from napari_cfr_icl.gui.views import messages
from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.widgets.arrange import column, form, grid, row
from napari_cfr_icl.gui.widgets.durations import time_left
from napari_cfr_icl.gui.widgets.inline_prompt import InlinePrompt
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.gui.widgets.section import Section
from napari_cfr_icl.session.propagation import Limits


class StackPanel(QWidget):
    """Previous and next plane, and filling planes both ways.

    Emits `step_requested` (int: -1 or 1), `fill_requested` (int, int: first and last plane),
    `axis_chosen` (int: an axis of the data), `split_requested` (int: that of the channels),
    `cancel_requested`, `offered` (bool) when an image is a stack, or is none, and `titled` (str).
    """

    step_requested = Signal(int)
    fill_requested = Signal(int, int)
    cancel_requested = Signal()
    axis_chosen = Signal(int)
    split_requested = Signal(int)
    offered = Signal(bool)
    titled = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._is_time = self._can_walk = False
        self._axes: list[StackAxis] = []
        self._channels: StackAxis | None = None
        self._build_axes()
        self._build_steps()
        self._build_limits()
        self._build_progress()
        self._lay_out()
        self._connect()

    def _build_axes(self) -> None:
        self.axis = QComboBox()
        self.axis.setToolTip("The axis that the keys and a fill go along.")
        self.split = KeyButton(
            "Split channels", "Make a layer of each channel, which the model sees together."
        )
        self.lost = InlinePrompt()

    def _build_steps(self) -> None:
        self.previous = KeyButton("◂ Previous", "Take the object to the one before.")
        self.next = KeyButton("Next ▸", "Take the object to the one after.")
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setToolTip("A fill goes down to this plane.")
        self.last.setToolTip("A fill goes up to this plane.")
        self.fill = KeyButton(
            "Fill",
            "Write the object here, and before and after until it ends.",
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
        self.contrast = QDoubleSpinBox()
        self.contrast.setRange(0, 1)
        self.contrast.setSingleStep(0.05)
        self.contrast.setValue(defaults.least_contrast)
        self.contrast.setToolTip(
            "Pixels count as faded, and the object ends, where its brightness over the background "
            "falls below this share of that on the plane it began on; 0 for never."
        )

    def _build_progress(self) -> None:
        self.progress = ProgressBar()
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop filling; the planes that are done stay.")

    def _lay_out(self) -> None:
        for end in (self.first, self.last):
            # Two with buttons are wider than the dock.
            end.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        planes = row(QLabel("from"), self.first, QLabel("to"), self.last)
        steps = grid([[self.previous, self.next], [self.fill], [planes]])
        limits = form(
            {
                "Stop if overlap is below": self.overlap,
                "Stop if area changes by": self.growth,
                "Stop if contrast is below": self.contrast,
            }
        )
        self._running = row(self.progress, self.cancel, stretch=0)
        self._choice = form({"Go through": self.axis})
        more = Section("When a fill stops", limits, opened=False)
        column(self._choice, self.split, self.lost, steps, self._running, more, into=self)
        self._running.hide()

    def _connect(self) -> None:
        self.axis.activated.connect(self._on_axis_activated)
        self.split.clicked.connect(self._on_split_clicked)
        self.previous.clicked.connect(self._on_previous_clicked)
        self.next.clicked.connect(self._on_next_clicked)
        self.fill.clicked.connect(self._on_fill_clicked)
        self.cancel.clicked.connect(self.cancel_requested)

    @property
    def limits(self) -> Limits:
        """The limits at which a fill stops."""
        return Limits(self.overlap.value(), self.growth.value(), self.contrast.value())

    def show_keys(self, keys: DockKeys) -> None:
        """Show the keys in force."""
        self.previous.show_key(keys.shown("previous_plane"))
        self.next.show_key(keys.shown("next_plane"))
        self.fill.show_key(keys.shown("fill_planes"))

    def show_axes(
        self, axes: list[StackAxis], chosen: StackAxis | None, channels: StackAxis | None
    ) -> None:
        """Offer the axes of a stack, all planes of the chosen one, and to split the channels."""
        self.offered.emit(bool(axes))
        self._is_time = False
        self._can_walk = chosen is not None
        self._channels = channels
        self.split.setVisible(channels is not None and channels is not chosen)
        self._choice.setVisible(len(axes) > 1)
        if axes != self._axes:
            self._axes = axes
            self.axis.clear()
            self.axis.addItems([axis.title for axis in axes])
        if chosen is not None:
            self.axis.setCurrentIndex(axes.index(chosen))
            self._show_chosen(chosen)

    def _show_chosen(self, chosen: StackAxis) -> None:
        self._is_time, planes = chosen.is_time, chosen.planes
        self.titled.emit("Through time" if chosen.is_time else "Through the stack")
        if planes and self.last.maximum() != planes - 1:
            for end, plane in ((self.first, 0), (self.last, planes - 1)):
                end.setRange(0, planes - 1)
                end.setValue(plane)

    def show_possible(self, *, current: bool) -> None:
        """Enable the buttons if there is a current object, and an axis to take it along."""
        for button in (self.previous, self.next, self.fill):
            button.setEnabled(current and self._can_walk)

    def show_filling(self, done: int, planes: int, seconds: float | None = None) -> None:
        """Show the progress of a fill and the time left; 0 planes for no fill."""
        parts = [self.in_words("plane %v of %m"), time_left(seconds)]
        self.progress.setFormat(", ".join(part for part in parts if part))
        self.progress.show_progress(done, max(1, planes))
        self._running.setVisible(planes > 0)

    def in_words(self, sentence: str) -> str:
        """A sentence about planes, in the words of a time series where they are one."""
        return messages.in_time(sentence) if self._is_time else sentence

    def _on_axis_activated(self, index: int) -> None:
        self.axis_chosen.emit(self._axes[index].axis)

    def _on_split_clicked(self) -> None:
        if self._channels is not None:
            self.split_requested.emit(self._channels.axis)

    def _on_previous_clicked(self) -> None:
        self.step_requested.emit(-1)

    def _on_next_clicked(self) -> None:
        self.step_requested.emit(1)

    def _on_fill_clicked(self) -> None:
        self.fill_requested.emit(self.first.value(), self.last.value())
