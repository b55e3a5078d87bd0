"""The menu of models: those on this machine, a file of the user's, and those to download."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_cfr_icl._errors import OutputError
from napari_cfr_icl._paths import (
    MODELS_VARIABLE,
    choose_models_folder,
    models_folder,
    variable_names_models_folder,
)
from napari_cfr_icl.gui.widgets.narrow_menu import keep_narrow, widen_list
from napari_cfr_icl.zoo.listing import ModelState, ModelStatus, available

OTHER_FILE = "From a file…"
OTHER_FOLDER, ELSEWHERE = "Keep models in…", "\0elsewhere"
"""Text and value of the item that chooses the folder; no model can have that name."""

KINDS = "Checkpoints (*.safetensors *.pth *.pt);;All files (*)"


class ModelMenu(QComboBox):
    """A menu as narrow as the dock, whose list is as wide as its longest text.

    `filled` is emitted when the menu has new items, which have no facts yet, `chosen` with the name
    or the path of a model that can be used, `offered` with the `ModelStatus` of one that is not on
    this machine, `troubled` with an Exception.
    """

    filled = Signal()
    chosen = Signal(str)
    offered = Signal(object)
    troubled = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, ModelStatus] = {}
        self._shown = ""
        keep_narrow(self)
        self.activated.connect(self._on_activated)

    def showPopup(self) -> None:
        """Open the list."""
        widen_list(self)
        super().showPopup()

    def status(self, name: str) -> ModelStatus | None:
        """The catalogue's entry for a model; None for a file."""
        return self._models.get(name)

    def show_model(self, name: str) -> None:
        """Fill the menu afresh, and choose a model: first those on this machine."""
        self._models = {status.name: status for status in available()}
        self._shown = name
        self.clear()
        for status in self._models.values():
            if status.path is not None:
                found = f", {status.state.value}" if status.state is ModelState.FOUND else ""
                self.addItem(status.title + found, status.name)
        if name not in self._models:
            self.addItem(name.replace("\\", "/").rsplit("/", 1)[-1], name)
        self.addItem(OTHER_FILE, None)
        self.addItem(OTHER_FOLDER, ELSEWHERE)
        self.insertSeparator(self.count())
        absent = [status for status in self._models.values() if status.path is None]
        for status in sorted(absent, key=lambda status: status.state is ModelState.BY_HAND):
            self.addItem(f"{status.title}, {status.state.value}", status.name)
        self.setCurrentIndex(max(0, self.findData(name)))
        self.filled.emit()

    def show_facts(self, facts: Callable[[str], str]) -> None:
        """Show the facts about each model, by its name or path, as its tooltip."""
        # A name may be longer than the menu is wide, and a path longer than the dock.
        known = self._shown in self._models
        self.setToolTip(self.currentText() if known else self._shown)
        for index in range(self.count()):
            if (name := self.itemData(index)) not in (None, ELSEWHERE):
                self.setItemData(index, facts(name), Qt.ItemDataRole.ToolTipRole)

    def _on_activated(self) -> None:
        name = self.currentData()
        if name is None:
            self._choose_file()
        elif name == ELSEWHERE:
            self._choose_folder()
        elif (status := self._models.get(name)) is not None and status.path is None:
            # The model in use stays in use until this one is here.
            self.show_model(self._shown)
            self.offered.emit(status)
        else:
            self._shown = name
            self.chosen.emit(name)

    def _choose_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Choose a model", "", KINDS)
        self.show_model(file or self._shown)
        if file:
            self.chosen.emit(file)

    def _choose_folder(self) -> None:
        """Ask for the folder of models; the model in use stays in use."""
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
        self.show_model(self._shown)
