"""The part of the training dock that says how to train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cfr_icl._options import with_values
from napari_cfr_icl.gui.training.options_form import OptionsForm
from napari_cfr_icl.gui.views.panels import DEVICES
from napari_cfr_icl.gui.widgets.durations import duration
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.options import TrainOptions


class SettingsPanel(QWidget):
    """Shows the options of a recipe; `suggest_requested` is emitted when the user asks for some."""

    suggest_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.recipe = QComboBox()
        self.recipe.addItems(list(recipes.BUILT_IN))
        self.recipe.setToolTip("finetune: for 10 to 500 pictures; paper: the paper's settings.")
        self.device = QComboBox()
        self.device.addItems(DEVICES)
        self.form = OptionsForm(recipes.load_recipe("finetune"))
        self.suggest = QPushButton("Suggest")
        self.suggest.setToolTip("Try the network on this machine for some seconds.")
        self.suggestion = QLabel()
        self.suggestion.setWordWrap(True)
        rows = QFormLayout()
        rows.addRow("Recipe", self.recipe)
        rows.addRow("Device", self.device)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.form)
        layout.addWidget(self.suggest)
        layout.addWidget(self.suggestion)
        self.recipe.currentTextChanged.connect(self._on_recipe)
        self.suggest.clicked.connect(self.suggest_requested)

    def options(self) -> TrainOptions:
        """What the form says; raises SettingsError where it cannot be."""
        return self.form.options()

    def show_suggesting(self) -> None:
        """Show that the machine is tried."""
        self.suggest.setEnabled(False)
        self.suggestion.setText("Trying this machine for some seconds…")

    def show_suggestion(self, found: Mapping[str, Any]) -> None:
        """Fill in what was suggested, and say how long it takes."""
        self.form.show_options(with_values(self.form.options(), found["values"]))
        schedule = found["values"]["schedule"]
        self.show_no_suggestion(
            f"{found['machine']}: {schedule['steps']} steps of {schedule['batch']} samples take "
            f"about {duration(found['seconds'])}."
        )

    def show_no_suggestion(self, text: str) -> None:
        """Show that nothing is tried, and why."""
        self.suggest.setEnabled(True)
        self.suggestion.setText(text)

    def _on_recipe(self, name: str) -> None:
        self.form.show_options(recipes.load_recipe(name))
