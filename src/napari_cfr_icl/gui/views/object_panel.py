"""The panel for the current object: its buttons and the threshold of its mask."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QSlider, QWidget
from superqt.utils import signals_blocked

from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.widgets.arrange import column, grid, row
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.session.preferences import Preferences

SLIDER_STEPS = 100
THRESHOLD = "How probable a pixel must be to belong to the object. Takes effect at once."
NO_THRESHOLD = "This object was drawn before: it has probabilities after the first click on it."


class ObjectPanel(QWidget):
    """Buttons for the current object, and the threshold of its mask.

    Emits `undo_requested`, `redo_requested`, `write_requested`, `drop_requested`,
    `split_requested`, `delete_requested`,
    `grab_requested` (bool: is the next click to grab an object), `sign_requested` (bool: is the
    next click on the object), `hide_requested` (bool), `threshold_changed` (float, 0 to 1) and
    `protect_changed` (bool).
    """

    grab_requested = Signal(bool)
    undo_requested = Signal()
    redo_requested = Signal()
    write_requested = Signal()
    drop_requested = Signal()
    split_requested = Signal()
    delete_requested = Signal()
    sign_requested = Signal(bool)
    hide_requested = Signal(bool)
    threshold_changed = Signal(float)
    protect_changed = Signal(bool)

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self._build_buttons()
        self._build_threshold()
        self.protect = QCheckBox("Protect other objects")
        self.protect.setChecked(preferences.protect)
        self.protect.setToolTip("Writing an object leaves the pixels of the others as they are.")
        self._lay_out()
        self._connect()

    def _build_buttons(self) -> None:
        self.write = KeyButton(
            "Write and next", "Write the object into the labels layer, begin another."
        )
        self.undo = KeyButton(
            "Undo", "Take the last step back: a click, a written or dropped object."
        )
        self.redo = KeyButton("Redo", "Do the undone step again.")
        self.drop = KeyButton("Drop", "Forget this object.")
        self.grab_object = KeyButton(
            "Grab",
            "Correct an object that exists: the key over it, or this and a click on it. "
            "With Shift the key joins another object to it.",
        )
        self.grab_object.setCheckable(True)
        self.split = KeyButton(
            "Split",
            "Cut the grabbed object: a part for each click on it, the first keeps its id.",
        )
        self.delete = KeyButton(
            "Delete", "Delete the grabbed object from its labels; the key also one under the mouse."
        )
        self.sign = KeyButton("Background next", "The next left click marks background.")
        self.sign.setCheckable(True)
        self.hide_mask = KeyButton("Hide", "Hide the mask; the key hides it while it is held.")
        self.hide_mask.setCheckable(True)

    def _build_threshold(self) -> None:
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(1, SLIDER_STEPS - 1)
        self.threshold.setValue(SLIDER_STEPS // 2)
        self.threshold_text = QLabel("0.50")

    def _lay_out(self) -> None:
        buttons = grid(
            [
                [self.write],
                [self.undo, self.redo],
                [self.drop, self.grab_object],
                [self.split, self.delete],
                [self.sign, self.hide_mask],
            ]
        )
        slider = row(QLabel("Threshold"), self.threshold, self.threshold_text)
        column(buttons, slider, self.protect, into=self)

    def _connect(self) -> None:
        self.write.clicked.connect(self.write_requested)
        self.undo.clicked.connect(self.undo_requested)
        self.redo.clicked.connect(self.redo_requested)
        self.drop.clicked.connect(self.drop_requested)
        self.grab_object.toggled.connect(self.grab_requested)
        self.split.clicked.connect(self.split_requested)
        self.delete.clicked.connect(self.delete_requested)
        self.sign.toggled.connect(self._on_sign_toggled)
        self.hide_mask.toggled.connect(self.hide_requested)
        self.threshold.valueChanged.connect(self._on_threshold_moved)
        self.protect.toggled.connect(self.protect_changed)

    def show_keys(self, keys: DockKeys) -> None:
        """Show the keys in force."""
        self.write.show_key(keys.shown("write"))
        self.undo.show_key(keys.shown("undo"))
        self.redo.show_key(keys.shown("redo"))
        self.drop.show_key(keys.shown("drop"))
        self.grab_object.show_key(keys.shown("grab"))
        self.split.show_key(keys.shown("split"))
        self.delete.show_key(keys.shown("delete"))
        self.sign.show_key(keys.shown("next_sign"))
        self.hide_mask.show_key(keys.shown("hide"))

    def show_possible(
        self, *, undo: bool, redo: bool, current: bool, grabbed: bool, threshold: bool
    ) -> None:
        """Enable the actions that are possible, and the threshold if the mask has one."""
        self.split.setEnabled(grabbed)
        self.delete.setEnabled(grabbed)
        self.threshold.setEnabled(threshold)
        self.threshold.setToolTip(THRESHOLD if threshold else NO_THRESHOLD)
        self.undo.setEnabled(undo)
        self.redo.setEnabled(redo)
        self.write.setEnabled(current)
        self.drop.setEnabled(current)

    def show_grabbing(self, grabbing: bool) -> None:
        """Show whether the next click picks an object."""
        with signals_blocked(self.grab_object):
            self.grab_object.setChecked(grabbing)

    def show_sign(self, positive: bool) -> None:
        """Show the sign of the next click."""
        with signals_blocked(self.sign):
            self.sign.setChecked(not positive)

    def _on_sign_toggled(self, checked: bool) -> None:
        self.sign_requested.emit(not checked)

    def _on_threshold_moved(self, value: int) -> None:
        self.threshold_text.setText(f"{value / SLIDER_STEPS:.2f}")
        self.threshold_changed.emit(value / SLIDER_STEPS)
