"""The options of training as a form: a few that matter in sight, all others under "More"."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_cfr_icl._errors import SettingsError
from napari_cfr_icl._options import with_values
from napari_cfr_icl.gui.widgets.section import Section
from napari_cfr_icl.training.options import TrainOptions
from napari_cfr_icl.zoo.catalog import CATALOGUE
from napari_cfr_icl.zoo.store import ModelStore

BASIC = {
    "base": "Begin with",
    "schedule.steps": "Steps",
    "schedule.batch": "Samples at a step",
    "data.side": "Side of a sample",
    "optimizer.rate": "Learning rate",
    "icl.enabled": "ICL",
}
"""Options in sight, by their full names, and what the form calls them."""

SECTIONS = {
    "": "Run",
    "data": "Data",
    "clicks": "Clicks",
    "icl": "Iterative click loss (ICL)",
    "suem": "Copy and paste (SUEM)",
    "augment": "Augmentation",
    "optimizer": "Optimizer",
    "schedule": "Schedule",
    "validation": "Measuring",
}
_MOST = 2**31 - 1

Field = QCheckBox | QComboBox | QSpinBox | QLineEdit


class OptionsForm(QWidget):
    """Made from the options' declaration: a new option is in the form as soon as it is declared."""

    def __init__(self, options: TrainOptions) -> None:
        super().__init__()
        self._options = options
        self.fields: dict[str, Field] = {}
        basic, more = QFormLayout(), QWidget()
        more_layout = QVBoxLayout(more)
        more_layout.setContentsMargins(12, 0, 0, 0)
        rest = {section: QFormLayout() for section in SECTIONS}
        for name, spec, value in _declared(options):
            field = self.fields[name] = _field(name, spec.metadata, value)
            field.setToolTip(f"{spec.metadata['help']}  ({name})")
            section, _, short = name.rpartition(".")
            if name in BASIC:
                basic.addRow(BASIC[name], field)
            else:
                rest[section].addRow(short.replace("_", " "), field)
        for section, form in rest.items():
            content = QWidget()
            form.setContentsMargins(0, 0, 0, 0)
            content.setLayout(form)
            more_layout.addWidget(Section(SECTIONS[section], content, opened=False))
        self.more = Section("More", more, opened=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(basic)
        layout.addWidget(self.more)
        self.show_options(options)

    def options(self) -> TrainOptions:
        """What the form says.

        Raises
        ------
        SettingsError
            When something in it cannot be; one sentence names it.
        """
        values: dict[str, Any] = {}
        for name, _, value in _declared(self._options):
            section, _, short = name.rpartition(".")
            place = values.setdefault(section, {}) if section else values
            place[short] = _read(name, self.fields[name], value)
        return with_values(self._options, values)

    def show_options(self, options: TrainOptions) -> None:
        """Show these."""
        self._options = options
        for name, _, value in _declared(options):
            _write(self.fields[name], value)


def _declared(options: TrainOptions) -> list[tuple[str, Any, Any]]:
    """Full name, declaration and value of every option."""
    found = []
    for spec in fields(options):
        value = getattr(options, spec.name)
        if is_dataclass(value):
            inner = [(f"{spec.name}.{f.name}", f, getattr(value, f.name)) for f in fields(value)]
            found += inner
        else:
            found.append((spec.name, spec, value))
    return found


def _field(name: str, about: Any, value: Any) -> Field:
    if name == "base":
        return _models()
    if isinstance(value, bool):
        return QCheckBox()
    if about["enum"]:
        combo = QComboBox()
        combo.addItems(about["enum"])
        return combo
    if isinstance(value, int):
        spin = QSpinBox()
        spin.setRange(int(about["minimum"] or 0), int(min(about["maximum"] or _MOST, _MOST)))
        return spin
    return QLineEdit()


def _models() -> QComboBox:
    """The model menu, where a file can be typed too."""
    combo = QComboBox()
    combo.setEditable(True)
    combo.setMinimumContentsLength(12)
    combo.addItems([*CATALOGUE, *(n for n in ModelStore().own_names() if n not in CATALOGUE)])
    return combo


def _read(name: str, field: Field, before: Any) -> Any:
    if isinstance(field, QCheckBox):
        return field.isChecked()
    if isinstance(field, QComboBox):
        return field.currentText().strip()
    if isinstance(field, QSpinBox):
        return field.value()
    text = field.text().strip()
    if isinstance(before, str):
        return text
    words = text.replace(",", " ").split()
    if isinstance(before, tuple):
        are_words = name == "optimizer.frozen"
        return words if are_words else [_number(name, word) for word in words]
    return _number(name, text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}.") from None


def _write(field: Field, value: Any) -> None:
    if isinstance(field, QCheckBox):
        field.setChecked(value)
    elif isinstance(field, QComboBox):
        field.setCurrentText(str(value))
    elif isinstance(field, QSpinBox):
        field.setValue(value)
    elif isinstance(value, tuple):
        field.setText(", ".join(str(item) for item in value))
    else:
        field.setText(str(value))
