"""Panel of the training dock: a run's progress, curves, samples and comparison with its base."""

from __future__ import annotations

from pathlib import Path

import napari
from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices, QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit, QPushButton, QWidget

from napari_cfr_icl.gui.training.plot import TrainingPlot
from napari_cfr_icl.gui.training.run_monitor import RunStatus
from napari_cfr_icl.gui.widgets.arrange import column, row
from napari_cfr_icl.gui.widgets.named_action import NamedAction
from napari_cfr_icl.gui.widgets.progress_bar import ProgressBar
from napari_cfr_icl.gui.widgets.wrapped_label import WrappedLabel

SAMPLES_TIP = "Samples of this step: green the truth, orange the answer to the first clicks."
NOT_COMPARED = (
    "It was not compared with its base. The command train use --anyway takes it nevertheless."
)


class RunPanel(QWidget):
    """Shows a `RunStatus`.

    Emits `start_requested`, `stop_requested`, `resume_requested`, `use_requested` (name) and
    `folder_chosen` (Path) when the user names another run.
    """

    start_requested = Signal()
    stop_requested = Signal()
    resume_requested = Signal()
    use_requested = Signal(str)
    folder_chosen = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._samples: QImage | None = None
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
        self._show_result(None)

    def show_starting(self, text: str) -> None:
        """Show that a run is being started."""
        self.sentence.setText(text)
        self.bar.show_progress(0, 0)
        self.bar.show()
        self._enable()
        self._show_result(None)

    def show_status(self, status: RunStatus) -> None:
        """Show the state of a run."""
        self.sentence.setText(status.sentence)
        self.bar.setVisible(status.is_at_work)
        counts = status.state in ("running", "stopping")
        self.bar.show_progress(status.step, status.steps if counts else 0)
        at_work = status.is_at_work
        self._enable(start=not at_work, stop=at_work, resume=status.can_resume)
        self.stop.setText("Stop at once" if status.state == "stopping" else "Stop")
        self.plot.setVisible(bool(status.curves.losses or status.curves.rounds))
        self.plot.show_curves(status.curves)
        if status.samples is not self._samples:
            self._samples = status.samples
            self._fit_samples()
        self.samples.setVisible(status.samples is not None)
        self._show_result(status if status.state == "finished" else None)
        self._report = status.report
        self.report.setVisible(status.report is not None)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the samples to the new width."""
        super().resizeEvent(event)
        self._fit_samples()

    def _build(self) -> None:
        self.folder = QLineEdit()
        self.folder.setToolTip("Everything about the run goes there; a run that is there is shown.")
        self.browse = QPushButton("Open a run…")
        self.start = QPushButton("Start")
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("Finish the step, save it, end. Resume goes on from there.")
        self.resume = QPushButton("Resume")
        self.sentence = WrappedLabel()
        self.bar = ProgressBar(thin=True)
        self.samples = QLabel()
        self.samples.setToolTip(SAMPLES_TIP)
        self.samples.setMinimumWidth(1)
        self.use = NamedAction("Use it", "Name in the model menu.")
        self.report = QPushButton("Open the comparison")

    def _lay_out(self) -> None:
        folder = row(QLabel("Run folder"), self.folder, self.browse)
        buttons = row(self.start, self.stop, self.resume)
        result = self.use, self.report, self.plot, self.samples
        column(folder, buttons, self.bar, self.sentence, *result, into=self)

    def _connect(self) -> None:
        self.start.clicked.connect(self.start_requested)
        self.stop.clicked.connect(self.stop_requested)
        self.resume.clicked.connect(self.resume_requested)
        self.use.requested.connect(self.use_requested)
        self.report.clicked.connect(self._on_report)
        self.browse.clicked.connect(self._on_browse)
        self.folder.editingFinished.connect(self._on_folder_typed)

    def _enable(self, *, start: bool = False, stop: bool = False, resume: bool = False) -> None:
        self.start.setEnabled(start)
        self.stop.setEnabled(stop)
        self.resume.setEnabled(resume)

    def _show_result(self, status: RunStatus | None) -> None:
        self.use.setVisible(status is not None)
        self.report.setVisible(status is not None)
        if status is None:
            return
        self.use.button.setEnabled(status.passed is True)
        why_not = status.sentence if status.passed is False else NOT_COMPARED
        self.use.button.setToolTip("Into the model menu." if status.passed else why_not)
        self.use.show_default(self.run.name if self.run is not None else "")

    def _fit_samples(self) -> None:
        if self._samples is not None and not self._samples.isNull():
            smooth = Qt.TransformationMode.SmoothTransformation
            fitted = self._samples.scaledToWidth(max(1, self.width()), smooth)
            self.samples.setPixmap(QPixmap.fromImage(fitted))

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
