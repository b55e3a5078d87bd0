"""Panel of the training dock: recipe, device and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QWidget

from napari_cfr_icl._options import with_values
from napari_cfr_icl.gui.training.options_form import OptionsForm
from napari_cfr_icl.gui.views.engine_panel import DEVICES
from napari_cfr_icl.gui.widgets.arrange import column, form
from napari_cfr_icl.gui.widgets.durations import duration
from napari_cfr_icl.gui.widgets.wrapped_label import WrappedLabel
from napari_cfr_icl.training import recipes
from napari_cfr_icl.training.options import TrainOptions


class SettingsPanel(QWidget):
    """Options of a run; `suggest_requested` is emitted when the user asks for a suggestion."""

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
        self.suggestion = WrappedLabel()
        choices = form({"Recipe": self.recipe, "Device": self.device})
        column(choices, self.form, self.suggest, self.suggestion, into=self)
        self.recipe.currentTextChanged.connect(self._on_recipe)
        self.suggest.clicked.connect(self.suggest_requested)
        # The time that was estimated is that of other settings then.
        self.form.changed.connect(self._on_changed)
        self.device.currentTextChanged.connect(self._on_changed)

    def options(self) -> TrainOptions:
        """The options as the form shows them; raises SettingsError where one is invalid."""
        return self.form.options()

    def show_suggesting(self) -> None:
        """Show that the machine is being measured."""
        self.suggest.setEnabled(False)
        self.suggestion.setText("Trying this machine for some seconds…")

    def show_suggestion(self, found: Mapping[str, Any]) -> None:
        """Fill in the suggested values, and show how long they take."""
        self.form.show_options(with_values(self.form.options(), found["values"]))
        schedule = found["values"]["schedule"]
        self.show_no_suggestion(
            f"{found['machine']}: {schedule['steps']} steps of {schedule['batch']} samples take "
            f"about {duration(found['seconds'])}."
        )

    def show_no_suggestion(self, text: str) -> None:
        """Show that nothing is being measured, and why."""
        self.suggest.setEnabled(True)
        self.suggestion.setText(text)

    def _on_changed(self) -> None:
        if self.suggest.isEnabled():
            self.suggestion.setText("")

    def _on_recipe(self, name: str) -> None:
        self.form.show_options(recipes.load_recipe(name))
