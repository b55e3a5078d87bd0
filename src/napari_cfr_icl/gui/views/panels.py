"""The parts of the dock: each shows something and tells what the user asks for, no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._paths import (
    MODELS_VARIABLE,
    choose_models_folder,
    models_folder,
    variable_names_models_folder,
)
from napari_cfr_icl.engine.settings import PRESETS
from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.views.messages import last_change, outcome
from napari_cfr_icl.gui.views.model_fetch import ModelFetch
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.trace_view import TraceView
from napari_cfr_icl.session.preferences import Preferences
from napari_cfr_icl.session.presets import load_presets
from napari_cfr_icl.session.protocols import Answer
from napari_cfr_icl.session.speeds import Speeds
from napari_cfr_icl.zoo.listing import available

INFERENCES = {
    "": "as the preset says",
    "std": "none (one pass)",
    "cfr-1": "CFR-1",
    "cfr-4": "CFR-4",
    "a-cfr-4": "A-CFR-4 (adaptive)",
}
DEVICES = ("auto", "cpu", "cuda", "mps")
OTHER_FILE = "From a file…"
OTHER_FOLDER, ELSEWHERE = "Keep models in…", "\0elsewhere"
"""Text and value of the item that chooses the folder; no model can have that name."""
SLIDER_STEPS = 100


class ObjectPanel(QWidget):
    """Buttons for the current object, and how sure a pixel has to be.

    Emits `undo_requested`, `redo_requested`, `write_requested`, `drop_requested`,
    `grab_requested` (bool: is the next click to grab an object), `sign_requested` (bool: is the
    next click on the object), `hide_requested` (bool), `threshold_changed` (float, 0 to 1) and
    `protect_changed` (bool).
    """

    grab_requested = Signal(bool)
    undo_requested = Signal()
    redo_requested = Signal()
    write_requested = Signal()
    drop_requested = Signal()
    sign_requested = Signal(bool)
    hide_requested = Signal(bool)
    threshold_changed = Signal(float)
    protect_changed = Signal(bool)

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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
            "Grab", "Correct an object that exists: the key over it, or this and a click on it."
        )
        self.grab_object.setCheckable(True)
        self.sign = KeyButton("Background next", "The next left click marks background.")
        self.sign.setCheckable(True)
        self.hide_mask = KeyButton("Hide", "Hide the mask; the key hides it while it is held.")
        self.hide_mask.setCheckable(True)

    def _build_threshold(self) -> None:
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(1, SLIDER_STEPS - 1)
        self.threshold.setValue(SLIDER_STEPS // 2)
        self.threshold.setToolTip(
            "How probable a pixel must be to belong to the object. Takes effect at once."
        )
        self.threshold_text = QLabel("0.50")

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.write, 0, 0, 1, 2)
        grid.addWidget(self.undo, 1, 0)
        grid.addWidget(self.redo, 1, 1)
        grid.addWidget(self.drop, 2, 0)
        grid.addWidget(self.grab_object, 2, 1)
        grid.addWidget(self.sign, 3, 0)
        grid.addWidget(self.hide_mask, 3, 1)
        slider = QHBoxLayout()
        slider.addWidget(QLabel("Threshold"))
        slider.addWidget(self.threshold)
        slider.addWidget(self.threshold_text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addLayout(slider)
        layout.addWidget(self.protect)

    def _connect(self) -> None:
        self.write.clicked.connect(self.write_requested)
        self.undo.clicked.connect(self.undo_requested)
        self.redo.clicked.connect(self.redo_requested)
        self.drop.clicked.connect(self.drop_requested)
        self.grab_object.toggled.connect(self.grab_requested)
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
        self.sign.show_key(keys.shown("next_sign"))
        self.hide_mask.show_key(keys.shown("hide"))

    def show_possible(self, *, undo: bool, redo: bool, current: bool) -> None:
        """Enable what can be done now."""
        self.undo.setEnabled(undo)
        self.redo.setEnabled(redo)
        self.write.setEnabled(current)
        self.drop.setEnabled(current)

    def show_grabbing(self, grabbing: bool) -> None:
        """Show whether the next click grabs an object."""
        with signals_blocked(self.grab_object):
            self.grab_object.setChecked(grabbing)

    def show_sign(self, positive: bool) -> None:
        """Show which sign the next click has."""
        with signals_blocked(self.sign):
            self.sign.setChecked(not positive)

    def _on_sign_toggled(self, checked: bool) -> None:
        self.sign_requested.emit(not checked)

    def _on_threshold_moved(self, value: int) -> None:
        self.threshold_text.setText(f"{value / SLIDER_STEPS:.2f}")
        self.threshold_changed.emit(value / SLIDER_STEPS)


class LoopPanel(QWidget):
    """What the inner loop of the last click did."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.outcome = QLabel()
        self.change = QLabel()
        self.trace = TraceView()
        for label in (self.outcome, self.change):
            label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.trace)
        layout.addWidget(self.outcome)
        layout.addWidget(self.change)
        self.show_answer(None)

    def show_answer(self, answer: Answer | None) -> None:
        """Show the passes of this answer, or none."""
        self.trace.show_steps(answer.trace if answer is not None else ())
        self.outcome.setText(outcome(answer) if answer is not None else "")
        self.change.setText(last_change(answer.trace) if answer is not None else "")
        self.outcome.setVisible(answer is not None)
        self.change.setVisible(bool(self.change.text()))


class EnginePanel(QWidget):
    """The menus that decide the predictor.

    `chosen` is emitted with the user's `Preferences` whenever a menu was used, `troubled` with an
    Exception.
    """

    chosen = Signal(object)
    troubled = Signal(object)

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._speeds = Speeds()
        self._build()
        self._show()
        self._connect()

    def note_pass(self, seconds: float) -> None:
        """Learn how quick the model in use is on this machine."""
        if self._speeds.note(self._preferences.model, self._preferences.device, seconds):
            self._describe()

    def _build(self) -> None:
        self.model = _menu()
        self.inference = _menu(INFERENCES)
        self.every_click = QCheckBox("Refine every click")
        self.every_click.setToolTip(
            "Otherwise only the clicks that the preset says, which may be the first one alone."
        )
        self.preset = _menu()
        self.device = _menu({name: name for name in DEVICES})
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.fetch = ModelFetch()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.model)
        form.addRow(self.about)
        form.addRow(self.fetch)
        form.addRow("Refinement", self.inference)
        form.addRow("", self.every_click)
        form.addRow("Preset", self.preset)
        form.addRow("Device", self.device)

    def _connect(self) -> None:
        self.model.activated.connect(self._on_model_activated)
        self.fetch.fetched.connect(self._on_fetched)
        self.fetch.troubled.connect(self.troubled)
        self.inference.activated.connect(self._on_menu_activated)
        self.preset.activated.connect(self._on_menu_activated)
        self.device.activated.connect(self._on_menu_activated)
        self.every_click.clicked.connect(self._on_menu_activated)

    @property
    def preferences(self) -> Preferences:
        """The choices that are shown."""
        return self._preferences

    def show_preferences(self, preferences: Preferences) -> None:
        """Show other choices; tells nobody."""
        self._preferences = preferences
        self._show()

    def _show(self) -> None:
        chosen = self._preferences
        self._show_models()
        self.preset.clear()
        for name in (*PRESETS, *load_presets()):
            self.preset.addItem(name, name)
        for menu, value in (
            (self.model, chosen.model),
            (self.inference, chosen.inference),
            (self.preset, chosen.preset),
            (self.device, chosen.device),
        ):
            menu.setCurrentIndex(max(0, menu.findData(value)))
        self.every_click.setChecked(chosen.every_click)
        self._describe()

    def _show_models(self) -> None:
        """Fill the menu: what is on this machine first, what would have to be fetched last."""
        self._models = {status.name: status for status in available()}
        here = [status for status in self._models.values() if status.path is not None]
        chosen = self._preferences.model
        self.model.clear()
        for status in here:
            self.model.addItem(status.title, status.name)
        if chosen not in self._models:
            self.model.addItem(chosen.replace("\\", "/").rsplit("/", 1)[-1], chosen)
        self.model.addItem(OTHER_FILE, None)
        self.model.addItem(OTHER_FOLDER, ELSEWHERE)
        self.model.insertSeparator(self.model.count())
        for status in self._models.values():
            if status.path is None:
                self.model.addItem(f"{status.title}, {status.state.value}", status.name)

    def _describe(self) -> None:
        status = self._models.get(self._preferences.model)
        self.fetch.offer(None if status is None or status.path is not None else status)
        self.about.setText(self._facts(self._preferences.model))
        # A name may be longer than the menu is wide, and a path longer than the dock.
        self.model.setToolTip(self.model.currentText() if status else self._preferences.model)
        more = self._preferences.model if status is None else f"{status.notes}\n{status.source}"
        self.about.setToolTip(more.strip())
        for index in range(self.model.count()):
            name = self.model.itemData(index)
            if name not in (None, ELSEWHERE):
                self.model.setItemData(index, self._facts(name), Qt.ItemDataRole.ToolTipRole)

    def _facts(self, name: str) -> str:
        """What helps to choose a model: what it learned from, its terms, its size, its speed."""
        status, facts = self._models.get(name), ["A model from a file."]
        if status is not None:
            facts = [f"Trained on {status.trained_on}."] if status.trained_on else []
            facts.append(f"Licence: {status.licence or 'unknown'}.")
            facts.extend([f"{status.size / 1e6:.0f} MB."] if status.size else [])
        speed = self._speeds.of(name, self._preferences.device)
        if speed is not None:
            facts.append(f"About {speed:.0f} ms a pass on this machine.")
        return " ".join(facts)

    def _on_fetched(self, name: str) -> None:
        self._preferences = replace(self._preferences, model=name)
        self._show()
        self.chosen.emit(self._preferences)

    def _choose_folder(self) -> None:
        """Ask where models are to be kept; the one in use stays in use."""
        here = str(models_folder())
        chosen = QFileDialog.getExistingDirectory(self, "Keep models in", here)
        if chosen:
            try:
                choose_models_folder(Path(chosen))
            except OSError as error:
                self.troubled.emit(OutputError(f"The choice cannot be kept: {error}."))
            else:
                if variable_names_models_folder():
                    show_info(f"{MODELS_VARIABLE} is set and comes first: {models_folder()}")
        self._show()

    def _on_model_activated(self) -> None:
        if self.model.currentData() == ELSEWHERE:
            self._choose_folder()
            return
        status = self._models.get(self.model.currentData() or "")
        if status is not None and status.path is None:
            # The model in use stays in use until this one is here.
            self._show()
            self.fetch.offer(status)
            return
        if self.model.currentData() is None:
            file, _ = QFileDialog.getOpenFileName(
                self, "Choose a model", "", "Checkpoints (*.safetensors *.pth *.pt);;All files (*)"
            )
            if not file:
                self._show()
                return
            self._preferences = replace(self._preferences, model=file)
            self._show()
        self._on_menu_activated()

    def _on_menu_activated(self) -> None:
        self._preferences = replace(
            self._preferences,
            model=self.model.currentData(),
            inference=self.inference.currentData(),
            every_click=self.every_click.isChecked(),
            preset=self.preset.currentData(),
            device=self.device.currentData(),
        )
        self._describe()
        self.chosen.emit(self._preferences)


class Menu(QComboBox):
    """A menu as narrow as the dock, whose list is as wide as its longest text."""

    def showPopup(self) -> None:
        """Open the list."""
        view: Any = self.view()
        bar = view.verticalScrollBar().sizeHint().width()
        view.setMinimumWidth(view.sizeHintForColumn(0) + bar)
        super().showPopup()


def _menu(items: dict[str, str] | None = None) -> QComboBox:
    menu = Menu()
    menu.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    menu.setMinimumContentsLength(10)
    menu.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    for value, text in (items or {}).items():
        menu.addItem(text, value)
    return menu
