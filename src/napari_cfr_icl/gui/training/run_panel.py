"""The part of the training dock that shows a run: how far, curves, samples, gate."""

from __future__ import annotations

from pathlib import Path

import napari
from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cfr_icl.gui.training.plot import TrainingPlot
from napari_cfr_icl.gui.training.run_watch import RunView, RunWatch
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar

SAMPLES_TIP = "Samples of this step: green the truth, orange the answer to the first clicks."
NOT_COMPARED = (
    "It was not compared with its base. The command train use --anyway takes it nevertheless."
)


class RunPanel(QWidget):
    """Shows a `RunView` and the curves beside it.

    Emits `start_requested`, `stop_requested`, `resume_requested`, `use_requested` (name) and
    `folder_chosen` (Path) when another run is to be shown.
    """

    start_requested = Signal()
    stop_requested = Signal()
    resume_requested = Signal()
    use_requested = Signal(str)
    folder_chosen = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._sample: Path | None = None
        self._report: Path | None = None
        self._build()
        self.plot = TrainingPlot(viewer)
        self._lay_out()
        self._connect()
        self.show_nothing()

    @property
    def run(self) -> Path | None:
        """The folder that is named."""
        text = self.folder.text().strip()
        return Path(text).expanduser() if text else None

    def show_nothing(self, text: str = "") -> None:
        """Show that there is no run."""
        self.sentence.setText(text)
        self.bar.hide()
        self.plot.hide()
        self.samples.hide()
        self._enable(start=True)
        self._show_use(None)

    def show_starting(self, text: str) -> None:
        """Show that a run is being begun."""
        self.sentence.setText(text)
        self.bar.setRange(0, 0)
        self.bar.show()
        self._enable()
        self._show_use(None)

    def show_view(self, view: RunView, watch: RunWatch) -> None:
        """Show how a run stands."""
        self.sentence.setText(view.sentence)
        self.bar.setVisible(view.is_at_work)
        self.bar.show_progress(
            view.step, view.steps if view.state in ("running", "stopping") else 0
        )
        self._enable(start=not view.is_at_work, stop=view.is_at_work, resume=view.can_resume)
        self.stop.setText("Stop at once" if view.state == "stopping" else "Stop")
        curves = watch.curves
        self.plot.setVisible(bool(curves.losses or curves.rounds))
        self.plot.show_curves(curves)
        self._show_sample(watch.newest_sample)
        self._show_use(view if view.state == "finished" else None)
        self._report = watch.report
        self.report.setVisible(self._report is not None)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the samples to the new width."""
        super().resizeEvent(event)
        self._fit_sample()

    def _build(self) -> None:
        self.folder = QLineEdit()
        self.folder.setToolTip("Everything about the run goes there; a run that is there is shown.")
        self.browse = QPushButton("Open a run…")
        self.start = QPushButton("Start")
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("Finish the step, save it, end. Resume goes on from there.")
        self.resume = QPushButton("Resume")
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.samples = QLabel()
        self.samples.setToolTip(SAMPLES_TIP)
        self.samples.setMinimumWidth(1)
        self.name = QLineEdit()
        self.name.setToolTip("Name in the model menu.")
        self.use = QPushButton("Use it")
        self.report = QPushButton("Open the comparison")

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.addWidget(QLabel("Run folder"), 0, 0)
        grid.addWidget(self.folder, 0, 1)
        grid.addWidget(self.browse, 0, 2)
        buttons = QHBoxLayout()
        for button in (self.start, self.stop, self.resume):
            buttons.addWidget(button)
        use = QHBoxLayout()
        use.addWidget(self.name, 1)
        use.addWidget(self.use)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.sentence)
        layout.addLayout(use)
        for widget in (self.report, self.plot, self.samples):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self.start.clicked.connect(self.start_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.resume.clicked.connect(self.resume_requested)
        self.use.clicked.connect(self._on_use)
        self.report.clicked.connect(self._on_report)
        self.browse.clicked.connect(self._on_browse)
        self.folder.editingFinished.connect(self._on_folder_typed)

    def _enable(self, *, start: bool = False, stop: bool = False, resume: bool = False) -> None:
        self.start.setEnabled(start)
        self.stop.setEnabled(stop)
        self.resume.setEnabled(resume)

    def _show_use(self, view: RunView | None) -> None:
        self.use.setVisible(view is not None)
        self.name.setVisible(view is not None)
        self.report.setVisible(view is not None)
        if view is None:
            return
        self.use.setEnabled(view.passed is True)
        why_not = view.sentence if view.passed is False else NOT_COMPARED
        self.use.setToolTip("Into the model menu." if view.passed else why_not)
        self.name.setPlaceholderText(self.run.name if self.run is not None else "")

    def _show_sample(self, path: Path | None) -> None:
        if path != self._sample:
            self._sample = path
            self._fit_sample()
        self.samples.setVisible(path is not None)

    def _fit_sample(self) -> None:
        if self._sample is None:
            return
        picture = QPixmap(str(self._sample))
        if not picture.isNull():
            smooth = Qt.TransformationMode.SmoothTransformation
            self.samples.setPixmap(picture.scaledToWidth(max(1, self.width()), smooth))

    def _on_use(self) -> None:
        self.use_requested.emit(self.name.text().strip() or self.name.placeholderText())

    def _on_report(self) -> None:
        if self._report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._report)))

    def _on_browse(self) -> None:
        if found := QFileDialog.getExistingDirectory(self, "Folder of a run"):
            self.folder.setText(found)
            self.folder_chosen.emit(Path(found))

    def _on_folder_typed(self) -> None:
        if self.run is not None:
            self.folder_chosen.emit(self.run)
