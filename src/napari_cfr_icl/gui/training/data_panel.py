"""Panel of the training dock: the choice of pictures, and the findings of a check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import napari
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHeaderView, QPushButton, QTableWidget, QTableWidgetItem, QWidget

from napari_cfr_icl.gui.views.source_choice import SourceChoice
from napari_cfr_icl.gui.widgets.arrange import column
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.gui.widgets.themed_canvas import GREEN, ORANGE, RED
from napari_cfr_icl.gui.widgets.wrapped_label import WrappedLabel

SEVERITIES = {
    "error": ("left out", RED),
    "warning": ("look at it", ORANGE),
    "note": ("to know", GREEN),
}
_HEIGHT = 180
NAME_WIDTH = 110
"""Width in pixels of the names of files; the sentences have the rest."""


class DataPanel(QWidget):
    """Source of the pictures, and the findings of a check.

    Emits `check_requested`, and `source_changed` when other pictures were chosen.
    """

    check_requested = Signal()
    source_changed = Signal()

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.source = SourceChoice(viewer)
        self.check = QPushButton("Check")
        self.check.setToolTip("Read all pictures and labels, and tell what is wrong with which.")
        self.bar = ProgressBar(thin=True)
        self.summary = WrappedLabel()
        self.findings = QTableWidget(0, 2)
        self.findings.setHorizontalHeaderLabels(["file", "what was found"])
        self.findings.setFixedHeight(_HEIGHT)
        self.findings.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.findings.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.findings.setColumnWidth(0, NAME_WIDTH)
        if (header := self.findings.horizontalHeader()) is not None:
            header.setStretchLastSection(True)
        if (rows := self.findings.verticalHeader()) is not None:
            rows.hide()
            # A sentence has as many lines as it needs.
            rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        column(self.source, self.check, self.bar, self.summary, self.findings, into=self)
        self.check.clicked.connect(self.check_requested)
        self.source.changed.connect(self._on_source_changed)
        self.show_idle("")

    @property
    def is_checking(self) -> bool:
        """True while a check is shown as running."""
        return not self.check.isEnabled()

    def show_checking(self, read: int, count: int) -> None:
        """Show the progress of a check; of 0 pictures: unknown."""
        self.check.setEnabled(False)
        self.bar.show()
        self.bar.show_progress(read, count)
        self.summary.setText(f"{read} of {count} pictures read" if count else "Reading…")

    def show_report(self, report: Mapping[str, Any]) -> None:
        """Show the result of a check."""
        found = report["findings"]
        skipped = len({f["key"] for f in found if f["severity"] == "error"})
        text = f"{report['pictures']} usable pictures with {report['objects']} objects"
        if skipped:
            text += f", {skipped} file{'' if skipped == 1 else 's'} cannot be used"
        self.show_idle(f"{text}.")
        self.findings.setRowCount(len(found))
        for row, finding in enumerate(found):
            word, colour = SEVERITIES[finding["severity"]]
            file = QTableWidgetItem(finding["key"])
            file.setToolTip(finding["key"])
            sentence = QTableWidgetItem(f"{word}: {finding['text']}")
            sentence.setForeground(QColor(colour))
            self.findings.setItem(row, 0, file)
            self.findings.setItem(row, 1, sentence)
        self.findings.setVisible(bool(found))

    def show_idle(self, text: str) -> None:
        """Show that no check runs, and why."""
        self.check.setEnabled(True)
        self.bar.hide()
        self.summary.setText(text)
        self.summary.setVisible(bool(text))

    def _on_source_changed(self) -> None:
        self.findings.setRowCount(0)
        self.findings.hide()
        self.show_idle("")
        self.source_changed.emit()
