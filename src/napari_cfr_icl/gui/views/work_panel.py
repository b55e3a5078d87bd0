"""The part of the dock for work that lasts: export, session files, and work left unfinished."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_cfr_icl.gui.widgets.name_label import NameLabel


class WorkPanel(QWidget):
    """Buttons to save and export, and a line on what came of it.

    Emits `export_requested`, `save_requested` and `open_requested`.
    """

    export_requested = Signal()
    save_requested = Signal()
    open_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.export = _button("Export…", "Write the labels as TIFF, COCO, GeoJSON or ImageJ ROIs.")
        self.save = _button(
            "Save session…", "Write every click and object into one file, to go on or to repeat."
        )
        self.open = _button("Open session…", "Go on with a session that was saved.")
        self.said = NameLabel()
        self.said.hide()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.export, 0, 0, 1, 2)
        grid.addWidget(self.save, 1, 0)
        grid.addWidget(self.open, 1, 1)
        grid.addWidget(self.said, 2, 0, 1, 2)
        self.export.clicked.connect(self.export_requested)
        self.save.clicked.connect(self.save_requested)
        self.open.clicked.connect(self.open_requested)

    def say(self, text: str) -> None:
        """Say one line."""
        self.said.setText(text)
        self.said.setVisible(bool(text))


class OfferRow(QWidget):
    """One line on work that was left unfinished, with what can be done about it.

    Emits `restore_requested` and `discard_requested`; hidden while there is no offer.
    """

    restore_requested = Signal()
    discard_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = NameLabel()
        self.restore = _button("Restore", "Bring back its labels and the object under way.")
        self.discard = _button("Discard", "Throw it away for good.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore)
        buttons.addWidget(self.discard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.restore.clicked.connect(self.restore_requested)
        self.discard.clicked.connect(self.discard_requested)
        self.hide()

    def show_offer(self, text: str, restore: str = "Restore") -> None:
        """Make an offer; an empty text takes it back."""
        self.text.setText(text)
        self.restore.setText(restore)
        self.setVisible(bool(text))


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    # A button with the focus would swallow the keys that are meant for the canvas.
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
