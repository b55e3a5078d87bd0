"""The panels for export and session files, and for work left unfinished."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_cfr_icl.gui.widgets.arrange import column, grid, row
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.name_label import NameLabel


class WorkPanel(QWidget):
    """Buttons to save and export, and a line on the outcome.

    Emits `export_requested`, `save_requested` and `open_requested`.
    """

    export_requested = Signal()
    save_requested = Signal()
    open_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.export = KeyButton(
            "Export…", "Write the labels as TIFF, COCO, GeoJSON or ImageJ ROIs."
        )
        self.save = KeyButton(
            "Save session…", "Write every click and object into one file, to go on or to repeat."
        )
        self.open = KeyButton("Open session…", "Go on with a session that was saved.")
        self.said = NameLabel()
        self.said.hide()
        grid([[self.export], [self.save, self.open], [self.said]], into=self)
        self.export.clicked.connect(self.export_requested)
        self.save.clicked.connect(self.save_requested)
        self.open.clicked.connect(self.open_requested)

    def say(self, text: str) -> None:
        """Show a line on the outcome; an empty one hides it."""
        self.said.setText(text)
        self.said.setVisible(bool(text))


class OfferRow(QWidget):
    """One line on work that was left unfinished, with buttons to restore or discard it.

    Emits `restore_requested` and `discard_requested`; hidden without an offer.
    """

    restore_requested = Signal()
    discard_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = NameLabel()
        self.restore = KeyButton("Restore", "Bring back its labels and the object under way.")
        self.discard = KeyButton("Discard", "Throw it away for good.")
        column(self.text, row(self.restore, self.discard), into=self)
        self.restore.clicked.connect(self.restore_requested)
        self.discard.clicked.connect(self.discard_requested)
        self.hide()

    def show_offer(self, text: str, restore: str = "Restore") -> None:
        """Make an offer; an empty text withdraws it."""
        self.text.setText(text)
        self.restore.setText(restore)
        self.setVisible(bool(text))
