"""Training options as a form: the few important ones in sight, all others by searching."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QWidget

from napari_cfr_icl._options import with_values
from napari_cfr_icl.gui.widgets.arrange import column, form
from napari_cfr_icl.gui.widgets.option_field import as_option, as_shown, option_field
from napari_cfr_icl.gui.widgets.wrapped_label import WrappedLabel
from napari_cfr_icl.training.options import TrainOptions
from napari_cfr_icl.zoo.catalog import CATALOGUE
from napari_cfr_icl.zoo.store import ModelStore

BASIC = {
    "base": "Begin with",
    "schedule.steps": "Steps",
    "schedule.batch": "Samples at a step",
    "data.side": "Side of a sample",
    "optimizer.rate": "Learning rate",
    "icl.enabled": "Iterative click loss",
}
"""Options in sight, by their full names, and their labels."""

MOST_FOUND = 8
"""Options that a search shows at once."""


class ModelCombo(QComboBox):
    """Menu of models, where the path of a file can be typed too."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditable(True)
        self.setMinimumContentsLength(12)
        self.addItems(dict.fromkeys([*CATALOGUE, *ModelStore().own_names()]))

    @property
    def value(self) -> str:
        """Name or path."""
        return self.currentText()

    @value.setter
    def value(self, name: str) -> None:
        self.setCurrentText(name)


class OptionsForm(QWidget):
    """Form made from the declaration of the options: a new option needs no other line here.

    `changed` is emitted whenever a value is changed, by whomever.
    """

    changed = Signal()

    def __init__(self, options: TrainOptions) -> None:
        super().__init__()
        self._options = options
        self.fields: dict[str, ValueWidget[Any] | ModelCombo] = {}
        self._rest: dict[str, tuple[QWidget, str]] = {}
        basic: dict[str, QWidget] = {}
        for name, metadata, value in _declared(options):
            field = self._add_field(name, metadata, value)
            if name in BASIC:
                basic[BASIC[name]] = field
            else:
                says = metadata["help"]
                row_of = column(WrappedLabel(f"{says[0].upper()}{says[1:]}"), field)
                self._rest[name] = row_of, f"{name.replace('_', ' ')} {says}".lower()
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find another option: brightness, paste, patience…")
        self.search.setClearButtonEnabled(True)
        self.found = QLabel()
        rows = (row_of for row_of, _ in self._rest.values())
        column(form(basic), self.search, *rows, self.found, into=self)
        self.search.textChanged.connect(self._on_search)
        self._on_search("")
        self.show_options(options)

    def options(self) -> TrainOptions:
        """The options as the form shows them.

        Raises
        ------
        SettingsError
            When a value is invalid; its sentence names the option.
        """
        values: dict[str, Any] = {}
        for name, _, old in _declared(self._options):
            section, _, short = name.rpartition(".")
            place = values.setdefault(section, {}) if section else values
            place[short] = as_option(self.fields[name].value, old)
        return with_values(self._options, values)

    def show_options(self, options: TrainOptions) -> None:
        """Show other options."""
        self._options = options
        for name, _, value in _declared(options):
            self.fields[name].value = as_shown(value)

    def _on_search(self, text: str) -> None:
        """Show the options whose name or explanation has all the words."""
        words = text.lower().replace("_", " ").split()
        found = [
            name
            for name, (_, about) in self._rest.items()
            if words and all(w in about for w in words)
        ]
        for name, (row_of, _) in self._rest.items():
            row_of.setVisible(name in found[:MOST_FOUND])
        more = len(found) - MOST_FOUND
        self.found.setText(f"{more} more: write another word." if found else "No option has this.")
        self.found.setVisible(bool(words) and (more > 0 or not found))

    def _add_field(self, name: str, metadata: Any, value: Any) -> QWidget:
        if name == "base":
            menu = self.fields[name] = ModelCombo()
            menu.setToolTip(f"{metadata['help']}  ({name})")
            menu.currentTextChanged.connect(self._on_field_changed)
            return menu
        field = self.fields[name] = option_field(name, metadata, value)
        field.changed.connect(self._on_field_changed)
        native: QWidget = field.native
        return native

    def _on_field_changed(self) -> None:
        self.changed.emit()


def _declared(options: TrainOptions) -> list[tuple[str, Any, Any]]:
    """Full name, metadata and value of every option."""
    found = []
    for spec in fields(options):
        value = getattr(options, spec.name)
        if is_dataclass(value):
            inner = fields(value)
            found += [(f"{spec.name}.{f.name}", f.metadata, getattr(value, f.name)) for f in inner]
        else:
            found.append((spec.name, spec.metadata, value))
    return found
