"""The panel for the model and the method."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox
from magicgui.widgets.bases import CategoricalWidget, ValueWidget
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_cfr_icl.engine.settings import PRESETS
from napari_cfr_icl.gui.views.messages import in_seconds
from napari_cfr_icl.gui.views.model_fetch import ModelFetch
from napari_cfr_icl.gui.views.model_menu import ModelMenu
from napari_cfr_icl.gui.widgets.arrange import column, form
from napari_cfr_icl.gui.widgets.narrow_menu import keep_narrow, widen_list
from napari_cfr_icl.session.preferences import Preferences
from napari_cfr_icl.session.presets import load_presets
from napari_cfr_icl.session.speeds import Speeds

INFERENCES = {
    "as the preset says": "",
    "none (one pass)": "std",
    "CFR-1": "cfr-1",
    "CFR-4": "cfr-4",
    "A-CFR-4 (adaptive)": "a-cfr-4",
}
_GPU_FILES = ("/dev/nvidia0", "/dev/dxg", "/dev/kfd", "C:/Windows/System32/nvcuda.dll")
"""One of them is there with a driver that "cuda" works with; to ask torch would take seconds."""

DEVICES = (
    "auto",
    "cpu",
    *(["cuda"] if any(Path(file).exists() for file in _GPU_FILES) else []),
    *(["mps"] if sys.platform == "darwin" else []),
)
"""Devices that this machine may have."""
EVERY_CLICK = "Otherwise only the clicks that the preset says, which may be the first one alone."


_STRETCHED = {
    "min-max": "from its minimum to its maximum",
    "percentiles": "from its 2nd to its 98th percentile",
}


class EnginePanel(QWidget):
    """The choices that decide the predictor.

    `chosen` is emitted with the user's `Preferences` whenever a menu was used, `troubled` with an
    Exception.
    """

    chosen = Signal(object)
    troubled = Signal(object)

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self._preferences = preferences
        self._speeds = Speeds()
        self._build()
        self._connect()
        self._show()

    def note_pass(self, seconds: float) -> None:
        """Take note of the speed of the model in use on this machine."""
        if self._speeds.note(self._preferences.model, self._preferences.device, seconds):
            self._describe()

    @property
    def preferences(self) -> Preferences:
        """The choices that are shown."""
        return self._preferences

    def show_preferences(self, preferences: Preferences) -> None:
        """Show other choices, without a signal."""
        self._preferences = preferences
        self._show()

    def show_contrast(self, contrast: tuple[str, str] | None) -> None:
        """Tell the contrast that the network sees, and that it was trained with, where stretched.

        Parameters
        ----------
        contrast : tuple of str or None
            Both, as in `Settings.contrast`; None where they are not known.
        """
        seen, trained = contrast or ("shown", "shown")
        text = ""
        if trained != "shown":
            stretch = f"each colour stretched {_STRETCHED[trained]}"
            text = f"Contrast: {stretch}, as it was trained."
            if seen != trained:
                text = f"Contrast: as on the screen; it was trained with {stretch}."
        self.contrast.setText(text)
        self.contrast.setVisible(bool(text))

    def _build(self) -> None:
        self.model = ModelMenu()
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.contrast = QLabel()
        self.contrast.setWordWrap(True)
        self.contrast.hide()
        self.fetch = ModelFetch()
        self.inference = ComboBox(choices=list(INFERENCES.items()))
        self.every_click = CheckBox(text="Refine every click", tooltip=EVERY_CLICK)
        self.preset = ComboBox(choices=PRESETS)
        self.device = ComboBox(choices=DEVICES)
        for menu in (self.inference, self.preset, self.device):
            keep_narrow(menu.native)
        self._fields: dict[str, ValueWidget[Any]] = {
            "inference": self.inference,
            "every_click": self.every_click,
            "preset": self.preset,
            "device": self.device,
        }
        method = form(
            {
                "Refinement": self.inference.native,
                "": self.every_click.native,
                "Preset": self.preset.native,
                "Device": self.device.native,
            }
        )
        column(self.model, self.about, self.contrast, self.fetch, method, into=self)

    def _connect(self) -> None:
        self.model.filled.connect(self._describe)
        self.model.chosen.connect(self._on_model_chosen)
        self.model.offered.connect(self.fetch.offer)
        self.model.troubled.connect(self.troubled)
        self.fetch.fetched.connect(self._on_fetched)
        self.fetch.troubled.connect(self.troubled)
        for field in self._fields.values():
            field.changed.connect(self._on_field_changed)

    def _show(self) -> None:
        self.model.show_model(self._preferences.model)
        with self.preset.changed.blocked():
            self.preset.choices = (*PRESETS, *load_presets())
        widen_list(self.preset.native)
        for name, field in self._fields.items():
            value = getattr(self._preferences, name)
            if isinstance(field, CategoricalWidget) and value not in field.choices:
                value = field.choices[0]
            with field.changed.blocked():
                field.value = value

    def _describe(self) -> None:
        chosen, status = self._preferences.model, self.model.status(self._preferences.model)
        self.fetch.offer(None if status is None or status.path is not None else status)
        self.about.setText(self._facts(chosen))
        more = chosen if status is None else f"{status.notes}\n{status.source}"
        self.about.setToolTip(more.strip())
        self.model.show_facts(self._facts)

    def _facts(self, name: str) -> str:
        """The facts that help to choose a model: training images, licence, size and speed."""
        status, facts = self.model.status(name), ["A model from a file."]
        if status is not None:
            facts = [f"Trained on {status.trained_on}."] if status.trained_on else []
            facts.append(f"Licence: {status.licence or 'unknown'}.")
            facts.extend([f"{status.size / 1e6:.0f} MB."] if status.size else [])
        speed = self._speeds.of(name, self._preferences.device)
        if speed is not None:
            facts.append(f"About {in_seconds(speed / 1000)} a pass on this machine.")
        return " ".join(facts)

    def _on_fetched(self, name: str) -> None:
        self.model.show_model(name)
        self._on_model_chosen(name)

    def _on_model_chosen(self, name: str) -> None:
        self._choose(replace(self._preferences, model=name))

    def _on_field_changed(self) -> None:
        values = {name: field.value for name, field in self._fields.items()}
        self._choose(replace(self._preferences, **values))

    def _choose(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._describe()
        self.chosen.emit(preferences)
