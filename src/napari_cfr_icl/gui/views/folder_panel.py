"""The part of the dock for a folder of images: where one is in it, and the way on."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget
from superqt.utils import signals_blocked

from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.name_label import NameLabel
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar


class FolderPanel(QWidget):
    """Buttons to go through a folder.

    Emits `open_requested`, `labels_requested` (choose where labels go), `go_requested` (int: -1 or
    1), `unfinished_requested` and `finished_changed` (bool).
    """

    open_requested = Signal()
    labels_requested = Signal()
    go_requested = Signal(int)
    unfinished_requested = Signal()
    finished_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.open = KeyButton("Open folder…", "Work through the images of a folder.")
        self.labels = KeyButton("Labels into…", "Choose another folder for the labels.")
        self.previous = KeyButton("Previous", "Keep the labels, go to the image before.")
        self.next = KeyButton(
            "Next", "Keep the labels, go to the next image. One with objects is finished then."
        )
        self.unfinished = KeyButton("Next unfinished", "Skip what is finished.")
        self.finished = QCheckBox("This image is finished")
        self.where = NameLabel()
        self.skipped = NameLabel()
        self.progress = ProgressBar()
        self.progress.setFormat("%v of %m finished")
        self._lay_out()
        self.open.clicked.connect(self.open_requested)
        self.labels.clicked.connect(self.labels_requested)
        self.previous.clicked.connect(self._on_previous_clicked)
        self.next.clicked.connect(self._on_next_clicked)
        self.unfinished.clicked.connect(self.unfinished_requested)
        self.finished.toggled.connect(self.finished_changed)
        self.show_nothing()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.open, 0, 0)
        grid.addWidget(self.labels, 0, 1)
        grid.addWidget(self.where, 1, 0, 1, 2)
        grid.addWidget(self.progress, 2, 0, 1, 2)
        grid.addWidget(self.previous, 3, 0)
        grid.addWidget(self.next, 3, 1)
        grid.addWidget(self.unfinished, 4, 0, 1, 2)
        grid.addWidget(self.finished, 5, 0, 1, 2)
        grid.addWidget(self.skipped, 6, 0, 1, 2)

    def show_nothing(self) -> None:
        """No folder is open."""
        self._show_parts(False)
        self.show_left_out({})

    def show_place(self, name: str, number: int, count: int) -> None:
        """Show which image it is, counted from 1, of how many."""
        self._show_parts(True)
        self.where.setText(f"{number} of {count}: {name}")

    def show_progress(self, finished: int, count: int, *, this_one: bool) -> None:
        """Show how many are finished, and whether this one is."""
        self.progress.show_progress(finished, count)
        with signals_blocked(self.finished):
            self.finished.setChecked(this_one)

    def show_left_out(self, reasons: Mapping[str, str]) -> None:
        """Show which files of the folder are left out, and why: sentences by file name."""
        self.skipped.setText(f"Left out: {', '.join(reasons)}")
        self.skipped.setToolTip("\n".join(reasons.values()))
        self.skipped.setVisible(bool(reasons))

    def show_way(self, *, back: bool, on: bool, unfinished: bool) -> None:
        """Enable the ways that there are."""
        self.previous.setEnabled(back)
        self.next.setEnabled(on)
        self.unfinished.setEnabled(unfinished)

    def _show_parts(self, shown: bool) -> None:
        for part in (
            self.labels,
            self.where,
            self.progress,
            self.previous,
            self.next,
            self.unfinished,
            self.finished,
        ):
            part.setVisible(shown)

    def _on_previous_clicked(self) -> None:
        self.go_requested.emit(-1)

    def _on_next_clicked(self) -> None:
        self.go_requested.emit(1)
