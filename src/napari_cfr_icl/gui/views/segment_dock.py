"""The dock "Segment with clicks": its panels and how they are arranged."""

from __future__ import annotations

from napari.components import LayerList
from napari.layers import Image, Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cfr_icl.gui.layers.click_layer import is_objects
from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.views.engine_panel import EnginePanel
from napari_cfr_icl.gui.views.find_panel import FindPanel
from napari_cfr_icl.gui.views.folder_panel import FolderPanel
from napari_cfr_icl.gui.views.loop_panel import LoopPanel
from napari_cfr_icl.gui.views.object_panel import ObjectPanel
from napari_cfr_icl.gui.views.stack_panel import StackPanel
from napari_cfr_icl.gui.views.work_panel import OfferRow, WorkPanel
from napari_cfr_icl.gui.widgets.arrange import column, form, scrolling
from napari_cfr_icl.gui.widgets.busy_indicator import BusyIndicator
from napari_cfr_icl.gui.widgets.closable_dock import ClosableDock
from napari_cfr_icl.gui.widgets.inline_prompt import InlinePrompt
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.layer_combo import LayerCombo
from napari_cfr_icl.gui.widgets.name_label import NameLabel
from napari_cfr_icl.gui.widgets.section import Section
from napari_cfr_icl.session.preferences import Preferences

MOUSE = {
    "Left click": "on the object",
    "Right click": "on the background",
    "Ctrl + drag": "a box around the object",
    "Shift + drag": "along or around the object",
    "Alt + click, drag": "several objects at once",
    "Drag a click": "to move it; the mask follows",
    "Click a click": "and press Delete to remove it",
    "Drag, wheel": "to move and zoom the picture",
}


class SegmentDock(ClosableDock):
    """The view alone: its parts emit requests, and whoever holds it shows the state in it.

    Parameters
    ----------
    layers : napari.components.LayerList
        The layers to choose from.
    preferences : Preferences
        The choices to show.
    """

    def __init__(self, layers: LayerList, preferences: Preferences) -> None:
        super().__init__()
        self._build_status()
        self._build_layers(layers)
        self.object = ObjectPanel(preferences)
        self.finding = FindPanel()
        self.stack = StackPanel()
        self.loop = LoopPanel()
        self.offer = OfferRow()
        self.work = WorkPanel()
        self.folder = FolderPanel()
        self.engine = EnginePanel(preferences)
        self._lay_out()
        self.keys = DockKeys(self)
        self.keys.changed.connect(self._show_keys)
        self._show_keys()

    def _build_status(self) -> None:
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        # The longest hints have three lines: nothing below moves when another one comes.
        self.hint.setMinimumHeight(3 * self.hint.fontMetrics().lineSpacing() + 18)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        font = self.hint.font()
        font.setBold(True)
        self.hint.setFont(font)
        self.resume = KeyButton(
            "Back to clicking", "Choose the clicks layer again, and its tool for new points."
        )
        self.resume.hide()
        self.use_as_labels = KeyButton(
            "Use as labels", "Turn the image layer into a labels layer, and write objects into it."
        )
        self.use_as_labels.hide()
        self.use_shapes = KeyButton(
            "Use shapes",
            "Find an object in each selected rectangle, ellipse or polygon, or along a line.",
        )
        self.use_shapes.hide()
        self.busy = BusyIndicator()
        self.question = InlinePrompt()

    def _build_layers(self, layers: LayerList) -> None:
        self.image = LayerCombo(layers, _is_image)
        self.image.setToolTip("The image to segment.")
        self.labels = LayerCombo(layers, is_objects)
        self.labels.setToolTip("Where finished objects are written.")
        self.seen = NameLabel()
        self.seen.setToolTip("Hide a layer, or change its colour and contrast, to mix otherwise.")

    def _lay_out(self) -> None:
        self.stack_section = Section("Through the stack", self.stack, opened=True)
        self.stack.offered.connect(self.stack_section.setVisible)
        self.stack.titled.connect(self.stack_section.set_title)
        self.folder_section = Section("Folder of images", self.folder, opened=False)
        self.folder.placed.connect(self._on_folder_placed)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setSpacing(8)
        for widget in (
            self.hint,
            self.resume,
            self.use_as_labels,
            self.use_shapes,
            self.busy,
            self.question,
            self.offer,
            column(form({"Image": self.image, "Labels": self.labels}), self.seen),
            self.object,
            Section("Find the rest", self.finding, opened=True),
            self.stack_section,
            self.folder_section,
            Section("Save and export", self.work, opened=True),
            Section("Mouse", _mouse_help(), opened=True),
            Section("Model and method", self.engine, opened=False),
            Section("Refinement of the last click", self.loop, opened=False),
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        column(scrolling(inside), into=self)
        self.setMinimumWidth(300)

    def _show_keys(self) -> None:
        self.object.show_keys(self.keys)
        self.finding.show_keys(self.keys)
        self.stack.show_keys(self.keys)
        self.folder.show_keys(self.keys)

    def _on_folder_placed(self) -> None:
        self.folder_section.set_open(True)

    def show_hint(self, text: str) -> None:
        """Show a hint, with the keys in place of their names in braces."""
        self.hint.setText(self.stack.in_words(self.keys.in_words(text)))

    def show_busy(self, busy: bool) -> None:
        """Show whether a prediction is under way."""
        self.busy.show_busy(busy)


def _is_image(layer: Layer) -> bool:
    return isinstance(layer, Image)


def _mouse_help() -> QWidget:
    texts = {action: QLabel(effect) for action, effect in MOUSE.items()}
    for text in texts.values():
        text.setWordWrap(True)
    return form(texts)
