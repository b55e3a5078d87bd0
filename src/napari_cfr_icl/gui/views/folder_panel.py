"""The panel for a folder of images: the position in it, and the buttons to go on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget
from superqt.utils import signals_blocked

from napari_cfr_icl.gui.views.dock_keys import DockKeys
from napari_cfr_icl.gui.widgets.arrange import grid
from napari_cfr_icl.gui.widgets.key_button import KeyButton
from napari_cfr_icl.gui.widgets.name_label import NameLabel
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar


class FolderPanel(QWidget):
    """Buttons to go through a folder.

    Emits `open_requested`, `labels_requested` (choose where labels go), `go_requested` (int: -1 or
    1), `unfinished_requested`, `finished_changed` (bool), and `placed` when an image of a folder is
    shown.
    """

    open_requested = Signal()
    labels_requested = Signal()
    go_requested = Signal(int)
    unfinished_requested = Signal()
    finished_changed = Signal(bool)
    placed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.open = KeyButton("Open folder…", "Work through the images of a folder.")
        self.labels = KeyButton("Labels into…", "Choose another folder for the labels.")
        self.previous = KeyButton("Previous", "Keep the labels, go to the image before.")
        self.next = KeyButton(
            "Next", "Keep the labels, go to the next image. One with objects is finished then."
        )
        self.unfinished = KeyButton("Next unfinished", "Skip what is finished.")
        self.finished = QCheckBox("This image is finished")
        self.where = NameLabel()
        self.kept = NameLabel()
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
        self._parts = (
            [self.where],
            [self.progress],
            [self.previous, self.next],
            [self.unfinished],
            [self.finished],
            [self.kept],
        )
        grid([[self.open, self.labels], *self._parts, [self.skipped]], into=self)

    def show_nothing(self) -> None:
        """Show that no folder is open."""
        self._show_parts(False)
        self.show_skipped({})

    def show_place(self, name: str, number: int, count: int) -> None:
        """Show the name of the image and its number, counted from 1."""
        self._show_parts(True)
        self.where.setText(f"{number} of {count}: {name}")
        self.show_kept("")
        self.placed.emit()

    def show_kept(self, text: str) -> None:
        """Show where the labels of this image were kept; an empty text hides it."""
        self.kept.setText(text)
        self.kept.setVisible(bool(text))

    def show_keys(self, keys: DockKeys) -> None:
        """Show the keys in force."""
        self.previous.show_key(keys.shown("previous_image"))
        self.next.show_key(keys.shown("next_image"))
        self.unfinished.show_key(keys.shown("next_unfinished"))

    def show_progress(self, finished: int, count: int, *, this_one: bool) -> None:
        """Show the number of finished images, and the mark of this one."""
        self.progress.show_progress(finished, count)
        with signals_blocked(self.finished):
            self.finished.setChecked(this_one)

    def show_skipped(self, reasons: Mapping[str, str]) -> None:
        """Show the skipped files: reasons by file name."""
        self.skipped.setText(f"Left out: {', '.join(reasons)}")
        self.skipped.setToolTip("\n".join(reasons.values()))
        self.skipped.setVisible(bool(reasons))

    def show_way(self, *, back: bool, on: bool, unfinished: bool) -> None:
        """Enable the buttons that lead somewhere."""
        self.previous.setEnabled(back)
        self.next.setEnabled(on)
        self.unfinished.setEnabled(unfinished)

    def _show_parts(self, shown: bool) -> None:
        self.labels.setVisible(shown)
        for part in chain(*self._parts):
            part.setVisible(shown)

    def _on_previous_clicked(self) -> None:
        self.go_requested.emit(-1)

    def _on_next_clicked(self) -> None:
        self.go_requested.emit(1)
